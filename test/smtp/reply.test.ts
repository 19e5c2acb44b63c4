/** Replies: RFC 5321 §4.2, enhanced codes of RFC 3463 and RFC 2034. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { latin1, latin1Text, reply, severity, textOf } from "../../src/smtp/reply.ts";

function wire(...given: Parameters<typeof reply>): string {
  return latin1Text(reply(...given).bytes);
}

test("a reply is one line, code and text", () => {
  expect(wire(220, "", "mx.example ESMTP")).toBe("220 mx.example ESMTP\r\n");
});

test("the class of the enhanced code is the code's own", () => {
  expect(wire(250, "1.0", "Ok")).toBe("250 2.1.0 Ok\r\n");
  expect(wire(451, "3.0", "Later")).toBe("451 4.3.0 Later\r\n");
  expect(wire(550, "7.1", "Never")).toBe("550 5.7.1 Never\r\n");
});

test("every line of a reply has both codes, and all but the last a hyphen", () => {
  expect(wire(550, "7.1", ["one", "", "three"])).toBe("550-5.7.1 one\r\n550-5.7.1 \r\n550 5.7.1 three\r\n");
  expect(wire(250, "", ["mx.example", "SIZE 1"])).toBe("250-mx.example\r\n250 SIZE 1\r\n");
});

test("the text of a reply can be taken out again", () => {
  expect(textOf(reply(250, "", ["mx.example", "SIZE 1", ""]))).toEqual(["mx.example", "SIZE 1", ""]);
});

describe("what would not stay one line is refused when the reply is made:", () => {
  for (const text of ["a\r\n250 ok", "a\nb", "a\rb", "a\0b", "\n", "\r"]) {
    test(JSON.stringify(text), () => {
      expect(() => reply(250, "", text)).toThrow(TypeError);
      expect(() => reply(250, "", ["fine", text])).toThrow(TypeError);
    });
  }
});

describe("codes that are none are refused:", () => {
  for (const code of [0, 99, 100, 199, 600, 999, NaN, Infinity, -250]) {
    test(String(code), () => {
      expect(() => reply(code, "", "x")).toThrow(RangeError);
    });
  }
  for (const enhanced of ["5.7.1", "7", "7.", ".1", "7.1 ", "a.b", "7.1000", "\n7.1", "7.1\n"]) {
    test(JSON.stringify(enhanced), () => {
      expect(() => reply(550, enhanced, "x")).toThrow(TypeError);
    });
  }
});

test("a reply's severity is its first digit", () => {
  expect([220, 299, 354, 421, 599].map((code) => severity(reply(code, "", "x")))).toEqual([2, 2, 3, 4, 5]);
});

test("octets and characters are the same thing, however many", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    expect(latin1(latin1Text(bytes))).toEqual(bytes);
  }));
  const many = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);
  expect(latin1(latin1Text(many))).toEqual(many);
  expect(latin1Text(many, 255, 258)).toBe("\xff\0\x01");
});
