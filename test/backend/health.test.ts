/** Looks at backends, circuits at work in a pool, drains, and what is told of all that. */
import { describe, expect, test } from "bun:test";
import type { Identity } from "../../src/backend/identity.ts";
import { latin1 } from "../../src/smtp/reply.ts";
import { type Condition, PoolScene } from "../support/pool_scene.ts";

const AB = ["a:25", "b:25"];
const CLIENT: Identity = {
  remote: { host: "192.0.2.1", port: 5 },
  local: { host: "192.0.2.25", port: 25 },
  unknown: false,
  name: "[TEMPUNAVAIL]",
  helo: "client.example",
  verb: "EHLO",
  user: undefined,
  tls: undefined,
};

describe("a look", () => {
  test("is taken at the interval, where nobody was greeted meanwhile, and says QUIT", async () => {
    const scene = new PoolScene(["a:25"], { interval: 10_000 });
    await scene.pass(10_000);
    expect(scene.dials.map(({ heard }) => heard)).toEqual(["EHLO mx.example\r\nQUIT\r\n"]);
    expect(scene.open).toEqual([]);
    await scene.pass(5000);
    scene.want([], true);
    await scene.pass(9000);
    expect(scene.dials.length).toBe(2);
    await scene.pass(2000);
    expect(scene.dials.length).toBe(3);
  });

  test("learns what a backend offers now", async () => {
    const scene = new PoolScene(["a:25"], { interval: 10_000 });
    expect(scene.pool.extensions()).toBe(undefined);
    await scene.pass(10_000);
    expect(scene.pool.extensions()?.has("8BITMIME")).toBe(true);
  });

  test("is not taken of who is drained, nor by a pool that stops", async () => {
    const scene = new PoolScene(AB, { interval: 1000 });
    scene.pool.drain("a:25");
    await scene.pass(5000);
    expect(scene.to("a")).toEqual([]);
    scene.pool.drain();
    const before = scene.dials.length;
    await scene.pass(5000);
    expect(scene.dials.length).toBe(before);
  });

  test("is one at a time", async () => {
    const scene = new PoolScene(["a:25"], { interval: 1000, timeout: 8000 });
    scene.is("a", "silent");
    for (let i = 0; i < 300; i++) {
      await scene.pass(100);
      expect(scene.open.length).toBeLessThanOrEqual(1);
    }
  });

  test("under way ends with the pool, and who waited for it is told", async () => {
    const scene = new PoolScene(["a:25"]);
    scene.is("a", "silent");
    let told = 0;
    scene.pool.probe(() => told++);
    await scene.pass(200);
    scene.pool.drain();
    await scene.pass(100);
    expect([told, scene.open.length]).toEqual([1, 0]);
  });
});

