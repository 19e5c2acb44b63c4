// Rates: draw and refund.
import { describe, expect, test } from "bun:test";
import { expectLeft, fresh, rate, type Rig, timed } from "./rig.ts";

export function rateSuite(rig: () => Rig): void {
  describe("a rate", () => {
    timed(rig, "has room for its burst and then says how long it has none", async () => {
      const { store, other } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 10, 3)];
      for (const left of [2, 1, 0]) {
        const answer = await (left === 1 ? other : store).draw(group, [each]);
        expect(answer).toEqual({ allowed: true, limiting: -1, retryAfter: 0, remaining: [left] });
      }
      const refused = await store.draw(group, [each]);
      expect(refused).toMatchObject({ allowed: false, limiting: 0, remaining: [0] });
      expectLeft(rig(), refused.retryAfter, 10);
    });

    timed(rig, "has room for one more after each interval", async () => {
      const { store, pass } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 3, 2)];
      await store.draw(group, [{ ...each, cost: 2 }]);
      await pass(2);
      const refused = await store.draw(group, [each]);
      expect(refused.allowed).toBe(false);
      expectLeft(rig(), refused.retryAfter, 1);
      await pass(1);
      expect((await store.draw(group, [each])).allowed).toBe(true);
      expect((await store.draw(group, [each])).allowed).toBe(false);
    });

    timed(rig, "gathers no more than its burst", async () => {
      const { store, pass } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 1, 2)];
      await store.draw(group, [each]);
      await pass(5);
      expect((await store.draw(group, [{ ...each, cost: 2 }])).remaining).toEqual([0]);
    });

    test("that refuses is not drawn on", async () => {
      const { store } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 100, 3)];
      await store.draw(group, [{ ...each, cost: 2 }]);
      expect((await store.draw(group, [{ ...each, cost: 2 }])).remaining).toEqual([1]);
      expect((await store.draw(group, [each])).remaining).toEqual([0]);
    });

    test("is only asked by a cost of 0", async () => {
      const { store } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 100, 2)];
      const ask = () => store.draw(group, [{ ...each, cost: 0 }]);
      expect(await ask()).toEqual({ allowed: true, limiting: -1, retryAfter: 0, remaining: [2] });
      await store.draw(group, [{ ...each, cost: 2 }]);
      expect(await ask()).toEqual({ allowed: true, limiting: -1, retryAfter: 0, remaining: [0] });
    });

    test("never has room for more than its burst", async () => {
      const { store } = rig();
      const answer = await store.draw(fresh("group"), [rate(rig(), 10, 3, 4)]);
      expect(answer).toEqual({ allowed: false, limiting: 0, retryAfter: Infinity, remaining: [3] });
    });

    test("of another group is another rate, whatever the groups and keys are called", async () => {
      const { store, other } = rig();
      const name = fresh();
      const pairs = [["", "k"], ["a", "k"], ["a}", "k"], ["}a", "k"], ["a", "}:k"], ["a}:", "k"], [
        "%7D",
        "k",
      ]];
      pairs.push(["{a}", "k"], ["a:", "k"], ["a", ":k"], ["%", "k"], ["a\0", "k"], ["a", "\0k"], ["é", "k"]);
      for (const [group, key] of pairs) {
        const each = rate(rig(), 100, 5, 1, key);
        // The names of the tests before must not count.
        expect((await store.draw(`${group}${name}`, [each])).remaining).toEqual([4]);
        expect((await other.draw(`${group}${name}`, [each])).remaining).toEqual([3]);
      }
    });

    timed(rig, "may be so quick that each is less than a millisecond", async () => {
      const { store } = rig();
      // 1 GB a minute, in bytes.
      const [group, bytes] = [fresh("group"), {
        key: "bytes",
        interval: 60_000 / 1e9,
        burst: 1e9,
        cost: 6e8,
      }];
      expect((await store.draw(group, [bytes])).allowed).toBe(true);
      const refused = await store.draw(group, [bytes]);
      expect(refused.allowed).toBe(false);
      expect(refused.retryAfter).toBeLessThanOrEqual(12_000);
      expect(refused.retryAfter).toBeGreaterThan(12_000 - 1 - rig().slack);
    });

    test("allows exactly its burst of what is drawn at the same time", async () => {
      const { store, other } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 36_000, 50)];
      const draws = Array.from({ length: 200 }, (_, i) => (i % 2 ? store : other).draw(group, [each]));
      expect((await Promise.all(draws)).filter(({ allowed }) => allowed).length).toBe(50);
    });
  });

  describe("several rates", () => {
    timed(rig, "are all drawn on or none, and the one that refuses longest is told", async () => {
      const { store } = rig();
      const group = fresh("group");
      const quick = rate(rig(), 10, 3, 1, "quick");
      const slow = rate(rig(), 100, 2, 1, "slow");
      expect((await store.draw(group, [quick, slow])).remaining).toEqual([2, 1]);
      await store.draw(group, [quick, slow]);
      const refused = await store.draw(group, [quick, slow]);
      expect(refused).toMatchObject({ allowed: false, limiting: 1, remaining: [1, 0] });
      expectLeft(rig(), refused.retryAfter, 100);
      await store.draw(group, [quick]);
      const both = await store.draw(group, [quick, slow]);
      expect(both.limiting).toBe(1);
      expectLeft(rig(), both.retryAfter, 100);
    });

    test("that are none have room", async () => {
      const { store } = rig();
      const answer = await store.draw(fresh("group"), []);
      expect(answer).toEqual({ allowed: true, limiting: -1, retryAfter: 0, remaining: [] });
      await store.refund(fresh("group"), []);
    });

    timed(rig, "with the same key are drawn on one after the other", async () => {
      const { store } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 100, 3)];
      expect((await store.draw(group, [each, each])).remaining).toEqual([2, 1]);
      const refused = await store.draw(group, [each, each]);
      expect(refused).toMatchObject({ allowed: false, limiting: 1 });
      expectLeft(rig(), refused.retryAfter, 100);
      expect((await store.draw(group, [each])).remaining).toEqual([0]);
    });
  });

  describe("a refund", () => {
    test("gives back what was drawn", async () => {
      const { store, other } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 100, 3)];
      await store.draw(group, [{ ...each, cost: 3 }]);
      await other.refund(group, [{ ...each, cost: 2 }]);
      expect((await store.draw(group, [each])).remaining).toEqual([1]);
      await store.refund(group, [{ ...each, cost: 0 }]);
      expect((await store.draw(group, [{ ...each, cost: 0 }])).remaining).toEqual([1]);
    });

    test("never makes room for more than the burst", async () => {
      const { store } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 100, 3)];
      await store.draw(group, [each]);
      await store.refund(group, [{ ...each, cost: 3 }, { ...each, key: "never drawn on" }]);
      expect((await store.draw(group, [{ ...each, cost: 4 }])).allowed).toBe(false);
      expect((await store.draw(group, [{ ...each, cost: 3 }])).allowed).toBe(true);
      expect((await store.draw(group, [{ ...each, key: "never drawn on", cost: 3 }])).allowed).toBe(true);
    });

    timed(rig, "does not give back what time has given back already", async () => {
      const { store, pass } = rig();
      const [group, each] = [fresh("group"), rate(rig(), 1, 3)];
      await store.draw(group, [each]);
      await pass(1.5);
      await store.refund(group, [each]);
      expect((await store.draw(group, [{ ...each, cost: 4 }])).allowed).toBe(false);
      expect((await store.draw(group, [{ ...each, cost: 3 }])).remaining).toEqual([0]);
    });
  });
}
