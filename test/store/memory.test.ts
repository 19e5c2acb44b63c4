// The memory driver: the suite, its bound, and what it does with expired entries.
import { describe, expect, test } from "bun:test";
import type { Store } from "../../src/policy/effects.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { Recent } from "../../src/store/recent.ts";
import { expectStoreError } from "./rig.ts";
import { storeSuite } from "./suite.ts";

const UNIT = 1000;

storeSuite("the memory driver", () => {
  let now = 1_800_000_000_000;
  const store = memoryStore({ now: () => now });
  const pass = (units: number) => Promise.resolve(void (now += units * UNIT));
  return Promise.resolve({ store, other: store, unit: UNIT, slack: 0, pass, close: () => store.close() });
});

describe("the memory driver's bound", () => {
  test("forgets the value that was not used for longest", async () => {
    const store = memoryStore({ now: () => 0, entries: 3 });
    for (const key of ["a", "b", "c"]) await store.set(key, key, 1000);
    await store.get("a");
    await store.set("d", "d", 1000);
    const left = await Promise.all(["a", "b", "c", "d"].map((key) => store.get(key)));
    expect(left).toEqual(["a", undefined, "c", "d"]);
  });

  test("lets no kind of state push out another, nor clients that wait those who have passed", async () => {
    const store = memoryStore({ now: () => 0, entries: 10 });
    const triplet = {
      key: "known",
      delay: 10,
      window: 1000,
      memory: 1000,
      passes: 0,
      strangers: 1000,
      period: 10_000,
    };
    await store.greylistPass("group", triplet);
    await store.lease("place", "holder", 1, 1000);
    await store.draw("group", [{ key: "rate", interval: 100, burst: 1, cost: 1 }]);
    await flood(store);
    expect((await store.greylist("group", triplet)).state).toBe("passed");
    expect((await store.lease("place", "other", 1, 1000)).held).toBe(false);
    expect((await store.draw("group", [{ key: "rate", interval: 100, burst: 1, cost: 1 }])).allowed).toBe(
      false,
    );
  });

  test("forgets a triplet that waits when more wait than it has places", async () => {
    const store = memoryStore({ now: () => 0, entries: 10 });
    const triplet = {
      key: "first",
      delay: 10,
      window: 1000,
      memory: 1000,
      passes: 0,
      strangers: 1000,
      period: 10_000,
    };
    await store.greylist("group", triplet);
    await flood(store);
    expect((await store.greylist("group", triplet)).state).toBe("new");
  });
});

async function flood(store: Store): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await store.greylist("group", {
      key: `${i}`,
      delay: 10,
      window: 1000,
      memory: 1000,
      passes: 0,
      strangers: 1000,
      period: 1000,
    });
    await store.set(`${i}`, "value", 1000);
  }
}

describe("recent entries", () => {
  test("hold no expired ones for long while others come", () => {
    const recent = new Recent<number>(1000);
    for (let i = 0; i < 500; i++) recent.set(`old ${i}`, i, 10, 0);
    for (let i = 0; i < 500; i++) recent.set(`new ${i}`, i, 100, 20);
    for (let i = 0; i < 500; i++) recent.set(`new ${i}`, i, 100, 20);
    expect(recent.size).toBe(500);
    expect(recent.get("new 0", 20)?.value).toBe(0);
  });

  test("take their order from use, whatever was deleted, expired or set again between", () => {
    const recent = new Recent<string>(3);
    for (const key of ["a", "b", "c"]) recent.set(key, key, 100, 0);
    recent.delete("a");
    recent.delete("a");
    recent.set("d", "d", 5, 0);
    recent.set("b", "B", 100, 0);
    recent.set("e", "e", 100, 0);
    expect(recent.get("c", 0)).toBeUndefined();
    expect(recent.get("d", 5)).toBeUndefined();
    expect(recent.size).toBe(2);
    expect(recent.get("b", 0)?.value).toBe("B");
    recent.clear();
    expect([recent.size, recent.get("b", 0)]).toEqual([0, undefined]);
    recent.set("f", "f", 100, 0);
    expect(recent.get("f", 0)?.value).toBe("f");
  });
});

test("a closed memory store refuses everything", async () => {
  const store = memoryStore({ now: () => 0 });
  await store.close();
  await expectStoreError(store.get("key"), "Cannot get a value from the store: it is closed");
  await expectStoreError(store.lease("key", "holder", 1, 1000), "Cannot take a place: it is closed");
});
