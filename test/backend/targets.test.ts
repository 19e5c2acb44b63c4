/** A backend given by its name: all its addresses are asked, they follow the name, and what is known is kept. */
import { describe, expect, test } from "bun:test";
import type { Resolved } from "../../src/backend/targets.ts";
import { PoolScene } from "../support/pool_scene.ts";

type Answer = readonly string[] | Error | Partial<Resolved>;

/** A pool whose backends' names stand for what `answers` says when they are looked up. */
class Named {
  readonly answers = new Map<string, Answer>();
  asked = 0;
  readonly scene: PoolScene;

  constructor(backends: readonly string[], answer: Answer, ttl = 20_000) {
    this.answers.set("mx.example", answer);
    this.scene = new PoolScene(backends, {}, {
      resolve: (name) => {
        this.asked++;
        const given = this.answers.get(name)!;
        if (given instanceof Error) return Promise.reject(given);
        const found = Array.isArray(given) ? { hosts: given } : given as Partial<Resolved>;
        return Promise.resolve({ hosts: [], ttl, complete: true, ...found });
      },
    });
  }

  static async known(answer: Answer, backends = ["mx.example:25"], ttl?: number): Promise<Named> {
    const named = new Named(backends, answer, ttl);
    await named.scene.pass(100);
    return named;
  }

  get names(): string[] {
    return this.scene.pool.backends.map(({ name }) => name);
  }
}

const counted = (picks: readonly (string | undefined)[]) =>
  Object.fromEntries([...Map.groupBy(picks, (pick) => pick)].map(([name, all]) => [name, all.length]));

describe("a name", () => {
  test("stands for all its addresses", async () => {
    const { names, scene } = await Named.known(["192.0.2.1", "2001:db8::1"]);
    expect(names).toEqual(["mx.example:25 (192.0.2.1)", "mx.example:25 (2001:db8::1)"]);
    expect(scene.pool.backends.map(({ endpoint }) => endpoint)).toEqual([
      { host: "192.0.2.1", port: 25 },
      { host: "2001:db8::1", port: 25 },
    ]);
  });

  test("has its weight, however many addresses it has", async () => {
    const { scene } = await Named.known(["192.0.2.1", "192.0.2.2"], [
      "mx.example:25?weight=2",
      "10.0.0.1:25",
    ]);
    const picks = Array.from({ length: 12 }, () => scene.transact());
    expect(counted(picks)).toEqual({ "192.0.2.1": 4, "192.0.2.2": 4, "10.0.0.1": 4 });
  });

  test("and keeps it while one of them is down", async () => {
    const { scene } = await Named.known(["192.0.2.1", "192.0.2.2"], [
      "mx.example:25?weight=2",
      "10.0.0.1:25",
    ]);
    scene.is("192.0.2.1", "refuses");
    for (let i = 0; i < 3; i++) scene.want([scene.backend("192.0.2.2"), scene.backend("10.0.0.1")], true);
    expect(scene.backend("192.0.2.1").standing).toBe("down");
    const picks = Array.from({ length: 12 }, () => scene.transact());
    expect(counted(picks)).toEqual({ "192.0.2.2": 8, "10.0.0.1": 4 });
  });

  test("is looked up again when its answer has had its time, and not before", async () => {
    const named = await Named.known(["192.0.2.1"]);
    await named.scene.pass(19_000);
    expect(named.asked).toBe(1);
    await named.scene.pass(1500);
    expect(named.asked).toBe(2);
  });

  test("is not looked up every moment, nor for ever left alone, whatever its time", async () => {
    const often = await Named.known(["192.0.2.1"], undefined, 0);
    await often.scene.pass(60_000);
    expect(often.asked).toBeLessThanOrEqual(13);
    const seldom = await Named.known(["192.0.2.1"], undefined, Infinity);
    await seldom.scene.pass(3_700_000, 10_000);
    expect(seldom.asked).toBe(2);
  });

  test("that is an address is never looked up; nor is a path", async () => {
    const named = await Named.known([], ["10.0.0.1:25", "[::1]:25", "unix:/run/b"]);
    await named.scene.pass(60_000);
    expect([named.asked, named.names]).toEqual([0, ["10.0.0.1:25", "[::1]:25", "unix:/run/b"]]);
  });
});

