// Whatever Redis, or what stands in its place, answers to an operation: it is what was asked for, or an error of the store.
import { describe, expect, test } from "bun:test";
import { type Store, StoreError } from "../../src/policy/effects.ts";
import { type RedisCalls, RedisStore } from "../../src/store/redis.ts";
import { ScriptCall } from "../../src/store/script_call.ts";

/** A store whose Redis gives one answer to everything. */
function answering(answer: unknown): Store {
  const calls: RedisCalls = {
    command: () => Promise.resolve(answer),
    script: (deed, name, keys, args, read) =>
      new Promise((resolve, reject) =>
        new ScriptCall(deed, name, keys, args, read, resolve, reject).answered(answer)
      ),
    later: () => Promise.resolve(),
    close: () => {},
  };
  return new RedisStore(calls, "sallyport:");
}

const RATES = ["one", "two"].map((key) => ({ key, interval: 1000, burst: 5, cost: 1 }));
const TRIPLET = { key: "t", delay: 1, window: 9, memory: 9, passes: 5, strangers: 5, period: 9 };

const ASKED: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  get: (store) => store.get("key"),
  count: (store) => store.count("key", 1, 1000),
  draw: (store) => store.draw("group", RATES),
  greylist: (store) => store.greylist("group", TRIPLET),
  greylistPass: (store) => store.greylistPass("group", TRIPLET),
  lease: (store) => store.lease("key", "holder", 5, 1000),
};

/** What each of them understands, and what it makes of it. */
const GOOD: readonly (readonly [name: keyof typeof ASKED, answer: unknown, meaning: unknown])[] = [
  ["get", null, undefined],
  ["get", "", ""],
  ["count", 7, 7],
  ["count", -7, -7],
  ["draw", [-1, 0, 4, 0], { allowed: true, limiting: -1, retryAfter: 0, remaining: [4, 0] }],
  ["draw", [1, 500, 4, 0], { allowed: false, limiting: 1, retryAfter: 500, remaining: [4, 0] }],
  ["draw", [0, -1, 0, 0], { allowed: false, limiting: 0, retryAfter: Infinity, remaining: [0, 0] }],
  ["greylist", [0, 5, 0], { state: "new", wait: 5, age: 0 }],
  ["greylist", [5, 5, 0], { state: "crowded", wait: 5, age: 0 }],
  ["greylistPass", 1, 1],
  ["lease", [0, 5], { held: false, count: 5 }],
];

describe("an answer that is one", () => {
  test.each([...GOOD])("to %s, %j, is read", async (name, answer, meaning) => {
    expect(await ASKED[name]!(answering(answer))).toEqual(meaning);
  });
});

/** What a server of something else, a broken proxy between or a script of another version may say. */
const BAD: readonly unknown[] = [
  undefined,
  "OK",
  "abc",
  "",
  null,
  {},
  true,
  7,
  -1.5,
  NaN,
  new Error("ERR"),
  [],
  [null],
  [null, null, null, null],
  ["0", "1", "2", "3"],
  ["new", 0, 0],
  [6, 0, 0],
  [-1, 0, 0],
  [0.5, 0, 0],
  [2, 500, 4, 0],
  [0, -2, 4, 0],
  [-1, 0, 4],
  [-1, 0, 4, 0, 0],
  [-1, 0, 4, new Error("ERR")],
  [1, -1],
  [2, 1],
  [[1], [1]],
];

/** What is an answer to some of them. */
const TAKEN: Readonly<Record<string, (answer: unknown) => boolean>> = {
  get: (answer) => answer === null || typeof answer === "string",
  count: Number.isInteger,
  greylistPass: Number.isInteger,
};

describe("an answer that is none is an error of the store", () => {
  test.each(Object.entries(ASKED))("to %s", async (name, ask) => {
    for (const answer of BAD) {
      if (TAKEN[name]?.(answer)) continue;
      const failed = await ask(answering(answer)).then((taken) => ({ taken, answer }), (error) => error);
      expect(failed).toBeInstanceOf(StoreError);
      expect(String(failed)).toContain("which is no answer to that");
    }
  });

  test("that does not quote all of it", async () => {
    const error = await ASKED["draw"]!(answering("x".repeat(1e6))).catch((cause) => cause) as Error;
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message.length).toBeLessThan(300);
  });
});
