// bun only: starts real servers
// The redis driver when its Redis is away, silent, restarted, a replica, or no Redis at all: every operation ends in
// time, with a StoreError or an answer, and the store comes back by itself.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Store } from "../../src/policy/effects.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";
import { run, serverPort } from "../support/live_children.ts";
import { redisMissing, RedisServer, startSentinel, stopServers } from "../support/live_redis.ts";
import { everyOperation, type LiveStore, liveStore, outcome, readyStore } from "../support/live_store.ts";

const missing = redisMissing();
const folder = mkdtempSync(join(tmpdir(), "sallyport-redis-"));
afterAll(async () => {
  await stopServers();
  rmSync(folder, { recursive: true });
});

const TIMEOUT = 300;
/** What a busy machine may add to a time. */
const MARGIN = 250;

function url(port: number): string {
  return `redis://127.0.0.1:${port}?timeout=${TIMEOUT}`;
}

async function expectAway(store: Store, limit: number, text = "Redis is away"): Promise<void> {
  const outcomes = await Promise.all(everyOperation(store).map(outcome));
  for (const { ok, took, text: told } of outcomes) {
    expect(ok).toBe(false);
    expect(told).toContain(text);
    expect(took).toBeLessThan(limit);
  }
}

async function expectBack({ store, states }: LiveStore, expected: readonly string[]): Promise<void> {
  expect(await eventually(() => states.at(-1) === "ready", 10_000)).toBe(true);
  expect(states).toEqual([...expected]);
  for (const operation of everyOperation(store)) expect(await outcome(operation)).toMatchObject({ ok: true });
}

