// What the redis driver makes of answers that no script of its own gives.
import { describe, expect, test } from "bun:test";
import { type RedisCalls, RedisStore } from "../../src/store/redis.ts";
import { ScriptCall } from "../../src/store/script_call.ts";
import { type Store, StoreError } from "../../src/policy/effects.ts";

/** A Redis that always says the same. */
function saying(answer: unknown): Store {
  const calls: RedisCalls = {
    command: () => Promise.resolve(answer),
    script: (deed, name, keys, args, read) =>
      new Promise((resolve, reject) =>
        new ScriptCall(deed, name, keys, args, read, resolve, reject).answered(answer)
      ),
    later: () => Promise.resolve(),
    close: () => {},
  };
  return new RedisStore(calls, "test:");
}

const TRIPLET = {
  key: "key",
  delay: 1000,
  window: 10_000,
  memory: 10_000,
  passes: 0,
  strangers: 10,
  period: 1000,
};

const ASKED: readonly (readonly [name: string, ask: (store: Store) => Promise<unknown>])[] = [
  ["count", (store) => store.count("key", 1, 1000)],
  ["draw", (store) => store.draw("group", [{ key: "key", interval: 1, burst: 1, cost: 1 }])],
  ["greylist", (store) => store.greylist("group", TRIPLET)],
  ["greylistPass", (store) => store.greylistPass("group", TRIPLET)],
  ["lease", (store) => store.lease("key", "holder", 1, 1000)],
];

describe("what is no answer is an error of the store:", () => {
  for (const [name, ask] of ASKED) {
    for (const answer of [null, undefined, "", "OK", [], [null], ["1", "0"], [[1]], {}, "NaN", true]) {
      test(`${JSON.stringify(answer)} to ${name}`, async () => {
        const error = await ask(saying(answer)).then((given) => given, (cause: unknown) => cause);
        expect(error).toBeInstanceOf(StoreError);
      });
    }
  }
});
