/** Verdicts: what can be made, and what is refused when it is made. */
import { describe, expect, test } from "bun:test";
import { accept, defer, disconnect, reject } from "../../src/policy/verdict.ts";

test("a verdict is a value", () => {
  expect(accept()).toEqual({ kind: "accept" });
  expect(reject("5.7.1", "no")).toEqual({ kind: "reject", code: 550, enhanced: "7.1", text: "no" });
  expect(reject("5.7.25", "no", 554)).toEqual({ kind: "reject", code: 554, enhanced: "7.25", text: "no" });
  expect(defer("4.7.1", "later")).toEqual({ kind: "defer", code: 450, enhanced: "7.1", text: "later" });
  expect(defer("4.3.0", "later", 451)).toEqual({ kind: "defer", code: 451, enhanced: "3.0", text: "later" });
  expect(disconnect("4.7.0", "bye")).toEqual({ kind: "disconnect", enhanced: "7.0", text: "bye" });
});

describe("the classes of the codes must agree with the verdict:", () => {
  for (
    const enhanced of [
      "4.7.1",
      "2.7.1",
      "7.1",
      "5.7",
      "5.7.1.1",
      "5.1000.1",
      "5.x.1",
      " 5.7.1",
      "5.7.1\n",
      "",
    ]
  ) {
    test(`reject with ${JSON.stringify(enhanced)}`, () => {
      expect(() => reject(enhanced, "no")).toThrow(TypeError);
    });
  }
  for (const code of [250, 354, 421, 450, 600, 55, NaN, 5500]) {
    test(`reject with ${code}`, () => {
      expect(() => reject("5.7.1", "no", code)).toThrow(TypeError);
    });
  }
  for (const code of [250, 354, 550, NaN]) {
    test(`defer with ${code}`, () => {
      expect(() => defer("4.7.1", "later", code)).toThrow(TypeError);
    });
  }
  test("defer and disconnect with 5.y.z", () => {
    expect(() => defer("5.7.1", "later")).toThrow(TypeError);
    expect(() => disconnect("5.7.1", "later")).toThrow(TypeError);
  });
});

describe("a text that would not stay one line of ASCII is refused:", () => {
  for (
    const text of ["", "a\r\n250 ok", "a\nb", "a\rb", "a\0b", "a\tb", "\u00e4", "x".repeat(401), "a\x7f"]
  ) {
    test(JSON.stringify(text.slice(0, 20)), () => {
      for (
        const make of [
          () => reject("5.7.1", text),
          () => defer("4.7.1", text),
          () => disconnect("4.7.1", text),
        ]
      ) {
        expect(make).toThrow(TypeError);
      }
    });
  }
  test("four hundred characters are not too many", () => {
    expect(reject("5.7.1", "x".repeat(400)).kind).toBe("reject");
  });
});
