/** A backend that lets wait: another is dialled beside it, one is given, and who comes next is spared the wait. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Condition, PoolScene } from "../support/pool_scene.ts";

const AB = ["a:25", "b:25"];

describe("a backend that takes connections and never greets", () => {
  test("costs the first client a second, and the next ones nothing", async () => {
    const scene = new PoolScene(AB);
    scene.is("a", "silent");
    const first = scene.want();
    await scene.pass(900);
    expect([first.host, scene.to("b").length]).toEqual([undefined, 0]);
    await scene.pass(200);
    expect(first.host).toBe("b");
    for (let i = 0; i < 20; i++) expect(scene.want().host).toBe("b");
  });

  test("does not cost more when it takes no connections either", async () => {
    const scene = new PoolScene(AB);
    scene.is("a", "unreachable");
    const first = scene.want();
    await scene.pass(1100);
    expect(first.host).toBe("b");
    await scene.pass(10_000);
    expect(scene.to("a").filter(({ dial }) => !dial.cancelled).length).toBeLessThanOrEqual(1);
  });

  test("is found out by looks: its circuit opens, and it gets nothing until it greets", async () => {
    const scene = new PoolScene(AB);
    scene.is("a", "silent");
    scene.want();
    await scene.pass(60_000);
    expect(scene.backend("a").standing).not.toBe("up");
    expect(scene.open.filter(({ host }) => host === "a").length).toBeLessThanOrEqual(1);
    scene.is("a", "well");
    await scene.pass(70_000);
    expect(scene.backend("a").standing).toBe("up");
    expect(new Set(Array.from({ length: 40 }, () => scene.transact()))).toEqual(new Set(["a", "b"]));
  });

  test("alone, is waited for: there is nobody else", async () => {
    const scene = new PoolScene(["a:25"]);
    scene.is("a", 20_000);
    const first = scene.want();
    await scene.pass(21_000);
    expect(first.host).toBe("a");
  });

  test("where every client leaves before its time is up, is found out all the same", async () => {
    const scene = new PoolScene(["a:25"]);
    scene.is("a", "silent");
    for (let i = 0; i < 10; i++) {
      const client = scene.want();
      await scene.pass(4000);
      client.request!.cancel();
    }
    expect(scene.pool.down).toBe(true);
    expect(scene.want().reason).toContain("all backends are down: a:25: ");
  });

  test("and then a kept connection to it is asked before it is used, and another backend beside it", async () => {
    const scene = new PoolScene(AB);
    for (let i = 0; i < 4; i++) scene.transact();
    expect(scene.open.length).toBe(2);
    scene.is("a", "silent");
    scene.want([scene.backend("b")], true);
    await scene.pass(1100);
    const client = scene.want([scene.backend("b")]);
    expect(client.connection).toBe(undefined);
    expect(scene.to("a")[0]!.heard.endsWith("RSET\r\n")).toBe(true);
    const other = scene.want();
    expect(other.host).toBe("b");
  });
});

describe("who is slow, but no slower than usual", () => {
  test("is not dialled beside others again and again", async () => {
    const scene = new PoolScene(AB);
    scene.is("a", 3000);
    scene.is("b", 3000);
    for (let i = 0; i < 3; i++) {
      scene.want([], true);
      await scene.pass(4000);
    }
    const before = scene.dials.length;
    for (let i = 0; i < 10; i++) {
      expect(scene.want([], true).host).toBe(undefined);
      await scene.pass(4000);
    }
    expect(scene.dials.length - before).toBe(10);
    expect(scene.pool.backends.map(({ standing }) => standing)).toEqual(["up", "up"]);
  });

  test("is not put out by looks that have less time than it needs", async () => {
    const scene = new PoolScene(["a:25"], { interval: 10_000 });
    scene.is("a", 15_000);
    await scene.pass(120_000);
    const client = scene.want([], true);
    await scene.pass(16_000);
    expect(client.host).toBe("a");
    await scene.pass(200_000);
    expect(scene.backend("a").standing).toBe("up");
  });
});

describe("of several dials", () => {
  test("the first that is ready is given; the other, once greeted, says QUIT and has carried nothing", async () => {
    const scene = new PoolScene(AB);
    scene.is("a", 2000);
    const client = scene.want();
    await scene.pass(1100);
    expect(client.host).toBe("b");
    scene.is("a", "well");
    await scene.pass(3000);
    const [loser] = scene.to("a");
    expect(loser!.heard).toBe("EHLO mx.example\r\nQUIT\r\n");
    expect(loser!.wire!.ended).toBe("close");
  });

  test("the first of all may still win", async () => {
    const scene = new PoolScene(AB);
    scene.is("a", 1500);
    scene.is("b", 5000);
    const client = scene.want();
    await scene.pass(2000);
    expect(client.host).toBe("a");
    await scene.pass(10_000);
    expect(scene.to("b")[0]!.heard).toBe("EHLO mx.example\r\nQUIT\r\n");
  });

  test("all are given up with the client", async () => {
    const scene = new PoolScene(AB);
    scene.is("a", "silent");
    scene.is("b", "silent");
    const client = scene.want();
    await scene.pass(1500);
    expect(scene.dials.length).toBeGreaterThanOrEqual(2);
    client.request!.cancel();
    await scene.pass(60_000);
    expect(client.connection).toBe(undefined);
    expect(scene.pool.backends.map(({ connections }) => connections)).toEqual([0, 0]);
  });

  test("none is made to who was drained or put out since", async () => {
    const scene = new PoolScene(["a:25", "b:25", "c:25"]);
    scene.is("a", "silent");
    const client = scene.want();
    scene.pool.drain("b:25");
    await scene.pass(1100);
    expect([client.host, scene.to("b").length]).toEqual(["c", 0]);
  });

  test("a backup is not dialled for a second's wait", async () => {
    const scene = new PoolScene(["a:25", "b:25?backup"]);
    scene.is("a", 3000);
    const client = scene.want();
    await scene.pass(3500);
    expect([client.host, scene.to("b").length]).toEqual(["a", 0]);
  });

  test("but for one that no look would pass", async () => {
    const scene = new PoolScene(["a:25", "b:25?backup"]);
    scene.is("a", "silent");
    const client = scene.want();
    await scene.pass(5200);
    expect(client.host).toBe("b");
  });
});

test("whatever befalls the backends, each client is told once, nobody waits for a sick one while another is well", async () => {
  const conditions: Condition[] = ["well", "refuses", "silent", "unreachable", "torn", 300, 2500];
  const plan = fc.array(fc.array(fc.constantFrom(...conditions), { minLength: 2, maxLength: 2 }), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(plan, async (phases) => {
      const scene = new PoolScene(["a:25", "b:25?weight=2", "c:25"]);
      for (const [a, b] of phases) {
        scene.is("a", a!);
        scene.is("b", b!);
        const clients = [];
        for (let i = 0; i < 4; i++) {
          clients.push(scene.want([], i % 2 === 0));
          await scene.pass(500);
        }
        // Twice what was usual, for two of them.
        await scene.pass(11_000);
        for (const { connection, reason } of clients) {
          expect([connection !== undefined, reason]).toEqual([true, undefined]);
        }
        for (const { connection } of clients) scene.pool.release(connection!);
        const given = clients.map(({ connection }) => connection!);
        expect(new Set(given).size).toBe(given.length);
      }
      for (const host of ["a", "b"]) scene.is(host, "well");
      await scene.pass(150_000, 500);
      expect(scene.pool.backends.map(({ standing }) => standing)).toEqual(["up", "up", "up"]);
      expect(scene.pool.backends.map(({ connections }) => connections)).toEqual([0, 0, 0]);
    }),
    { numRuns: 30 },
  );
});