describe("when a name changes,", () => {
  test("a new address is looked at before a client needs it, and gets its share", async () => {
    const named = await Named.known(["192.0.2.1"]);
    named.answers.set("mx.example", ["192.0.2.1", "192.0.2.2"]);
    await named.scene.pass(21_000);
    expect(named.scene.to("192.0.2.2").length).toBe(1);
    expect(named.scene.backend("192.0.2.2").extensions).not.toBe(undefined);
    const picks = Array.from({ length: 4 }, () => named.scene.transact());
    expect(counted(picks)).toEqual({ "192.0.2.1": 2, "192.0.2.2": 2 });
  });

  test("one that has vanished gets nothing new, what it has is finished, and its idle connections are left", async () => {
    const named = await Named.known(["192.0.2.1", "192.0.2.2"]);
    const { scene } = named;
    const running = scene.want([scene.backend("192.0.2.2")]);
    const idle = scene.want([scene.backend("192.0.2.2")]);
    scene.pool.release(idle.connection!);
    const gone = scene.backend("192.0.2.1");
    named.answers.set("mx.example", ["192.0.2.2"]);
    await scene.pass(21_000);
    expect(named.names).toEqual(["mx.example:25 (192.0.2.2)"]);
    expect(running.lost).toBe(false);
    expect(scene.open.filter(({ host }) => host === "192.0.2.1").length).toBe(1);
    for (let i = 0; i < 4; i++) expect(scene.transact()).toBe("192.0.2.2");
    scene.pool.release(running.connection!);
    scene.events.settle();
    expect([gone.connections, scene.open.filter(({ host }) => host === "192.0.2.1").length]).toEqual([0, 0]);
    expect(scene.log).toContain("backend address gone: mx.example:25 (192.0.2.1): ");
  });

  test("what is known of an address stays with it", async () => {
    const named = await Named.known(["192.0.2.1", "192.0.2.2"]);
    const before = named.scene.backend("192.0.2.2");
    named.answers.set("mx.example", ["192.0.2.2", "192.0.2.3"]);
    await named.scene.pass(21_000);
    expect(named.scene.backend("192.0.2.2")).toBe(before);
  });

  for (
    const [how, answer] of [
      ["cannot be looked up", new Error("SERVFAIL")],
      ["has no address any more", []],
      ["is only half known", { hosts: ["192.0.2.2"], complete: false }],
    ] as const
  ) {
    test(`or ${how}, its addresses stay`, async () => {
      const named = await Named.known(["192.0.2.1", "192.0.2.2"]);
      named.answers.set("mx.example", answer);
      await named.scene.pass(120_000);
      expect(named.names).toEqual(["mx.example:25 (192.0.2.1)", "mx.example:25 (192.0.2.2)"]);
    });
  }

  test("where only one family is answered for, ever, its addresses go all the same, and the other's stay", async () => {
    const named = await Named.known(["192.0.2.1", "2001:db8::1"]);
    for (let last = 2; last < 50; last++) {
      named.answers.set("mx.example", { hosts: [`192.0.2.${last}`], complete: false, whole: 4 });
      await named.scene.pass(21_000);
    }
    expect(named.names).toEqual(["mx.example:25 (2001:db8::1)", "mx.example:25 (192.0.2.49)"]);
  });

  test("that has more than are dialled stands for the same ones, however the answers are turned", async () => {
    const all = Array.from({ length: 40 }, (_, i) => `192.0.2.${i + 1}`);
    const named = await Named.known(all);
    const { names } = named;
    expect(names.length).toBe(32);
    named.answers.set("mx.example", [...all.slice(20), ...all.slice(0, 20)]);
    await named.scene.pass(21_000);
    expect(named.names).toEqual(names);
  });

  test("what could not be looked up is told once, and once more when it can be", async () => {
    const named = await Named.known(["192.0.2.1"]);
    named.answers.set("mx.example", new Error("SERVFAIL"));
    await named.scene.pass(60_000);
    named.answers.set("mx.example", ["192.0.2.1"]);
    await named.scene.pass(10_000);
    expect(named.scene.log).toEqual([
      "backend name lost: mx.example:25: SERVFAIL",
      "backend name found: mx.example:25: ",
    ]);
  });
});

describe("a name that was never looked up", () => {
  test("is waited for by who wants to know what backends offer", async () => {
    const { scene } = new Named(["mx.example:25"], ["192.0.2.1"]);
    let done = false;
    scene.pool.probe(() => done = true);
    scene.events.settle();
    expect(done).toBe(false);
    await scene.pass(100);
    expect([done, scene.pool.extensions()?.has("8BITMIME")]).toEqual([true, true]);
  });

  test("leaves a pool down, and is asked for again soon", async () => {
    const named = await Named.known(new Error("ENOTFOUND"));
    let done = false;
    named.scene.pool.probe(() => done = true);
    expect([done, named.scene.pool.down]).toEqual([true, true]);
    expect(named.scene.want().reason).toBe("no backend's name can be looked up");
    named.answers.set("mx.example", ["192.0.2.1"]);
    await named.scene.pass(5500);
    expect(named.scene.transact()).toBe("192.0.2.1");
  });

  test("drained, comes up drained", async () => {
    const { scene } = new Named(["mx.example:25"], ["192.0.2.1"]);
    expect(scene.pool.drain("mx.example:25")).toBe(true);
    await scene.pass(100);
    expect([scene.backend("192.0.2.1").standing, scene.pool.down]).toEqual(["drained", true]);
    scene.pool.enable("mx.example:25");
    expect(scene.transact()).toBe("192.0.2.1");
  });
});
