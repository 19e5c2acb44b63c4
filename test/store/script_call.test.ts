// What comes of Redis' answer to a script.
import { expect, test } from "bun:test";
import { ScriptCall } from "../../src/store/script_call.ts";
import { StoreError } from "../../src/policy/effects.ts";

function called(answer: (call: ScriptCall<number>) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const first = (given: unknown) => (given as number[])[0]!.valueOf();
    answer(new ScriptCall("take a place", "lease", ["key"], [], first, resolve, reject));
  });
}

test("it is read", async () => {
  expect(await called((call) => call.answered([7]))).toBe(7);
});

for (const answer of [null, undefined, []]) {
  test(`one that is none is an error of the store: ${JSON.stringify(answer)}`, async () => {
    const rejected = called((call) => call.answered(answer)).catch((error) => error);
    expect(await rejected).toBeInstanceOf(StoreError);
    expect(String(await rejected)).toContain("Cannot take a place: it answered");
  });
}

test("a reason why there is none is an error of the store", async () => {
  const error = await called((call) => call.refused("Redis is away")).catch((cause) => cause);
  expect(error).toBeInstanceOf(StoreError);
  expect(error.message).toContain("Redis is away");
});
