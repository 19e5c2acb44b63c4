/**
 * Verdicts can only be made so that they fit in a reply; the error says what was given and what is allowed.
 */
import { expect, test } from "bun:test";
import { defer, disconnect, isVerdict, reject, type Verdict } from "../../src/policy/verdict.ts";

const wrong: readonly (readonly [make: () => Verdict, told: string])[] = [
  [() => reject("4.7.1", "x"), 'enhanced code "4.7.1" was given; allowed is 5.subject.detail, as in "5.7.1"'],
  [() => reject("7.1", "x"), 'enhanced code "7.1" was given; allowed is 5.subject.detail'],
  [() => reject("5.7.1", "x", 450), "code 450 was given; allowed is a whole number from 500 to 599"],
  [() => reject("5.7.1", "x", 550.5), "code 550.5 was given; allowed is a whole number from 500 to 599"],
  [() => reject("5.7.1", "é"), 'text "é" was given; allowed is 1 to 400 characters of printable ASCII'],
  [() => reject("5.7.1", ""), 'text "" was given; allowed is 1 to 400 characters'],
  [() => reject("5.7.1", "x".repeat(401)), "allowed is 1 to 400 characters"],
  [() => defer("4.7.1", "a\r\nb"), 'text "a\\r\\nb" was given'],
  [() => defer("5.7.1", "x"), 'enhanced code "5.7.1" was given; allowed is 4.subject.detail'],
  [() => disconnect("5.7.0", "x"), 'enhanced code "5.7.0" was given; allowed is 4.subject.detail'],
];
for (const [make, told] of wrong) {
  test(`cannot be made: ${told}`, () => {
    expect(make).toThrow("Cannot make a verdict: ");
    expect(make).toThrow(told);
  });
}

test("what is made is a verdict", () => {
  const made = [reject("5.7.1", "x".repeat(400), 599), defer("4.7.1", "~ "), disconnect("4.7.0", "x")];
  expect(made.map(isVerdict)).toEqual([true, true, true]);
});
