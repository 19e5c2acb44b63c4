// Places that are held for a time.
import { describe, expect, test } from "bun:test";
import { fresh, type Rig, timed } from "./rig.ts";

export function leaseSuite(rig: () => Rig): void {
  describe("a place", () => {
    test("is held by as many as the limit says, and refused to the next", async () => {
      const { store, other, unit } = rig();
      const key = fresh();
      expect(await store.lease(key, "a", 2, 30 * unit)).toEqual({ held: true, count: 1 });
      expect(await other.lease(key, "b", 2, 30 * unit)).toEqual({ held: true, count: 2 });
      expect(await store.lease(key, "c", 2, 30 * unit)).toEqual({ held: false, count: 2 });
      expect(await store.lease(fresh(), "c", 0, 30 * unit)).toEqual({ held: false, count: 0 });
    });

    test("that is renewed is the same place, even where the limit was lowered", async () => {
      const { store, unit } = rig();
      const key = fresh();
      await store.lease(key, "a", 2, 30 * unit);
      await store.lease(key, "b", 2, 30 * unit);
      expect(await store.lease(key, "a", 2, 30 * unit)).toEqual({ held: true, count: 2 });
      expect(await store.lease(key, "b", 1, 30 * unit)).toEqual({ held: true, count: 2 });
    });

    test("that is given up can be taken, and giving up what is not held does nothing", async () => {
      const { store, other, unit } = rig();
      const key = fresh();
      await store.release(key, "nobody");
      await store.lease(key, "a", 1, 30 * unit);
      await other.release(key, "b");
      expect((await store.lease(key, "b", 1, 30 * unit)).held).toBe(false);
      await other.release(key, "a");
      expect(await store.lease(key, "b", 1, 30 * unit)).toEqual({ held: true, count: 1 });
    });

    timed(rig, "is given up when its time is over, unless it was renewed", async () => {
      const { store, unit, pass } = rig();
      const key = fresh();
      await store.lease(key, "a", 2, 4 * unit);
      await store.lease(key, "b", 2, 4 * unit);
      await pass(2);
      await store.lease(key, "b", 2, 4 * unit);
      await pass(2);
      expect(await store.lease(key, "c", 2, 4 * unit)).toEqual({ held: true, count: 2 });
      expect((await store.lease(key, "a", 2, 4 * unit)).held).toBe(false);
    });

    timed(rig, "may be held for a shorter time than others of its key", async () => {
      const { store, unit, pass } = rig();
      const key = fresh();
      await store.lease(key, "long", 3, 30 * unit);
      await store.lease(key, "short", 3, unit);
      await store.lease(key, "long too", 3, 30 * unit);
      await pass(1);
      expect(await store.lease(key, "next", 3, unit)).toEqual({ held: true, count: 3 });
      await pass(1);
      expect(await store.lease(key, "last", 2, unit)).toEqual({ held: false, count: 2 });
    });

    test("has a holder of any name", async () => {
      const { store, other, unit } = rig();
      const key = fresh();
      const names = ["", "a\0b", "a", "\r\n", "(1", "+inf", "__proto__", "é"];
      for (const [index, name] of names.entries()) {
        expect(await store.lease(key, name, 8, 30 * unit)).toEqual({ held: true, count: index + 1 });
      }
      for (const [index, name] of names.entries()) {
        await other.release(key, name);
        const { count } = await store.lease(key, "asks", 0, 30 * unit);
        expect(count).toBe(names.length - 1 - index);
      }
    });

    test("is held by exactly as many as the limit says of those who ask at the same time", async () => {
      const { store, other, unit } = rig();
      const key = fresh();
      const asked = Array.from(
        { length: 60 },
        (_, i) => (i % 2 ? store : other).lease(key, `${i}`, 7, 1e4 * unit),
      );
      const answers = await Promise.all(asked);
      expect(answers.filter(({ held }) => held).length).toBe(7);
      expect(answers.at(-1)!.count).toBe(7);
    });
  });
}
