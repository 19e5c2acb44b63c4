// What the suite needs of a driver, and what it measures with.
import { expect, test } from "bun:test";
import type { GreylistTriplet, Rate, Store } from "../../src/policy/effects.ts";
import { StoreError } from "../../src/policy/effects.ts";

/** A store, a second handle on the same state, and its clock. */
export interface Rig {
  readonly store: Store;
  readonly other: Store;
  /** Milliseconds of the suite's unit of time. */
  readonly unit: number;
  /** Milliseconds that may pass by themselves between two operations; 0 where the clock is a fake. */
  readonly slack: number;
  /** Lets so many units pass. */
  pass(units: number): Promise<void>;
  close(): Promise<void>;
}

let keys = 0;

/** A test that watches time. In real time it may come too late itself, so there it has three tries. */
export function timed(rig: () => Rig, name: string, body: () => Promise<void>): void {
  test(name, async () => {
    for (let left = rig().slack === 0 ? 0 : 2;; left--) {
      try {
        return await body();
      } catch (error) {
        if (left === 0) throw error;
      }
    }
  });
}

/** A key that no test has used. */
export function fresh(name = "key"): string {
  return `${name} ${++keys}`;
}

/** A rate of one in `units`. */
export function rate(rig: Rig, units: number, burst: number, cost = 1, key = "rate"): Rate {
  return { key, interval: units * rig.unit, burst, cost };
}

/** A triplet with a delay of 3 units, a window of 9, a memory of 6, and 100 strangers in a period of 5. */
export function triplet(rig: Rig, key = "triplet", passes = 0): GreylistTriplet {
  const { unit } = rig;
  const [delay, window, memory, period] = [3 * unit, 9 * unit, 6 * unit, 5 * unit];
  return { key, delay, window, memory, passes, strangers: 100, period };
}

/** That a time left is so many units, less what may have passed meanwhile. */
export function expectLeft(rig: Rig, actual: number, units: number): void {
  expect(actual).toBeLessThanOrEqual(Math.ceil(units * rig.unit));
  expect(actual).toBeGreaterThanOrEqual(Math.max(units === 0 ? 0 : 1, units * rig.unit - rig.slack));
}

/** That a time that passed is so many units, or what may have passed besides. */
export function expectPassed(rig: Rig, actual: number, units: number): void {
  expect(actual).toBeGreaterThanOrEqual(units * rig.unit);
  expect(actual).toBeLessThanOrEqual(units * rig.unit + rig.slack);
}

/** What an operation is rejected with. */
export async function rejection(operation: Promise<unknown>): Promise<unknown> {
  try {
    await operation;
  } catch (error) {
    return error;
  }
  return undefined;
}

export async function expectStoreError(operation: Promise<unknown>, text: string): Promise<void> {
  const error = await rejection(operation);
  expect(error).toBeInstanceOf(StoreError);
  expect((error as StoreError).message).toContain(text);
}
