// bun only: starts real servers
// The redis driver on a real server, a cluster and over TLS: the suite of all drivers, two processes at the same time,
// and the scripts against the memory driver.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { memoryStore } from "../../src/store/memory.ts";
import { type RedisCalls, RedisStore } from "../../src/store/redis.ts";
import { StoreError } from "../../src/policy/effects.ts";
import type { Read } from "../../src/store/script_call.ts";
import { CLOCK, SCRIPTS } from "../../src/store/scripts.ts";
import { expectAgreement, plays } from "../store/plays.ts";
import { storeSuite } from "../store/suite.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { makeIdentity } from "../support/certificate.ts";
import { redisMissing, RedisServer, startCluster, stopServers } from "../support/live_redis.ts";
import { everyOperation, liveRig, liveStore, readyStore } from "../support/live_store.ts";
import { together } from "../support/store_workers.ts";

const missing = redisMissing();
const folder = mkdtempSync(join(tmpdir(), "sallyport-redis-"));
let single: RedisServer;
let cluster: RedisServer[];
beforeAll(async () => {
  if (missing !== undefined) return;
  [single, cluster] = await Promise.all([RedisServer.start(folder), startCluster(folder)]);
}, 60_000);
afterAll(async () => {
  await stopServers();
  rmSync(folder, { recursive: true });
});

function singleUrl(): string {
  return `redis://127.0.0.1:${single.port}`;
}

function clusterUrl(): string {
  return `redis-cluster://${cluster.map(({ port }) => `127.0.0.1:${port}`)}`;
}

storeSuite("the redis driver", () => liveRig(singleUrl()), missing);
storeSuite("the redis driver on a cluster", () => liveRig(clusterUrl()), missing);

describe.skipIf(missing !== undefined)("over two processes with one Redis", () => {
  const jobs = [
    ["draws on a rate with a burst of 50 are allowed exactly 50 times", "draw", 50],
    ["a triplet is new exactly once", "greylist", 1],
    ["of new triplets exactly 50 are remembered", "strangers", 50],
    ["a triplet passes exactly once", "greylistPass", 200],
    ["of 7 places exactly 7 are held", "lease", 7],
    ["no count is lost", "count", 200],
  ] as const;
  for (const [kind, url] of [["server", singleUrl], ["cluster", clusterUrl]] as const) {
    test.each(jobs)(`(a ${kind}) %s`, async (_, job, expected) => {
      const prefix = `together-${kind}-${job}:`;
      const [one = 0, two = 0] = await together(`${url()}?prefix=${prefix}`, job, 100);
      expect(one + two).toBe(expected);
      if (job !== "count" || kind !== "server") return;
      expect(await single.admin.get(`${prefix}value:counter`)).toBe("200");
    });
  }
});

describe.skipIf(missing !== undefined)("the keys", () => {
  test("all have an end, begin with the prefix, and hold a group together by its hash tag", async () => {
    const { store } = await readyStore(`${singleUrl()}/3?prefix=mine:`);
    const rate = { key: "a}b", interval: 1000, burst: 10, cost: 1 };
    const triplet = {
      key: "t",
      delay: 1,
      window: 10_000,
      memory: 10_000,
      passes: 0,
      strangers: 1000,
      period: 10_000,
    };
    await store.set("v", "text", 10_000);
    await store.count("c", 1, 10_000);
    await store.draw("192.0.2.0/24", [rate]);
    await store.greylist("192.0.2.0/24", triplet);
    await store.greylistPass("", triplet);
    await store.greylist("odd}%", triplet);
    await store.lease("places", "holder", 1, 10_000);
    const admin = single.admin;
    await admin.select(3);
    const keys = (await admin.keys("*")).sort();
    expect(keys).toEqual([
      "mine:lease:places",
      "mine:value:c",
      "mine:value:v",
      "mine:{%}:passes",
      "mine:{%}:triplet:t",
      "mine:{192.0.2.0/24}:rate:a}b",
      "mine:{192.0.2.0/24}:strangers",
      "mine:{192.0.2.0/24}:triplet:t",
      "mine:{odd%7D%25}:strangers",
      "mine:{odd%7D%25}:triplet:t",
    ]);
    for (const key of keys) expect(await admin.pttl(key)).toBeGreaterThan(0);
    await admin.select(0);
    await store.close();
  });
});