describe.skipIf(missing !== undefined)("a Redis", () => {
  test("that is absent at the start is reached when it comes", async () => {
    const server = await RedisServer.prepare(folder);
    const live = await liveStore(url(server.port));
    await expectAway(live.store, 100);
    expect(await eventually(() => live.states.length > 0)).toBe(true);
    expect(live.detail()).toContain("ECONNREFUSED");
    await expectAway(live.store, 100, "ECONNREFUSED");
    await sleep(300);
    await server.start();
    await expectBack(live, ["lost", "ready"]);
    await live.store.close();
    await server.stop();
  });

  test("that is killed under load and started again ends every operation, and comes back", async () => {
    const server = await RedisServer.start(folder);
    const live = await readyStore(url(server.port));
    let over = false;
    let failed = 0;
    const worker = async () => {
      while (!over) {
        for (const operation of everyOperation(live.store)) {
          const { ok, took } = await outcome(operation);
          expect(took).toBeLessThan(TIMEOUT + MARGIN);
          if (!ok) failed++;
        }
        await sleep(1);
      }
    };
    const workers = Array.from({ length: 10 }, worker);
    await sleep(50);
    await server.kill();
    await sleep(100);
    expect(failed).toBeGreaterThan(0);
    await server.start();
    await expectBack(live, ["ready", "lost", "ready"]);
    over = true;
    await Promise.all(workers);
    await live.store.close();
    await server.stop();
  });

  test("that stands still is left after the timeout, not waited for, and taken back when it goes on", async () => {
    const server = await RedisServer.start(folder);
    const live = await readyStore(url(server.port));
    for (const operation of everyOperation(live.store)) await operation();
    server.signal("SIGSTOP");
    const outcomes = await Promise.all(everyOperation(live.store).map(outcome));
    for (const { ok, took } of outcomes) {
      expect(ok).toBe(false);
      expect(took).toBeLessThan(TIMEOUT + MARGIN);
      expect(took).toBeGreaterThan(TIMEOUT / 2);
    }
    expect(await eventually(() => live.states.at(-1) === "lost")).toBe(true);
    for (let i = 0; i < 5; i++, await sleep(50)) await expectAway(live.store, 100);
    server.signal("SIGCONT");
    await expectBack(live, ["ready", "lost", "ready"]);
    await live.store.close();
    await server.stop();
  });

  test("that stands still at the start stalls nothing", async () => {
    const server = await RedisServer.start(folder);
    server.signal("SIGSTOP");
    const live = await liveStore(url(server.port));
    for (let i = 0; i < 8; i++, await sleep(100)) await expectAway(live.store, 100);
    server.signal("SIGCONT");
    await expectBack(live, ["lost", "ready"]);
    await live.store.close();
    await server.stop();
  });

  test("is asked for its master's part only: a replica is not taken, and left when it becomes one", async () => {
    const [master, replica] = await Promise.all([RedisServer.start(folder), RedisServer.start(folder)]);
    const live = await readyStore(url(replica.port));
    await replica.admin.replicaof("127.0.0.1", master.port);
    const refused = await outcome(() => live.store.set("key", "value", 10_000));
    expect(refused.text).toContain("Cannot set a value in the store: READONLY");
    expect(await eventually(() => live.states.at(-1) === "lost")).toBe(true);
    await sleep(500);
    await expectAway(live.store, 100, "it is a replica");
    expect(live.states).toEqual(["ready", "lost"]);
    const late = await liveStore(url(replica.port));
    expect(await eventually(() => late.states.length > 0)).toBe(true);
    expect(late.detail()).toBe("it is a replica");
    await replica.admin.replicaof("NO", "ONE");
    await expectBack(live, ["ready", "lost", "ready"]);
    await expectBack(late, ["lost", "ready"]);
    for (const each of [live, late]) await each.store.close();
    for (const each of [master, replica]) await each.stop();
  });

  test("that has become a replica refuses all that is asked in one moment, and is left", async () => {
    const [master, replica] = await Promise.all([RedisServer.start(folder), RedisServer.start(folder)]);
    const live = await readyStore(url(replica.port));
    await replica.admin.replicaof("127.0.0.1", master.port);
    const counted = () => outcome(() => live.store.count("counter", 1, 10_000));
    for (const { text } of await Promise.all([counted(), counted()])) {
      expect(text).toContain("Cannot count in the store: READONLY");
    }
    expect(await eventually(() => live.states.at(-1) === "lost")).toBe(true);
    await live.store.close();
    for (const each of [master, replica]) await each.stop();
  });

  test("whose scripts are flushed gets them again, and nothing is counted twice", async () => {
    const server = await RedisServer.start(folder);
    const live = await readyStore(url(server.port));
    const counts: Promise<number>[] = [];
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 10; i++) counts.push(live.store.count("counter", 1, 60_000));
      await server.admin.script("FLUSH");
      for (let i = 0; i < 10; i++) counts.push(live.store.count("counter", 1, 60_000));
      await sleep(1);
    }
    expect((await Promise.all(counts)).sort((a, b) => a - b)).toEqual(counts.map((_, i) => i + 1));
    expect(live.states).toEqual(["ready"]);
    await live.store.close();
    await server.stop();
  });

  test("that has no room refuses with its own words, and stays connected", async () => {
    const server = await RedisServer.start(folder);
    const live = await readyStore(url(server.port));
    await server.admin.config("SET", "maxmemory", "1");
    const { text } = await outcome(() => live.store.set("key", "value", 10_000));
    expect(text).toContain("Cannot set a value in the store: OOM");
    expect((await outcome(() => live.store.count("key", 1, 10_000))).text).toContain("OOM");
    await server.admin.config("SET", "maxmemory", "0");
    expect((await outcome(() => live.store.set("key", "1", 10_000))).ok).toBe(true);
    expect(live.states).toEqual(["ready"]);
    await live.store.close();
    await server.stop();
  });

  test("that answers too late has done an operation late or not at all, but not twice", async () => {
    const server = await RedisServer.start(folder);
    const live = await readyStore(url(server.port));
    await live.store.count("counter", 1, 60_000);
    server.signal("SIGSTOP");
    const { text } = await outcome(() => live.store.count("counter", 1, 60_000));
    expect(text).toMatch(/: (Redis did not answer within 300 ms|the connection to Redis was lost)$/);
    server.signal("SIGCONT");
    const asked = () =>
      outcome(async () => expect(await live.store.count("counter", 0, 60_000)).toBeLessThan(3));
    expect(await eventually(async () => (await asked()).ok)).toBe(true);
    await live.store.close();
    await server.stop();
  });
});

