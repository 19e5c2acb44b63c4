// bun only: starts real servers
// One of two backends is stopped (SIGSTOP), goes, comes back, or breaks off, on real sockets and under load: no client
// waits for it, every 250 is one message, and none is there twice.
import { afterAll, beforeAll, expect, test } from "bun:test";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RawClient } from "../support/blackbox_client.ts";
import { type ProxyProcess, startProxy } from "../support/blackbox_proxy.ts";
import { ending, letter, taken } from "../support/blackbox_stage.ts";
import { eventually, inParallel, sleep } from "../support/blackbox_wait.ts";
import { Daemon } from "../support/live_children.ts";

const BACKEND = fileURLToPath(new URL("../support/live_pool_backend.ts", import.meta.url));

class Backend {
  readonly process = new Daemon([process.execPath, BACKEND], process.cwd());

  static async start(): Promise<Backend> {
    const backend = new Backend();
    await backend.process.up("a backend", () => Promise.resolve(backend.port !== undefined));
    return backend;
  }

  get port(): string | undefined {
    return /^port (\d+)$/m.exec(this.process.stdout)?.[1];
  }

  took(id: string): number {
    return this.process.stdout.split("\n").filter((line) => line === `took ${id}`).length;
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    if (!this.process.ended) process.kill(this.process.pid, name);
  }
}

interface Sent {
  readonly id: string;
  readonly ok: boolean;
  readonly ending: string;
  readonly ms: number;
}

let [one, two]: Backend[] = [];
let proxy: ProxyProcess;
beforeAll(async () => {
  [one, two] = [await Backend.start(), await Backend.start()];
  proxy = await startProxy(`localhost:${one.port},127.0.0.1:${two.port}?weight=2`);
}, 60_000);
afterAll(async () => {
  one?.signal("SIGCONT");
  await proxy?.stop();
  await Promise.all([one?.process.stop(), two?.process.stop()]);
});

/** One client's letter, and how long it took. */
async function send(limit: number): Promise<Sent> {
  const began = performance.now();
  const client = await RawClient.greeted(proxy.port);
  const { id, bytes } = letter();
  const sent = await client.send(bytes, { limit });
  await client.quit();
  return { id, ok: taken(sent), ending: ending(sent), ms: performance.now() - began };
}

/** So many letters, so many at a time. */
async function load(letters: number, width: number, limit = 20_000): Promise<Sent[]> {
  const sent: Sent[] = [];
  await inParallel(Array.from({ length: letters }), width, async () => void sent.push(await send(limit)));
  return sent;
}

/** Each letter that was taken is there once, every other one not at all. */
async function expectOnce(sent: readonly Sent[]): Promise<void> {
  await eventually(() => sent.every(({ id, ok }) => !ok || one!.took(id) + two!.took(id) > 0), 5000);
  for (const { id, ok, ending } of sent) {
    expect([id, one!.took(id) + two!.took(id), ending][1]).toBe(ok ? 1 : 0);
  }
}

const states = () => proxy.stdout.match(/"event":"backend circuit [a-z-]+"/g) ?? [];

test("a name and an address share by weight, each with its own connections", async () => {
  const sent = await load(30, 1);
  expect(sent.filter(({ ok }) => !ok)).toEqual([]);
  await expectOnce(sent);
  expect(sent.filter(({ id }) => one!.took(id) > 0).length).toBeGreaterThanOrEqual(8);
  expect(sent.filter(({ id }) => one!.took(id) > 0).length).toBeLessThanOrEqual(12);
}, 60_000);

test(
  "a stopped backend costs whoever is on it some seconds, the next ones nothing, and no mail",
  async () => {
    one!.signal("SIGSTOP");
    const first = await load(16, 4);
    expect(first.filter(({ ok }) => !ok)).toEqual([]);
    expect(Math.max(...first.map(({ ms }) => ms)), "the slowest").toBeLessThan(15_000);
    const next = await load(30, 3);
    expect(next.filter(({ ok }) => !ok)).toEqual([]);
    expect(Math.max(...next.map(({ ms }) => ms)), "the slowest afterwards").toBeLessThan(2500);
    one!.signal("SIGCONT");
    // What it had in its socket buffers it reads now; none of it may be a message.
    await sleep(500);
    await expectOnce([...first, ...next]);
  },
  90_000,
);

test("it gets mail again when it goes on", async () => {
  const again = async () => (await load(6, 2)).some(({ id }) => one!.took(id) > 0);
  expect(await eventually(again, 60_000)).toBe(true);
}, 90_000);

test("a backend that is killed: nothing is lost, its circuit opens, nobody waits", async () => {
  const running = load(60, 6);
  await sleep(100);
  await one!.process.stop("SIGKILL");
  const sent = await running;
  // What it took in its last moments it did not live to tell; nothing is there twice.
  for (const { ok, ending } of sent) if (!ok) expect(ending).toMatch(/: 451 4\.3\.0 /);
  for (const { id } of sent) expect(one!.took(id) + two!.took(id)).toBeLessThanOrEqual(1);
  const after = await load(30, 3);
  expect(after.filter(({ ok }) => !ok)).toEqual([]);
  expect(Math.max(...after.map(({ ms }) => ms))).toBeLessThan(2500);
  await expectOnce(after);
  expect(await eventually(() => /open/.test(states().at(-1) ?? ""), 30_000), proxy.log).toBe(true);
}, 90_000);

test("the proxy lives", () => expect(proxy.ended).toBe(false));