describe.skipIf(missing !== undefined)("operations of the same moment", () => {
  test("have an answer each, in their order, and one that fails harms no other", async () => {
    const { store } = await readyStore(`${singleUrl()}?prefix=moment:`);
    const rate = (key: string) => [{ key, interval: 1e6, burst: 10, cost: 3 }];
    await store.set("text", "not a number", 10_000);
    const asked = await Promise.allSettled([
      store.count("counter", 1, 10_000),
      store.count("text", 1, 10_000),
      store.draw("group", rate("one")),
      store.lease("places", "holder", 1, 10_000),
      store.release("places", "holder"),
      store.lease("places", "other", 1, 10_000),
      store.draw("group", [...rate("one"), ...rate("two")]),
      store.greylistPass("group", {
        key: "t",
        delay: 1,
        window: 10_000,
        memory: 10_000,
        passes: 0,
        strangers: 1000,
        period: 10_000,
      }),
      store.count("counter", 1, 10_000),
    ]);
    const told = asked.map((each) => each.status === "fulfilled" ? each.value : each.reason.message);
    expect(told[1]).toMatch(/^Cannot count in the store: .*not an integer/);
    told[1] = "failed";
    // Nobody waits for a release: it goes with what follows it, so after what was asked before.
    expect(told).toEqual([
      1,
      "failed",
      { allowed: true, limiting: -1, retryAfter: 0, remaining: [7] },
      { held: true, count: 1 },
      undefined,
      { held: true, count: 1 },
      { allowed: true, limiting: -1, retryAfter: 0, remaining: [4, 7] },
      1,
      2,
    ]);
    await store.close();
  });
});

/** Runs the scripts with a clock that only `pass` moves, what Redis itself lets expire included. */
class Frozen implements RedisCalls {
  #now = 1_800_000_000_000;

  async command(deed: string, name: string, args: readonly string[]): Promise<unknown> {
    return await this.#call(deed, name, ...args);
  }

  async later(...call: Parameters<RedisCalls["later"]>): Promise<void> {
    await this.script(...call, (answer) => answer);
  }

  async script<T>(
    deed: string,
    name: keyof typeof SCRIPTS,
    keys: readonly string[],
    args: readonly string[],
    read: Read<T>,
  ): Promise<T> {
    const lua = SCRIPTS[name].replace(CLOCK, `local now = ${this.#now}\n`);
    return read(await this.#call(deed, "eval", lua, String(keys.length), ...keys, ...args), keys.length);
  }

  close(): void {}

  async pass(ms: number): Promise<void> {
    this.#now += ms;
    for (const key of await single.admin.keys("play:*")) {
      // All times are whole seconds: what is missing to one has passed since, in real time.
      const left = Math.ceil(await single.admin.pttl(key) / 1000) * 1000 - ms;
      if (left > 0) await single.admin.pexpire(key, left);
      else await single.admin.del(key);
    }
  }

  async #call(deed: string, name: string, ...args: string[]): Promise<unknown> {
    try {
      return await single.admin.call(name, ...args);
    } catch (error) {
      throw new StoreError(deed, error);
    }
  }
}

test.skipIf(missing !== undefined)(
  "the scripts and the memory driver give the same answers to any operations",
  async () => {
    const unit = 1_000_000;
    await fc.assert(
      fc.asyncProperty(plays(unit, 40), async (moves) => {
        for (const key of await single.admin.keys("play:*")) await single.admin.del(key);
        let now = 1_800_000_000_000;
        const frozen = new Frozen();
        await expectAgreement(moves, [
          {
            store: memoryStore({ now: () => now }),
            pass: (units) => Promise.resolve(void (now += units * unit)),
          },
          { store: new RedisStore(frozen, "play:"), pass: (units) => frozen.pass(units * unit) },
        ]);
      }),
      { numRuns: 150 },
    );
  },
  60_000,
);

