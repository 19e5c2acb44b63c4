// Endless sequences of operations for two drivers that must give the same answers.
import { expect } from "bun:test";
import fc from "fast-check";
import type { Store } from "../../src/policy/effects.ts";
import { StoreError } from "../../src/policy/effects.ts";

/** One operation, or so many units of time that pass. */
export type Move = { readonly pass: number } | { readonly told: string; act(store: Store): Promise<unknown> };

/** A store and its clock. */
export interface Player {
  readonly store: Store;
  pass(units: number): Promise<void>;
}

/** Sequences of moves on a few keys, so that they meet each other. Times are whole multiples of the unit (ms). */
export function plays(unit: number, length: number): fc.Arbitrary<Move[]> {
  const key = fc.constantFrom("a", "b", "}", "");
  const group = fc.constantFrom("g", "h}", "");
  const units = fc.integer({ min: 1, max: 8 }).map((many) => many * unit);
  const small = fc.integer({ min: 0, max: 5 });
  const rate = fc.record({
    key,
    interval: fc.integer({ min: 1, max: 30 }).map((n) => n * unit / 10),
    burst: small,
    cost: small,
  });
  const rates = fc.array(rate, { maxLength: 3 });
  const triplet = fc.record({
    key,
    delay: fc.integer({ min: 0, max: 3 }).map((many) => many * unit),
    window: fc.integer({ min: 4, max: 8 }).map((many) => many * unit),
    memory: units,
    passes: fc.integer({ min: 0, max: 3 }),
    strangers: small,
    period: units,
    peek: fc.boolean(),
  });
  const move = <T>(name: string, made: fc.Arbitrary<T>, act: (store: Store, args: T) => Promise<unknown>) =>
    made.map((args): Move => ({ told: `${name} ${JSON.stringify(args)}`, act: (store) => act(store, args) }));
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(0, 0.5, 1, 1, 2, 3, 5).map((pass): Move => ({ pass })) },
      move("get", key, (store, key) => store.get(key)),
      move(
        "set",
        fc.tuple(key, fc.constantFrom("7", "text", ""), units),
        (store, args) => store.set(...args),
      ),
      move("delete", key, (store, key) => store.delete(key)),
      move(
        "count",
        fc.tuple(key, fc.integer({ min: -2, max: 3 }), units, fc.boolean()),
        (store, args) => store.count(...args),
      ),
      { weight: 4, arbitrary: move("draw", fc.tuple(group, rates), (store, args) => store.draw(...args)) },
      move("refund", fc.tuple(group, rates), (store, args) => store.refund(...args)),
      {
        weight: 3,
        arbitrary: move("greylist", fc.tuple(group, triplet), (store, args) => store.greylist(...args)),
      },
      move("greylistPass", fc.tuple(group, triplet), (store, args) => store.greylistPass(...args)),
      {
        weight: 3,
        arbitrary: move("lease", fc.tuple(key, key, small, units), (store, args) => store.lease(...args)),
      },
      move("release", fc.tuple(key, key), (store, args) => store.release(...args)),
    ),
    { minLength: 1, maxLength: length, size: "max" },
  );
}

/** Plays the moves to all players; after each their answers must be the same. */
export async function expectAgreement(moves: readonly Move[], players: readonly Player[]): Promise<void> {
  const past: string[] = [];
  for (const move of moves) {
    past.push("pass" in move ? `pass ${move.pass}` : move.told);
    const answers: unknown[] = [];
    for (const { store, pass } of players) {
      answers.push("pass" in move ? await pass(move.pass) : await answer(move.act(store)));
    }
    for (const each of answers.slice(1)) expect({ past, answer: each }).toEqual({ past, answer: answers[0] });
  }
}

/** An operation that failed has failed everywhere; the drivers need not have the same words for it. */
async function answer(operation: Promise<unknown>): Promise<unknown> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof StoreError) return "a StoreError";
    throw error;
  }
}
