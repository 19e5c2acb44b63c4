// Values and counters.
import { describe, expect, test } from "bun:test";
import { expectStoreError, fresh, type Rig, timed } from "./rig.ts";

const STRANGE = [
  "",
  "plain",
  "NUL \0 inside",
  "\r\n* not a reply\r\n$3\r\n",
  "{tag} {} } {",
  "jürgen@exämple 📮",
  "__proto__",
  "'; DROP TABLE value; --",
  "long ".repeat(2000),
];

export function valueSuite(rig: () => Rig): void {
  describe("a value", () => {
    timed(rig, "is there for both handles until its time is over", async () => {
      const { store, other, unit, pass } = rig();
      const key = fresh();
      expect(await store.get(key)).toBeUndefined();
      await store.set(key, "here", 3 * unit);
      expect(await store.get(key)).toBe("here");
      expect(await other.get(key)).toBe("here");
      await pass(3);
      expect(await store.get(key)).toBeUndefined();
      expect(await other.get(key)).toBeUndefined();
    });

    timed(rig, "that is set again has the new text and the new time", async () => {
      const { store, other, unit, pass } = rig();
      const key = fresh();
      await store.set(key, "first", unit);
      await other.set(key, "second", 30 * unit);
      await pass(1.5);
      expect(await store.get(key)).toBe("second");
    });

    test("that is deleted is gone, and deleting it again does nothing", async () => {
      const { store, other, unit } = rig();
      const key = fresh();
      await store.set(key, "here", 30 * unit);
      await other.delete(key);
      await other.delete(key);
      expect(await store.get(key)).toBeUndefined();
    });

    test("may be any text under any key", async () => {
      const { store, other, unit } = rig();
      for (const [index, key] of STRANGE.entries()) {
        await store.set(key, STRANGE[STRANGE.length - 1 - index]!, 30 * unit);
      }
      for (const [index, key] of STRANGE.entries()) {
        expect(await other.get(key)).toBe(STRANGE[STRANGE.length - 1 - index]!);
        await other.delete(key);
        expect(await store.get(key)).toBeUndefined();
      }
    });
  });
}

export function countSuite(rig: () => Rig): void {
  describe("a counter", () => {
    test("adds what both handles count", async () => {
      const { store, other, unit } = rig();
      const key = fresh();
      expect(await store.count(key, 1, 30 * unit)).toBe(1);
      expect(await other.count(key, 5, 30 * unit)).toBe(6);
      expect(await store.count(key, -2, 30 * unit)).toBe(4);
    });

    test("by 0 only tells, and begins nothing", async () => {
      const { store, unit } = rig();
      const key = fresh();
      expect(await store.count(key, 0, 30 * unit)).toBe(0);
      expect(await store.get(key)).toBeUndefined();
      await store.count(key, 3, 30 * unit);
      expect(await store.count(key, 0, 30 * unit)).toBe(3);
    });

    timed(rig, "that is fixed ends its time after the first count", async () => {
      const { store, unit, pass } = rig();
      const key = fresh();
      await store.count(key, 1, 3 * unit);
      await pass(2);
      await store.count(key, 1, 3 * unit);
      await pass(1);
      expect(await store.count(key, 1, 3 * unit)).toBe(1);
    });

    timed(rig, "that slides ends its time after the last count, and asking is no count", async () => {
      const { store, unit, pass } = rig();
      const key = fresh();
      await store.count(key, 1, 4 * unit, true);
      await pass(2);
      expect(await store.count(key, 1, 4 * unit, true)).toBe(2);
      await pass(2);
      expect(await store.count(key, 0, 4 * unit, true)).toBe(2);
      await pass(2);
      expect(await store.count(key, 0, 4 * unit, true)).toBe(0);
    });

    test("is a value that can be read, set and deleted", async () => {
      const { store, unit } = rig();
      const key = fresh();
      await store.count(key, 7, 30 * unit);
      expect(await store.get(key)).toBe("7");
      await store.set(key, "40", 30 * unit);
      expect(await store.count(key, 2, 30 * unit)).toBe(42);
      await store.delete(key);
      expect(await store.count(key, 1, 30 * unit)).toBe(1);
    });

    test("cannot be made of a value that is no whole number", async () => {
      const { store, unit } = rig();
      for (const value of ["text", "", "1.5", "01", " 1", "1e3"]) {
        const key = fresh();
        await store.set(key, value, 30 * unit);
        await expectStoreError(store.count(key, 1, 30 * unit), "Cannot count in the store: ");
        await expectStoreError(store.count(key, 0, 30 * unit), "Cannot count in the store: ");
        expect(await store.get(key)).toBe(value);
      }
    });

    test("loses nothing of what is counted at the same time", async () => {
      const { store, other, unit } = rig();
      const key = fresh();
      const counts = Array.from({ length: 100 }, (_, i) => (i % 2 ? store : other).count(key, 1, 30 * unit));
      expect((await Promise.all(counts)).sort((a, b) => a - b)).toEqual(counts.map((_, i) => i + 1));
    });
  });
}