describe.skipIf(missing !== undefined)("the login", () => {
  test("is the URL's, for the database that it names", async () => {
    const server = await RedisServer.start(folder, "--requirepass", "p@ss/w?rd");
    await server.admin.call("ACL", "SETUSER", "mail", "on", ">se:cret", "~*", "+@all");
    for (const login of [":p%40ss/w?rd", "mail:se:cret"]) {
      const { store } = await readyStore(`redis://${login}@127.0.0.1:${server.port}/2`);
      await store.set("key", login, 10_000);
      expect(await store.get("key")).toBe(login);
      await store.close();
    }
    expect(await server.admin.info("keyspace")).toContain("db2:keys=1");
    await server.stop();
  });

  test("is not that of a server that has no such database: nothing is written anywhere", async () => {
    const server = await RedisServer.start(folder);
    const live = await liveStore(`redis://127.0.0.1:${server.port}/99`);
    expect(await eventually(() => live.states.length > 0)).toBe(true);
    expect(live.states).toEqual(["lost"]);
    expect(live.detail()).toContain("database 99: ERR DB index is out of range");
    expect(live.store.set("key", "value", 1000)).rejects.toThrow("database 99");
    expect(await server.admin.dbsize()).toBe(0);
    await live.store.close();
    await server.stop();
  });

  test("that is wrong is lost with the server's words, and told nowhere", async () => {
    const server = await RedisServer.start(folder, "--requirepass", "right");
    const live = await liveStore(`redis://:wrong-secret@127.0.0.1:${server.port}`);
    expect(await eventually(() => live.states.length > 0)).toBe(true);
    expect(live.states).toEqual(["lost"]);
    expect(live.detail()).toContain("WRONGPASS");
    let told = "";
    await live.store.get("key").catch((error) => told = inspect(error, { depth: 9 }));
    expect(told).toContain("Cannot get a value from the store: Redis is away (WRONGPASS");
    expect(told + live.detail()).not.toContain("wrong-secret");
    await live.store.close();
    await server.stop();
  });
});

describe.skipIf(missing !== undefined)("over TLS", () => {
  const files = Object.fromEntries(
    ["ca", "cert", "key", "other"].map((name) => [name, join(folder, `${name}.pem`)]),
  ) as Record<"ca" | "cert" | "key" | "other", string>;
  let server: RedisServer;
  beforeAll(async () => {
    const { cert, key } = makeIdentity({ names: ["localhost"] });
    writeFileSync(files.ca, cert);
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
    writeFileSync(files.other, makeIdentity({ names: ["localhost"] }).cert);
    const tls = ["--tls-cert-file", files.cert, "--tls-key-file", files.key, "--tls-ca-cert-file", files.ca];
    const prepared = await RedisServer.prepare(folder);
    server = await RedisServer.start(
      folder,
      ...tls,
      "--tls-port",
      String(prepared.port),
      "--tls-auth-clients",
      "yes",
    );
    port = prepared.port;
  });
  afterAll(() => server?.stop());
  let port = 0;
  const identity = `cert=${files.cert}&key=${files.key}`;

  test("every operation works with an own CA and a client's certificate", async () => {
    const { store } = await readyStore(`rediss://localhost:${port}?ca=${files.ca}&${identity}`);
    for (const operation of everyOperation(store)) await operation();
    expect(await store.count("counter", 0, 1000)).toBe(1);
    await store.close();
  });

  test("a server with another's certificate, another name, or none of ours is not taken", async () => {
    for (
      const [host, settings] of [
        ["localhost", `ca=${files.other}&${identity}`],
        ["127.0.0.1", `ca=${files.ca}&${identity}`],
        ["localhost", identity],
        ["localhost", `ca=${files.ca}`],
      ]
    ) {
      const live = await liveStore(`rediss://${host}:${port}?${settings}`);
      expect(await eventually(() => live.states.length > 0)).toBe(true);
      expect(live.states).toEqual(["lost"]);
      expect(live.detail()).not.toBe("it was not reached yet");
      await live.store.close();
    }
  });

  test("a file that is not there is an error at the opening", async () => {
    const error = await liveStore(`rediss://:secret@localhost:${port}?ca=/nowhere.pem`).catch((error) =>
      error
    );
    expect(error.message).toContain(
      `Cannot open the store rediss://:***@localhost:${port}?ca=/nowhere.pem: ENOENT`,
    );
  });
});
