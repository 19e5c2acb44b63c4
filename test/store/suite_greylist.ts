// The greylist: who waits, who has waited, who is let through.
import { describe, expect, test } from "bun:test";
import { expectLeft, expectPassed, fresh, type Rig, timed, triplet } from "./rig.ts";

export function greylistSuite(rig: () => Rig): void {
  describe("a triplet", () => {
    timed(rig, "is new once, early until its delay is over, and mature then", async () => {
      const { store, other, pass } = rig();
      const [group, each] = [fresh("group"), triplet(rig())];
      expect(await store.greylist(group, each)).toEqual({ state: "new", wait: each.delay, age: 0 });
      const early = await other.greylist(group, each);
      expect(early.state).toBe("early");
      expectLeft(rig(), early.wait, 3);
      expectPassed(rig(), early.age, 0);
      await pass(1.5);
      // An attempt before its time does not set it back.
      const again = await store.greylist(group, each);
      expect(again.state).toBe("early");
      expectLeft(rig(), again.wait, 1.5);
      await pass(1.5);
      const mature = await other.greylist(group, each);
      expect(mature).toMatchObject({ state: "matured", wait: 0 });
      expectPassed(rig(), mature.age, 3);
    });

    timed(rig, "that has matured but whose message was not taken is still not passed", async () => {
      const { store, pass } = rig();
      const [group, each] = [fresh("group"), triplet(rig())];
      await store.greylist(group, each);
      await pass(3);
      expect((await store.greylist(group, each)).state).toBe("matured");
      expect((await store.greylist(group, each)).state).toBe("matured");
    });

    timed(rig, "that comes back after its window is new again", async () => {
      const { store, pass } = rig();
      const [group, each] = [fresh("group"), { ...triplet(rig()), window: 4 * rig().unit }];
      await store.greylist(group, each);
      await pass(4);
      expect(await store.greylist(group, each)).toEqual({ state: "new", wait: each.delay, age: 0 });
    });

    timed(rig, "waits for the delay and the window that the question has", async () => {
      const { store, pass } = rig();
      const [group, each] = [fresh("group"), triplet(rig())];
      await store.greylist(group, each);
      await pass(1);
      const shorter = { ...each, delay: rig().unit };
      expect((await store.greylist(group, shorter)).state).toBe("matured");
      expect((await store.greylist(group, { ...shorter, delay: 0, window: rig().unit })).state).toBe("new");
    });

    test("without a delay is new and mature at once", async () => {
      const { store } = rig();
      const [group, each] = [fresh("group"), { ...triplet(rig()), delay: 0 }];
      expect(await store.greylist(group, each)).toMatchObject({ state: "new", wait: 0 });
      expect(await store.greylist(group, each)).toMatchObject({ state: "matured", wait: 0 });
    });

    test("that is only peeked at is not remembered, and one that is has its answer as ever", async () => {
      const { store, other } = rig();
      const [group, each] = [fresh("group"), triplet(rig())];
      const peek = { ...each, peek: true };
      expect(await store.greylist(group, peek)).toEqual({ state: "new", wait: each.delay, age: 0 });
      expect((await other.greylist(group, each)).state).toBe("new");
      expect((await store.greylist(group, peek)).state).toBe("early");
    });

    timed(rig, "that has passed is let through, for as long as its messages come", async () => {
      const { store, other, pass } = rig();
      const [group, each] = [fresh("group"), triplet(rig())];
      await store.greylist(group, each);
      await other.greylistPass(group, each);
      await pass(4);
      expect(await store.greylist(group, each)).toMatchObject({ state: "passed", wait: 0 });
      await store.greylistPass(group, each);
      await pass(4);
      const late = await store.greylist(group, each);
      expect(late.state).toBe("passed");
      // Since it was first seen, not since its last message.
      expectPassed({ ...rig(), slack: rig().slack * 2 }, late.age, 8);
      await pass(2);
      expect((await store.greylist(group, each)).state).toBe("new");
    });

    test("passes even when nothing is remembered of it", async () => {
      const { store } = rig();
      const [group, each] = [fresh("group"), triplet(rig())];
      expect(await store.greylistPass(group, each)).toBe(1);
      expect((await store.greylist(group, each)).state).toBe("passed");
    });

    test("of another group or key is another triplet", async () => {
      const { store } = rig();
      const [group, each] = [fresh("group"), triplet(rig(), "a\0b")];
      await store.greylistPass(group, each);
      expect((await store.greylist(group, { ...each, key: "a" })).state).toBe("new");
      expect((await store.greylist(fresh("group"), each)).state).toBe("new");
      expect((await store.greylist(group, each)).state).toBe("passed");
    });

    test("is new for one only of those who ask at the same time", async () => {
      const { store, other } = rig();
      const [group, each] = [fresh("group"), { ...triplet(rig()), delay: 1e6, window: 2e6 }];
      const asked = Array.from({ length: 50 }, (_, i) => (i % 2 ? store : other).greylist(group, each));
      const states = (await Promise.all(asked)).map(({ state }) => state);
      expect(states.filter((state) => state === "new").length).toBe(1);
      expect(states.filter((state) => state === "early").length).toBe(49);
    });
  });

  describe("a group", () => {
    test("counts each triplet that has passed once, and is let through with enough of them", async () => {
      const { store, other } = rig();
      const group = fresh("group");
      const each = (name: string) => triplet(rig(), name, 2);
      expect(await store.greylistPass(group, each("a"))).toBe(1);
      expect(await other.greylistPass(group, each("a"))).toBe(1);
      expect((await store.greylist(group, each("c"))).state).toBe("new");
      expect(await other.greylistPass(group, each("b"))).toBe(2);
      expect(await store.greylist(group, each("c"))).toMatchObject({ state: "allowed", wait: 0 });
      expect(await store.greylist(group, each("d"))).toEqual({ state: "allowed", wait: 0, age: 0 });
      expect((await store.greylist(group, each("a"))).state).toBe("passed");
    });

    test("is not let through where the question has 0 passes, or more than it has had", async () => {
      const { store } = rig();
      const group = fresh("group");
      await store.greylistPass(group, triplet(rig(), "a", 0));
      expect((await store.greylist(group, triplet(rig(), "b", 0))).state).toBe("new");
      expect((await store.greylist(group, triplet(rig(), "b", 2))).state).toBe("early");
      expect((await store.greylist(group, triplet(rig(), "b", 1))).state).toBe("allowed");
    });

    test("that is let through has nothing remembered of the triplets it was asked about", async () => {
      const { store } = rig();
      const group = fresh("group");
      await store.greylistPass(group, triplet(rig(), "a", 1));
      await store.greylist(group, triplet(rig(), "b", 1));
      expect((await store.greylist(group, triplet(rig(), "b", 0))).state).toBe("new");
    });

    timed(rig, "is remembered for as long as its messages come", async () => {
      const { store, pass } = rig();
      const group = fresh("group");
      const each = (name: string) => triplet(rig(), name, 1);
      await store.greylistPass(group, each("a"));
      await pass(4);
      expect(await store.greylistPass(group, each("a"))).toBe(1);
      await pass(4);
      expect((await store.greylist(group, each("b"))).state).toBe("allowed");
      await pass(2);
      expect((await store.greylist(group, each("b"))).state).toBe("new");
    });

    timed(rig, "has so many new triplets remembered in a period, and as many in the next", async () => {
      const { store, other, pass } = rig();
      const group = fresh("group");
      const each = (name: string) => ({ ...triplet(rig(), name), strangers: 2 });
      const states = async (...names: string[]) => {
        const answers = [];
        for (const name of names) answers.push((await store.greylist(group, each(name))).state);
        return answers;
      };
      expect(await states("a", "b", "c")).toEqual(["new", "new", "crowded"]);
      // Whoever comes too often or is of elsewhere takes nobody's place.
      expect((await store.greylist(fresh("group"), each("c"))).state).toBe("new");
      expect(await other.greylist(group, each("c"))).toEqual({
        state: "crowded",
        wait: each("c").delay,
        age: 0,
      });
      await pass(3.5);
      expect(await states("a", "c")).toEqual(["matured", "crowded"]);
      await pass(1.5);
      expect(await states("c", "d", "e", "b")).toEqual(["new", "new", "crowded", "matured"]);
    });

    test("that has had too many new ones lets in who has passed, and all who are let through", async () => {
      const { store } = rig();
      const group = fresh("group");
      const each = (name: string, passes = 0) => ({ ...triplet(rig(), name, passes), strangers: 1 });
      await store.greylist(group, each("a"));
      await store.greylistPass(group, each("b"));
      expect((await store.greylist(group, each("c"))).state).toBe("crowded");
      expect((await store.greylist(group, each("b"))).state).toBe("passed");
      expect((await store.greylist(group, each("c", 1))).state).toBe("allowed");
      await store.greylistPass(group, each("c"));
      expect((await store.greylist(group, each("c"))).state).toBe("passed");
    });

    test("is told to be crowded to who only peeks, and is not made so by it", async () => {
      const { store } = rig();
      const group = fresh("group");
      const each = (name: string) => ({ ...triplet(rig(), name), strangers: 1 });
      expect((await store.greylist(group, { ...each("a"), peek: true })).state).toBe("new");
      expect((await store.greylist(group, each("a"))).state).toBe("new");
      expect((await store.greylist(group, { ...each("b"), peek: true })).state).toBe("crowded");
      expect((await store.greylist(group, { ...each("b"), strangers: 0 })).state).toBe("crowded");
    });

    test("has exactly so many remembered of those that come at the same time", async () => {
      const { store, other } = rig();
      const group = fresh("group");
      const each = (name: string) => ({ ...triplet(rig(), name), strangers: 7, period: 1e6, window: 1e6 });
      const asked = Array.from(
        { length: 50 },
        (_, i) => (i % 2 ? store : other).greylist(group, each(`${i}`)),
      );
      const states = (await Promise.all(asked)).map(({ state }) => state);
      expect(states.filter((state) => state === "new").length).toBe(7);
      expect(states.filter((state) => state === "crowded").length).toBe(43);
    });

    timed(rig, "counts a triplet again that had been forgotten", async () => {
      const { store, pass } = rig();
      const group = fresh("group");
      await store.greylistPass(group, triplet(rig(), "a"));
      await pass(3);
      expect(await store.greylistPass(group, triplet(rig(), "b"))).toBe(2);
      await pass(3);
      expect(await store.greylistPass(group, triplet(rig(), "a"))).toBe(3);
    });

    test("counts once what passes at the same time", async () => {
      const { store, other } = rig();
      const [group, each] = [fresh("group"), { ...triplet(rig()), memory: 1e6 }];
      const passes = Array.from({ length: 50 }, (_, i) => (i % 2 ? store : other).greylistPass(group, each));
      expect(await Promise.all(passes)).toEqual(passes.map(() => 1));
    });
  });
}
