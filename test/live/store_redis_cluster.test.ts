// bun only: starts real servers
// The redis driver on a cluster whose slots move and whose nodes come and go.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../../src/policy/effects.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";
import {
  emptySlot,
  moveSlot,
  redisMissing,
  type RedisServer,
  startCluster,
  stopServers,
} from "../support/live_redis.ts";
import { everyOperation, type LiveStore, outcome, readyStore } from "../support/live_store.ts";

const missing = redisMissing();
const folder = mkdtempSync(join(tmpdir(), "sallyport-redis-"));
const TIMEOUT = 400;
const MARGIN = 300;
const HOUR = 3_600_000;
let nodes: RedisServer[] = [];
let live: LiveStore;

beforeAll(async () => {
  if (missing !== undefined) return;
  nodes = await startCluster(folder);
  live = await readyStore(url());
}, 60_000);
afterAll(async () => {
  await live?.store.close();
  await stopServers();
  rmSync(folder, { recursive: true });
});

function url(): string {
  return `redis-cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`)}?timeout=${TIMEOUT}`;
}

/** A group whose keys lie on this node. */
async function groupOn(node: number): Promise<{ group: string; slot: number }> {
  for (let i = 0;; i++) {
    const slot = await nodes[0]!.admin.cluster("KEYSLOT", `group ${i}`);
    if (Math.min(2, Math.floor(slot / 5461)) === node) return { group: `group ${i}`, slot };
  }
}

function draw(store: Store, group: string): Promise<number> {
  const rates = ["one", "two"].map((key) => ({ key, interval: HOUR, burst: 1000, cost: 1 }));
  return store.draw(group, rates).then(({ remaining }) => remaining[1]!);
}

/** Operations on all nodes. */
function everywhere(store: Store): (() => Promise<unknown>)[] {
  return Array.from(
    { length: 20 },
    (_, i) => [() => store.get(`key ${i}`), () => draw(store, `everywhere ${i}`)],
  )
    .flat();
}

describe.skipIf(missing !== undefined)("a cluster", () => {
  test("is used on all its nodes from the first operation on, however many come at once", async () => {
    const { store } = await readyStore(url());
    const outcomes = await Promise.all([...everywhere(store), ...everyOperation(store)].map(outcome));
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
    for (const node of nodes) expect(await node.admin.dbsize()).toBeGreaterThan(0);
    await store.close();
  });

  test("whose slot is moved is followed, and what is there stays there", async () => {
    const { group, slot } = await groupOn(0);
    expect(await draw(live.store, group)).toBe(999);
    await moveSlot(slot, nodes[0]!, nodes[1]!);
    expect(await draw(live.store, group)).toBe(998);
    expect(await nodes[1]!.admin.keys(`*{${group}}*`)).toHaveLength(2);
    await moveSlot(slot, nodes[1]!, nodes[0]!);
    expect(await draw(live.store, group)).toBe(997);
  });

  test("whose slot is just being moved is followed too", async () => {
    const { group, slot } = await groupOn(1);
    const [from, to] = [nodes[1]!, nodes[2]!];
    expect(await draw(live.store, group)).toBe(999);
    const [fromId, toId] = await Promise.all([from, to].map((node) => node.admin.cluster("MYID")));
    await to.admin.cluster("SETSLOT", slot, "IMPORTING", fromId!);
    await from.admin.cluster("SETSLOT", slot, "MIGRATING", toId!);
    // Both keys are still here, then both are there: it is asked for with ASKING.
    expect(await draw(live.store, group)).toBe(998);
    await emptySlot(slot, from, to);
    expect(await Promise.all([1, 2, 3].map(() => draw(live.store, group)))).toEqual([997, 996, 995]);
    for (const node of [to, from]) await node.admin.cluster("SETSLOT", slot, "NODE", toId!);
    expect(await draw(live.store, group)).toBe(994);
    await moveSlot(slot, to, from);
  });

  test("whose scripts are flushed gets them again", async () => {
    for (const node of nodes) await node.admin.script("FLUSH");
    const outcomes = await Promise.all(
      [...everywhere(live.store), ...everyOperation(live.store)].map(outcome),
    );
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
  });

  test("one of whose nodes stands still fails in time, and recovers", async () => {
    nodes[2]!.signal("SIGSTOP");
    for (let round = 0; round < 4; round++) {
      const outcomes = await Promise.all(everywhere(live.store).map(outcome));
      for (const { took } of outcomes) expect(took).toBeLessThan(TIMEOUT + MARGIN);
      await sleep(50);
    }
    nodes[2]!.signal("SIGCONT");
    await expectRecovered();
  });

  test("one of whose nodes dies fails in time, and recovers when it is back", async () => {
    await nodes[1]!.kill();
    for (let round = 0; round < 4; round++) {
      const outcomes = await Promise.all(everywhere(live.store).map(outcome));
      for (const { took } of outcomes) expect(took).toBeLessThan(TIMEOUT + MARGIN);
      expect(outcomes.some(({ ok }) => !ok)).toBe(true);
      await sleep(50);
    }
    await nodes[1]!.start();
    await expectRecovered();
  });

  test("that dies as a whole is lost at once, and found when it is back", async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    expect(await eventually(() => live.states.at(-1) === "lost", 10_000)).toBe(true);
    expect(live.detail()).toMatch(/ECONNREFUSED|was lost/);
    const outcomes = await Promise.all(everywhere(live.store).map(outcome));
    for (const { ok, took } of outcomes) expect([ok, took < 200]).toEqual([false, true]);
    await Promise.all(nodes.map((node) => node.start()));
    await expectRecovered();
    expect(live.states.at(-1)).toBe("ready");
  });
});

async function expectRecovered(): Promise<void> {
  const works = async () => (await Promise.all(everywhere(live.store).map(outcome))).every(({ ok }) => ok);
  expect(await eventually(works, 20_000)).toBe(true);
}
