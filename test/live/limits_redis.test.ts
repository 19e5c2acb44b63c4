// bun only: starts real servers
// Greylist, limits and places of two processes that share one Redis: 200 sessions at once, counted to the unit.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { factsAt } from "../../src/testing.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";
import { redisMissing, RedisServer } from "../support/live_redis.ts";
import { readyStore } from "../support/live_store.ts";
import { SessionChain } from "../support/session_chain.ts";

const WORKER = fileURLToPath(new URL("../support/limits_worker.ts", import.meta.url));
/** Milliseconds that the workers' greylists let a stranger wait, and a little more. */
const WAIT = 500;

interface Told {
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  readonly metrics: string;
}

/** One process with the plugins. */
class Worker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(url: string, number: number) {
    this.#child = spawn(process.execPath, [WORKER, url, String(number)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("a worker has ended");
    return value;
  }

  say(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  end(signal?: "SIGKILL"): Promise<void> {
    const over = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    if (signal === undefined) this.#child.stdin!.end();
    else this.#child.kill(signal);
    return over;
  }
}

const missing = redisMissing();
const folder = mkdtempSync(join(tmpdir(), "sallyport-limits-"));
let server: RedisServer;
let workers: Worker[];

let started = 0;

async function start(count: number): Promise<Worker[]> {
  const url = `redis://127.0.0.1:${server.port}?prefix=t:&timeout=10000`;
  const fresh = Array.from({ length: count }, () => new Worker(url, started++));
  for (const worker of fresh) expect(await worker.line()).toBe("ready");
  return fresh;
}

beforeAll(async () => {
  if (missing !== undefined) return;
  server = await RedisServer.start(folder);
  workers = await start(2);
}, 60_000);
afterAll(async () => {
  await Promise.all((workers ?? []).map((worker) => worker.end()));
  await server?.stop();
  rmSync(folder, { recursive: true });
});

/** One round in several processes at once; how often which answer was given in all of them. */
async function round(name: string, those: readonly Worker[] = workers): Promise<Told["answers"]> {
  const told = await rounds(name, those);
  expect(told.flatMap(({ failures }) => failures)).toEqual([]);
  return sumOf(told);
}

async function rounds(name: string, those: readonly Worker[] = workers): Promise<Told[]> {
  for (const worker of those) worker.say(name);
  const told = await Promise.all(those.map(async (worker) => JSON.parse(await worker.line()) as Told));
  return told;
}

function sumOf(told: readonly Told[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { answers } of told) {
    for (const [answer, count] of Object.entries(answers)) sum[answer] = (sum[answer] ?? 0) + count;
  }
  return sum;
}

/** A metric of all processes; its labels but for the plugin's. */
function counted(told: readonly Told[], metric: string, labels: string): number {
  const start = `sallyport_plugin_${metric}_total{plugin="greylist"${labels}} `;
  return told.flatMap(({ metrics }) => metrics.split("\n")).filter((line) => line.startsWith(start))
    .reduce((sum, line) => sum + Number(line.slice(start.length)), 0);
}

