// Stores on the Redis servers of the live tests.
import { StoreError } from "../../src/policy/effects.ts";
import type { Store } from "../../src/policy/effects.ts";
import { openStore } from "../../src/store/open.ts";
import type { Rig } from "../store/rig.ts";
import { eventually, sleep } from "./blackbox_wait.ts";

/** A store, and what it told of its state, in order. */
export interface LiveStore {
  readonly store: Store;
  readonly states: string[];
  /** What it told with its state last. */
  readonly detail: () => string;
}

export async function liveStore(url: string): Promise<LiveStore> {
  const states: string[] = [];
  let last = "";
  const onState = (state: string, detail: string) => {
    states.push(state);
    last = detail;
  };
  return { store: await openStore(url, { now: Date.now, onState }), states, detail: () => last };
}

/** A store that has been reached. */
export async function readyStore(url: string): Promise<LiveStore> {
  const live = await liveStore(url);
  if (!await eventually(() => live.states.at(-1) === "ready", 10_000)) throw new Error(`no store at ${url}`);
  return live;
}

/** Two handles for the suite, in real time. */
export async function liveRig(url: string): Promise<Rig> {
  const [one, two] = await Promise.all([readyStore(url), readyStore(url)]);
  const unit = 80;
  return {
    store: one.store,
    other: two.store,
    unit,
    slack: 60,
    // Redis counts in microseconds, timers in milliseconds, and not by the same clock.
    pass: (units) => sleep(units * unit + 3),
    close: async () => void await Promise.all([one.store.close(), two.store.close()]),
  };
}

/** How an operation ended, and after how many milliseconds. */
export interface Outcome {
  readonly ok: boolean;
  readonly text: string;
  readonly took: number;
}

/** Settles it, whatever becomes of it. @throws what is no StoreError */
export async function outcome(operation: () => Promise<unknown>): Promise<Outcome> {
  const began = performance.now();
  try {
    await operation();
    return { ok: true, text: "", took: performance.now() - began };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { ok: false, text: error.message, took: performance.now() - began };
  }
}

/** One of each operation. */
export function everyOperation(store: Store): (() => Promise<unknown>)[] {
  const rates = [{ key: "rate", interval: 1000, burst: 1000, cost: 1 }];
  const triplet = {
    key: "triplet",
    delay: 1,
    window: 10_000,
    memory: 10_000,
    passes: 1,
    strangers: 1000,
    period: 10_000,
  };
  return [
    () => store.get("key"),
    () => store.set("key", "value", 10_000),
    () => store.delete("key"),
    () => store.count("counter", 1, 10_000),
    () => store.draw("group", rates),
    () => store.refund("group", rates),
    () => store.greylist("group", triplet),
    () => store.greylistPass("group", triplet),
    () => store.lease("places", "holder", 10, 10_000),
    () => store.release("places", "holder"),
  ];
}