describe("a backend that is sick", () => {
  const conditions: readonly Condition[] = ["refuses", "torn"];
  for (const condition of conditions) {
    test(`(${condition}) is passed over at once, asked last, put out after three failures, and comes back`, async () => {
      const scene = new PoolScene(AB);
      scene.is("a", condition);
      for (let i = 0; i < 10; i++) expect(scene.want([], true).host).toBe("b");
      expect(scene.to("a").length).toBe(1);
      await scene.pass(10_000);
      expect(scene.backend("a").standing).toBe("down");
      const looks = scene.to("a").length;
      expect(looks).toBeLessThanOrEqual(8);
      scene.is("a", "well");
      await scene.pass(20_000);
      expect(scene.log.map((line) => line.split(":")[0])).toEqual([
        "backend circuit open",
        ...scene.log.slice(1, -1).map(() => "backend circuit half-open"),
        "backend circuit closed",
      ]);
      expect(scene.log[0]).toContain("backend circuit open: a:25: ");
    });
  }

  test("comes back with a small share that grows to its whole", async () => {
    const scene = new PoolScene(AB, { slowStart: 100_000 });
    scene.is("a", "refuses");
    for (let i = 0; i < 3; i++) scene.want([scene.backend("b")], true);
    scene.is("a", "well");
    await scene.pass(1100);
    const share = () =>
      Array.from({ length: 100 }, () => scene.transact()).filter((host) => host === "a").length;
    const first = share();
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(15);
    await scene.pass(50_000);
    const half = share();
    expect(half).toBeGreaterThan(25);
    expect(half).toBeLessThan(40);
    await scene.pass(60_000);
    expect(share()).toBe(50);
  });

  test("alone back of all, gets everything", async () => {
    const scene = new PoolScene(["a:25"], { slowStart: 100_000 });
    scene.is("a", "refuses");
    for (let i = 0; i < 3; i++) scene.want([], true);
    expect(scene.pool.down).toBe(true);
    scene.is("a", "well");
    await scene.pass(1100);
    expect(Array.from({ length: 9 }, () => scene.transact())).toEqual(new Array(9).fill("a"));
  });

  test("and open is not asked by clients, not even where it is the only one: they are told at once", () => {
    const scene = new PoolScene(["a:25"]);
    scene.is("a", "refuses");
    for (let i = 0; i < 5; i++) scene.want([], true);
    expect(scene.dials.length).toBe(3);
    expect(scene.want().reason).toBe("all backends are down: a:25: ECONNREFUSED");
  });

  test("half-open, gets one look and no client", async () => {
    const scene = new PoolScene(["a:25"]);
    scene.is("a", "refuses");
    for (let i = 0; i < 3; i++) scene.want([], true);
    scene.is("a", "silent");
    await scene.pass(1500);
    expect(scene.backend("a").standing).toBe("half-open");
    for (let i = 0; i < 5; i++) expect(scene.want().reason).not.toBe(undefined);
    expect(scene.dials.length).toBe(4);
  });

  test("leaves its kept connections when it is put out", async () => {
    const scene = new PoolScene(AB);
    for (let i = 0; i < 2; i++) scene.transact();
    expect(scene.open.length).toBe(2);
    scene.is("a", "refuses");
    for (let i = 0; i < 3; i++) scene.want([scene.backend("b")], true);
    await scene.pass(100);
    expect(scene.open.map(({ host }) => host)).toEqual(["b"]);
    expect(scene.to("a")[0]!.heard.endsWith("QUIT\r\n")).toBe(true);
  });

  test("is not called so for what it does to a client it has greeted: closing, 421, and nonsense", () => {
    const scene = new PoolScene(AB);
    const deeds = ["421 4.3.2 go\r\n", "550 no <\n> such\r\n", "354 what?\r\n", "250 and so on\r\n"];
    for (let i = 0; i < 10; i++) {
      const client = scene.want([scene.backend("b")], true);
      const { wire } = scene.dials.at(-1)!;
      const deed = deeds[i % 5];
      if (deed === undefined) wire!.reset();
      else wire!.send(latin1(deed));
      scene.events.settle();
      expect(client.lost).toBe(true);
    }
    expect(scene.backend("a").well).toBe(true);
  });

  for (const alone of [false, true]) {
    const what = alone ? "stays in use where it is the only one" : "is put out while another is well";
    test(`by commands that are never answered, though it greets, ${what}`, async () => {
      const scene = new PoolScene(alone ? ["a:25"] : AB);
      scene.is("a", "mute");
      for (let i = 0; i < 4; i++) {
        const { connection } = scene.want(alone ? [] : [scene.backend("b")], true);
        connection?.send("mail", "MAIL FROM:<>");
        connection?.flush();
        await scene.pass(310_000, 5000);
      }
      const opened = scene.log.find((line) => line.startsWith("backend circuit open"));
      expect(opened).toBe(alone ? undefined : "backend circuit open: a:25: no reply in time");
    });
  }
});

