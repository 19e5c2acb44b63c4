/**
 * What the log says of what a handler threw or returned: in words, whatever it was.
 */
import { describe, expect, test } from "bun:test";
import { reject } from "../../src/mod.ts";
import { causeText, opinionMistake } from "../../src/policy/failure.ts";

const HOSTILE = {
  get kind() {
    throw new Error("looked at");
  },
  toJSON() {
    throw new Error("looked at");
  },
  toString() {
    throw new Error("looked at");
  },
};

describe("what was thrown:", () => {
  const rows: readonly (readonly [cause: unknown, text: string])[] = [
    [new Error("broken"), "broken"],
    [
      reject("5.7.1", "No"),
      '{"kind":"reject","code":550,"enhanced":"7.1","text":"No"} was thrown; a verdict is to be returned',
    ],
    ["broken", '"broken" was thrown; allowed is an Error'],
    [undefined, "nothing was thrown; allowed is an Error"],
    [{ status: 500 }, '{"status":500} was thrown; allowed is an Error'],
    [5n, "what is bigint was thrown; allowed is an Error"],
    [HOSTILE, "what is object was thrown; allowed is an Error"],
  ];
  for (const [cause, text] of rows) test(text, () => expect(causeText(cause)).toBe(text));
});

test("what was returned is shortened", () => {
  expect(opinionMistake("x".repeat(5000))).toMatch(/^the handler returned "x{199}…; allowed are verdicts, /);
});