describe.skipIf(missing !== undefined)(
  `over two processes with one Redis${missing ? ` [${missing}]` : ""}`,
  () => {
    test("of 200 messages a limit of 50 lets 50 through", async () => {
      expect(await round("fifty")).toEqual({ pass: 50, 450: 150 });
      expect(await round("fifty")).toEqual({ 450: 200 });
    });

    test("what the backend did not take is given back, each once", async () => {
      expect(await round("half is taken")).toEqual({ pass: 200 });
      expect(await round("the other half")).toEqual({ pass: 100, 450: 100 });
    });

    test("networks within networks are counted at one go: of 20 addresses with 2 each their network lets 20 through", async () => {
      expect(await round("nested")).toEqual({ pass: 20, 450: 180 });
    });

    test("limits that are asked apart lose nothing: what one refuses is given back to the other", async () => {
      const { pass = 0 } = await round("crossed");
      expect(pass).toBeGreaterThan(0);
      expect(pass).toBeLessThanOrEqual(30);
      const level = async (key: string) => Number((await server.admin.get(key) ?? "0 0").split(" ")[0]);
      const [wide, narrow] = await Promise.all([
        level("t:{rate:listener:192.0.2.25:25}:rate:wide"),
        level("t:{rate:of:narrow:12}:rate:narrow"),
      ]);
      // What has come back since is far less than one.
      expect([Math.ceil(wide - 0.01), Math.ceil(narrow - 0.01)]).toEqual([pass, pass]);
    });

    test("of 200 sessions at once 7 have a place, and when they end 7 others have", async () => {
      const key = "t:lease:rate:listener:192.0.2.25:25:places";
      for (let i = 0; i < 3; i++) {
        expect(await round("stay")).toEqual({ pass: 7, 421: 193 });
        expect(await server.admin.zcard(key)).toBe(7);
        await round("end");
        expect(await server.admin.exists(key)).toBe(0);
      }
    });

    test("places of a process that was killed are free after their time", async () => {
      const [victim] = await start(1);
      expect(await round("stay for two seconds", [victim!])).toEqual({ pass: 7, 421: 93 });
      await victim!.end("SIGKILL");
      expect(await round("stay for two seconds", [workers[0]!])).toEqual({ 421: 100 });
      await sleep(2000);
      expect(await round("stay for two seconds", [workers[0]!])).toEqual({ pass: 7, 421: 93 });
    });

    test("one triplet of 200 sessions is new once, and passes once for its network and its domain", async () => {
      const first = await rounds("greylist");
      expect(sumOf(first)).toEqual({ 450: 200 });
      expect([counted(first, "greylist", ',state="new"'), counted(first, "greylist", ',state="early"')])
        .toEqual([1, 199]);
      await sleep(WAIT);
      const second = await rounds("greylist");
      expect(sumOf(second)).toEqual({ pass: 200 });
      expect(counted(second, "greylist_delayed", ',up_to="10 min"')).toBe(1);
      expect(await server.admin.get("t:{greylist:203.0.113.0/24}:passes")).toBe("1");
      expect(await server.admin.get("t:value:greylist-domain:client.example")).toBe("1");
    });

    test("200 triplets are 200 passes", async () => {
      const before = Number(await server.admin.get("t:value:greylist-domain:client.example"));
      expect(await round("greylist apart")).toEqual({ 450: 200 });
      await sleep(WAIT);
      expect(await round("greylist apart")).toEqual({ pass: 200 });
      expect(await server.admin.get("t:{greylist:203.0.0.0/16}:passes")).toBe("200");
      expect(await server.admin.get("t:value:greylist-domain:client.example")).toBe(String(before + 200));
    });

    test("every key has an end", async () => {
      const keys = await server.admin.keys("*");
      expect(keys.length).toBeGreaterThan(200);
      const ends = await Promise.all(keys.map((key) => server.admin.pttl(key)));
      expect(Math.min(...ends)).toBeGreaterThan(0);
    });

    test("while it is away each process counts alone, and both count together again when it is back", async () => {
      await server.kill();
      const alone = await rounds("fifty");
      expect(alone.map(({ answers }) => answers)).toEqual(Array(2).fill({ pass: 50, 450: 50 }));
      expect(alone.flatMap(({ failures }) => failures)).toEqual(
        Array(2).fill("the store is away: limits are counted by this process alone"),
      );
      await server.start();
      const reached = async () =>
        String(await server.admin.client("LIST")).split("name=sallyport").length === 3;
      expect(await eventually(reached, 10_000)).toBe(true);
      // For so long a store that failed is not asked again.
      await sleep(1000);
      expect(await round("fifty")).toEqual({ pass: 50, 450: 150 });
    });
  },
);

test.skipIf(missing !== undefined).each([
  ["before its connection is left", 150],
  ["after that", 1000],
])("a place that a Redis grants which stood still, and goes on %s, is given back", async (_, stood) => {
  const hung = await RedisServer.start(folder);
  const { store, states } = await readyStore(`redis://127.0.0.1:${hung.port}?timeout=100`);
  let now = Date.now();
  const rule = rateLimit({ concurrency: [{ name: "all", per: "listener", most: 5 }] });
  const local = memoryStore({ now: Date.now });
  const sessions = new SessionChain([rule], { effects: { store, local, now: () => now } });
  const connect = (id: string) =>
    sessions.chain.judge("connect", factsAt("connect", { id }), sessions.newDossier());
  const key = "sallyport:lease:rate:listener:192.0.2.25:25:all";
  await connect("A");
  hung.signal("SIGSTOP");
  await Promise.all([connect("B"), connect("C")]);
  await sleep(stood);
  hung.signal("SIGCONT");
  expect(await eventually(() => states.at(-1) === "ready")).toBe(true);
  now += 60_000;
  await connect("D");
  const names = async () => (await hung.admin.zrange(key, "0", "-1")).map((holder) => holder[0]).join("");
  expect(await eventually(async () => await names() === "AD")).toBe(true);
  // Both were granted in the end: what shows that they were given back, and not lost on the way.
  expect(String(await hung.admin.info("commandstats"))).toMatch(/cmdstat_zadd:calls=4,/);
  await store.close();
  await hung.stop();
});