describe("recipients whose replies are late put a backend out", () => {
  /** One after another lets a command hang there until its time is over. */
  async function hang(clients: readonly string[]): Promise<string> {
    const scene = new PoolScene(AB);
    scene.is("a", "mute");
    for (const host of clients) {
      const { connection } = scene.want([scene.backend("b")], true, { ...CLIENT, remote: { host, port: 5 } });
      connection!.send("rcpt", "RCPT TO:<slow@y.example>");
      connection!.flush();
    }
    await scene.pass(310_000, 5000);
    return scene.log.some((line) => line.startsWith("backend circuit open")) ? "out" : "in use";
  }
  const rows: readonly (readonly [what: string, clients: readonly string[], state: string])[] = [
    ["not where they are one client's", new Array(9).fill("192.0.2.1"), "in use"],
    ["not where they are one IPv6 network's", ["2001:db8::1", "2001:db8::2", "2001:db8::3"], "in use"],
    ["not where they are two clients'", ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"], "in use"],
    ["where they are three clients'", ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "out"],
  ];
  for (const [what, clients, state] of rows) {
    test(what, async () => expect(await hang(clients)).toBe(state));
  }
});

test("RSETs that are not answered count, whoever had the connection before", async () => {
  const scene = new PoolScene(AB);
  const held = [1, 2, 3].map(() => scene.want([scene.backend("b")], true, CLIENT).connection!);
  scene.is("a", "mute");
  for (const connection of held) scene.pool.reset(connection);
  await scene.pass(30_000, 500);
  expect(scene.log[0]).toBe("backend circuit open: a:25: no reply in time");
});

test("a command that takes long at a backend that greets is waited for, with a look now and then", async () => {
  const scene = new PoolScene(AB);
  const client = scene.want([scene.backend("b")]);
  scene.is("a", "mute");
  client.connection!.send("rcpt", "RCPT TO:<slow@y.example>");
  client.connection!.flush();
  await scene.pass(60_000);
  expect(client.lost).toBe(false);
  expect(scene.backend("a").well).toBe(true);
  expect(scene.to("a").length).toBeGreaterThan(1);
  expect(scene.to("a").length).toBeLessThanOrEqual(13);
});

describe("a backend that takes no more connections", () => {
  test("while it works on those it has is asked last, and not put out", async () => {
    const scene = new PoolScene(AB);
    const [one, two] = [scene.want([scene.backend("b")]), scene.want([scene.backend("b")])];
    scene.is("a", "busy");
    for (let i = 0; i < 10; i++) {
      expect(scene.want([scene.backend("b")], true).reason).toContain("421 4.7.0 too many");
      expect(scene.want().host).toBe("b");
      await scene.pass(1000);
    }
    expect(scene.backend("a").standing).toBe("up");
    for (const { connection } of [one, two]) scene.pool.release(connection!);
    expect(scene.want([scene.backend("b")]).host).toBe("a");
    scene.is("a", "well");
    await scene.pass(2000);
    expect(scene.backend("a").well).toBe(true);
  });

  test("and has none is put out like any other", async () => {
    const scene = new PoolScene(AB);
    const kept = scene.want([scene.backend("b")]);
    scene.pool.discard(kept.connection!);
    scene.is("a", "busy");
    scene.want([scene.backend("b")], true);
    await scene.pass(5000);
    expect(scene.backend("a").standing).toBe("down");
  });

  test("the count of what works is right however connections end", async () => {
    const scene = new PoolScene(["a:25"]);
    scene.pool.discard(scene.want([], true).connection!);
    scene.pool.release(scene.want([], true).connection!);
    scene.dials.at(-1)!.wire!.reset();
    scene.events.settle();
    scene.pool.retire(scene.want([], true).connection!);
    scene.want([], true);
    scene.dials.at(-1)!.wire!.reset();
    scene.events.settle();
    scene.is("a", "unreachable");
    scene.want([], true).request!.cancel();
    await scene.pass(500);
    expect([scene.backend("a").connections, scene.backend("a").working]).toEqual([0, 0]);
  });
});

describe("backups", () => {
  test("get nothing while somebody else is well, all when nobody is, and nothing again afterwards", async () => {
    const scene = new PoolScene(["a:25", "b:25", "c:25?backup"]);
    const some = () => new Set(Array.from({ length: 10 }, () => scene.want([], true).host));
    expect(some()).toEqual(new Set(["a", "b"]));
    scene.is("a", "refuses");
    expect(some()).toEqual(new Set(["b"]));
    scene.is("b", "refuses");
    expect(some()).toEqual(new Set(["c"]));
    scene.is("a", "well");
    await scene.pass(10_000);
    expect(some()).toEqual(new Set(["a"]));
  });
});

describe("least busy", () => {
  test("goes to who has fewer transactions for its weight", () => {
    const scene = new PoolScene(["a:25?weight=2", "b:25"], {}, { balance: "least-busy" });
    const hosts = Array.from({ length: 9 }, () => scene.want().host);
    expect(hosts.filter((host) => host === "a").length).toBe(6);
  });

  test("and idle connections are no transactions", () => {
    const scene = new PoolScene(AB, {}, { balance: "least-busy" });
    const held = [scene.want(), scene.want(), scene.want()];
    for (const { connection } of held) {
      if (connection!.backend.name === "a:25") scene.pool.release(connection!);
    }
    expect(scene.want().host).toBe("a");
  });
});

describe("a backend that is drained", () => {
  test("gets no new transaction, finishes what it has, and leaves its idle connections", async () => {
    const scene = new PoolScene(AB);
    const running = [scene.want(), scene.want()].find(({ host }) => host === "a")!;
    const idle = scene.want([scene.backend("b")]);
    scene.pool.release(idle.connection!);
    expect(scene.pool.drain("a:25")).toBe(true);
    await scene.pass(100);
    expect(scene.backend("a").standing).toBe("drained");
    expect(scene.backend("a").connections).toBe(1);
    for (let i = 0; i < 6; i++) expect(scene.transact()).toBe("b");
    expect(running.lost).toBe(false);
    scene.pool.release(running.connection!);
    scene.events.settle();
    expect(scene.backend("a").connections).toBe(0);
    expect(scene.to("a").every(({ heard }) => heard.endsWith("QUIT\r\n"))).toBe(true);
  });

  test("is given again when it is enabled", () => {
    const scene = new PoolScene(AB);
    scene.pool.drain("a:25");
    expect(scene.transact()).toBe("b");
    expect(scene.pool.enable("a:25")).toBe(true);
    expect(new Set([scene.transact(), scene.transact()])).toEqual(new Set(["a", "b"]));
  });

  test("with all others: the pool is down, and says why", () => {
    const scene = new PoolScene(AB);
    scene.pool.drain("a:25");
    scene.pool.drain("b:25");
    expect([scene.pool.down, scene.want().reason]).toEqual([true, "all backends are drained"]);
  });

  test("must be there", () => {
    const scene = new PoolScene(AB);
    expect([scene.pool.drain("c:25"), scene.pool.enable("c:25")]).toEqual([false, false]);
  });
});

test("metrics say how each backend stands, what it has open, and what became of dials", async () => {
  const scene = new PoolScene(AB);
  scene.is("a", "refuses");
  for (let i = 0; i < 3; i++) scene.want([scene.backend("b")], true);
  scene.transact();
  await scene.pass(1100);
  const text = scene.metrics.text();
  expect(text).toContain('sallyport_backend_state{backend="a:25",state="down"} 1');
  expect(text).toContain('sallyport_backend_state{backend="a:25",state="up"} 0');
  expect(text).toContain('sallyport_backend_state{backend="b:25",state="up"} 1');
  expect(text).toContain('sallyport_backend_connections{backend="b:25"} 1');
  expect(text).toContain('sallyport_backend_connects_total{backend="a:25",use="mail",outcome="refused"} 3');
  expect(text).toContain('sallyport_backend_connects_total{backend="a:25",use="look",outcome="refused"} 1');
  expect(text).toContain('sallyport_backend_connects_total{backend="b:25",use="mail",outcome="ready"} 1');
});