/** A way to a Redis whose answers can be swallowed. */
async function relay() {
  const port = await serverPort();
  const state = { port, to: 0, swallow: false, sockets: new Set<Socket>() };
  const server = createServer((client) => {
    const redis = connect(state.to, "127.0.0.1");
    for (const [one, other] of [[client, redis], [redis, client]] as const) {
      state.sockets.add(one);
      one.on("error", () => {}).on("close", () => other.destroy());
    }
    client.on("data", (bytes) => redis.write(bytes));
    redis.on("data", (bytes) => state.swallow ? client.destroy() : client.write(bytes));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = () => {
    for (const socket of state.sockets) socket.destroy();
    server.close();
  };
  return Object.assign(state, { close });
}

describe.skipIf(missing !== undefined)(
  "an operation whose answer is lost fails, and is not done again",
  () => {
    test.each(["redis", "redis-cluster"])("by %s", async (scheme) => {
      const way = await relay();
      const announced = ["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", String(way.port)];
      const cluster = [
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        String(await serverPort()),
        ...announced,
      ];
      const server = await RedisServer.start(folder, ...(scheme === "redis" ? [] : cluster));
      way.to = server.port;
      if (scheme !== "redis") {
        await server.admin.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383);
        expect(await eventually(async () => (await server.admin.cluster("INFO")).includes("state:ok"))).toBe(
          true,
        );
      }
      const live = await readyStore(url(way.port).replace("redis", scheme));
      expect(await live.store.count("counter", 1, 60_000)).toBe(1);
      way.swallow = true;
      const lost = outcome(() => live.store.count("counter", 1, 60_000));
      expect(await eventually(async () => await server.admin.get("sallyport:value:counter") === "2")).toBe(
        true,
      );
      // Not before: its answer may still be on the way.
      expect((await lost).text).toContain("was lost");
      way.swallow = false;
      await expectBack(live, ["ready", "lost", "ready"]);
      // The one that was lost, and that of expectBack.
      expect(await server.admin.get("sallyport:value:counter")).toBe("3");
      await live.store.close();
      way.close();
      await server.stop();
    });
  },
);

describe("a server that is no Redis", () => {
  const answers: [string, (socket: Socket) => void][] = [
    ["greets like a mail server", (socket) => socket.write("220 mx.example ESMTP\r\n")],
    ["answers rubbish", (socket) => socket.on("data", () => socket.write("$9999999999\r\n*-7\r\n\0\0"))],
    ["closes at once", (socket) => socket.destroy()],
    ["says nothing", () => {}],
    ["refuses everything", (socket) => socket.on("data", () => socket.write("-ERR no\r\n".repeat(9)))],
  ];
  test.each(answers)("and %s is lost, and harms nothing", async (_, answer) => {
    const port = await serverPort();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => {}));
      answer(socket);
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const live = await liveStore(url(port));
    for (let i = 0; i < 6; i++, await sleep(60)) {
      for (const { ok, took } of await Promise.all(everyOperation(live.store).map(outcome))) {
        expect(ok).toBe(false);
        expect(took).toBeLessThan(TIMEOUT + MARGIN);
      }
    }
    expect(await eventually(() => live.states.length > 0)).toBe(true);
    expect(live.states).toEqual(["lost"]);
    await live.store.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

describe.skipIf(missing !== undefined)("with Sentinel", () => {
  test("the new master is found when the old one dies", async () => {
    const [master, replica] = await Promise.all([RedisServer.start(folder), RedisServer.start(folder)]);
    await replica.admin.replicaof("127.0.0.1", master.port);
    const synced = async () => (await replica.admin.info("replication")).includes("master_link_status:up");
    expect(await eventually(synced, 10_000)).toBe(true);
    const sentinel = await startSentinel(folder, master);
    const live = await readyStore(`redis-sentinel://127.0.0.1:${sentinel.port}/mail/0?timeout=${TIMEOUT}`);
    for (const operation of everyOperation(live.store)) await operation();
    // The sentinel hears of replicas from the master, every ten seconds at the most.
    expect(await eventually(() => sentinel.stdout.includes("+slave slave"), 15_000)).toBe(true);
    await master.kill();
    expect(await eventually(() => live.states.at(-1) === "lost")).toBe(true);
    await expectAway(live.store, 100, "");
    expect(await eventually(() => live.states.at(-1) === "ready", 20_000)).toBe(true);
    for (const operation of everyOperation(live.store)) await operation();
    expect(await replica.admin.get("sallyport:value:counter")).not.toBeNull();
    await live.store.close();
    await sentinel.stop();
    for (const each of [master, replica]) await each.stop();
  }, 60_000);
});

describe("a store that is closed", () => {
  test.each([
    ["redis://127.0.0.1:PORT"],
    ["rediss://127.0.0.1:PORT"],
    ["redis-cluster://127.0.0.1:PORT"],
    ["redis-sentinel://127.0.0.1:PORT/mail"],
  ])("lets the process end though %s was never there", async (form) => {
    const open = fileURLToPath(new URL("../../src/store/open.ts", import.meta.url));
    const code = `
      import { openStore } from ${JSON.stringify(open)};
      const store = await openStore(process.argv.at(-1), { now: Date.now });
      await new Promise((resolve) => setTimeout(resolve, 200));
      await store.get("key").catch((error) => console.log(error.name));
      await store.close();
      await store.get("key").catch((error) => console.log(error.message));
    `;
    const address = form.replace("PORT", String(await serverPort()));
    const script = join(folder, "closed.mts");
    writeFileSync(script, code);
    const ended = await run([process.execPath, script, address], { limit: 10_000 });
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(ended.stdout).toBe("StoreError\nCannot get a value from the store: it is closed\n");
  });
});
