/** Turns: weights come out exactly, nobody starves, who is not a candidate gets nothing. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Balance } from "../../src/backend/balance.ts";

interface Server {
  readonly name: number;
}

const servers = (count: number): Server[] => Array.from({ length: count }, (_, name) => ({ name }));
const weights = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 });

/** The first of each of `turns` orders. */
function play(balance: Balance<Server>, all: readonly Server[], given: readonly number[], turns: number) {
  const candidates = all.map((each, i) => ({ each, weight: given[i]!, busy: 0 }));
  return Array.from({ length: turns }, () => balance.order(candidates)[0]!.name);
}

const count = (picks: readonly number[], name: number) => picks.filter((pick) => pick === name).length;

describe("round robin", () => {
  test("5, 1, 1 are nginx's turns", () => {
    expect(play(new Balance("round-robin"), servers(3), [5, 1, 1], 7)).toEqual([0, 0, 1, 0, 2, 0, 0]);
  });

  test("over a cycle each has its weight exactly, wherever the cycle begins", () => {
    fc.assert(fc.property(weights, fc.nat(40), (given, before) => {
      const [balance, all] = [new Balance<Server>("round-robin"), servers(given.length)];
      play(balance, all, given, before);
      const total = given.reduce((sum, weight) => sum + weight, 0);
      const picks = play(balance, all, given, total);
      expect(given.map((_, name) => count(picks, name))).toEqual(given);
    }));
  });

  test("nobody waits longer than two of its own rounds", () => {
    fc.assert(fc.property(weights, (given) => {
      const total = given.reduce((sum, weight) => sum + weight, 0);
      const picks = play(new Balance("round-robin"), servers(given.length), given, 3 * total);
      for (const [name, weight] of given.entries()) {
        const turns = picks.flatMap((pick, i) => pick === name ? [i] : []);
        const waits = turns.map((turn, i) => turn - (turns[i - 1] ?? -1));
        expect(Math.max(...waits)).toBeLessThanOrEqual(2 * Math.ceil(total / weight));
      }
    }));
  });

  test("whatever the candidates of each turn, the order is all of them and each once", () => {
    const turn = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
    fc.assert(fc.property(fc.array(turn, { maxLength: 60 }), (turns) => {
      const [balance, all] = [new Balance<Server>("round-robin"), servers(4)];
      for (const there of turns) {
        const candidates = all.filter((_, i) => there[i]).map((each, i) => ({
          each,
          weight: i + 1,
          busy: 0,
        }));
        const order = balance.order(candidates);
        expect(order.toSorted((a, b) => a.name - b.name)).toEqual(candidates.map(({ each }) => each));
      }
    }));
  });

  test("one that was away for long is not owed what it missed", () => {
    const [balance, all] = [new Balance<Server>("round-robin"), servers(2)];
    play(balance, all.slice(0, 1), [1], 1000);
    expect(count(play(balance, all, [1, 1], 10), 1)).toBe(5);
  });
});

describe("least busy", () => {
  const order = (given: readonly (readonly [weight: number, busy: number])[]) => {
    const all = servers(given.length);
    return new Balance<Server>("least-busy").order(
      given.map(([weight, busy], i) => ({ each: all[i]!, weight, busy })),
    ).map(({ name }) => name);
  };

  test("goes by transactions", () => expect(order([[1, 3], [1, 1], [1, 2]])).toEqual([1, 2, 0]));
  test("for the weight", () => expect(order([[1, 2], [4, 4], [2, 3]])).toEqual([1, 2, 0]));
  test("by turns between equals", () => {
    const [balance, all] = [new Balance<Server>("least-busy"), servers(3)];
    expect(play(balance, all, [1, 1, 1], 6)).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test("long neglect is not made up for with a rush", () => {
    const [balance, all] = [new Balance<Server>("least-busy"), servers(2)];
    const turn = (busy: readonly number[]) =>
      balance.order(all.map((each, i) => ({ each, weight: 1, busy: busy[i]! })))[0]!.name;
    for (let i = 0; i < 1000; i++) turn([0, 5]);
    const picks = Array.from({ length: 10 }, () => turn([0, 0]));
    expect(count(picks, 0)).toBeGreaterThanOrEqual(4);
  });
});
