/** xtext: RFC 3461 §4. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeXtext, encodeXtext } from "../../src/smtp/xtext.ts";

const bytes = fc.array(fc.integer({ min: 0, max: 255 })).map((codes) => String.fromCharCode(...codes));

describe("encoding", () => {
  const cases: readonly (readonly [text: string, xtext: string])[] = [
    ["", ""],
    ["QQ314159", "QQ314159"],
    ["user@example.com", "user@example.com"],
    ["a+b", "a+2Bb"],
    ["a=b", "a+3Db"],
    ["a b", "a+20b"],
    ["++", "+2B+2B"],
    ["\0\t\r\n", "+00+09+0D+0A"],
    ["!~\x7f", "!~+7F"],
    ["\x80\xff", "+80+FF"],
    ["tail=", "tail+3D"],
  ];
  for (const [text, xtext] of cases) {
    test(`${JSON.stringify(text)} is written ${xtext} and reads back`, () => {
      expect(encodeXtext(text)).toBe(xtext);
      expect(decodeXtext(xtext)).toBe(text);
    });
  }
  test("a character that is no byte is refused, not cut", () => {
    expect(() => encodeXtext("a€")).toThrow("Cannot write xtext: character 8364 is no byte (0 to 255)");
  });
});

describe("decoding", () => {
  test("what need not be encoded may be", () => expect(decodeXtext("+41+62c")).toBe("Abc"));
  test("small hex digits are read (RFC 4954 §8)", () => expect(decodeXtext("+3d+2b+Fe")).toBe("=+\xfe"));
  for (
    const broken of [
      "=",
      "a=b",
      " ",
      "a b",
      "+",
      "+4",
      "a+",
      "+4G",
      "+G4",
      "+ 1",
      "++2B",
      "\t",
      "\x7f",
      "\x80",
      "é€",
    ]
  ) {
    test(`${JSON.stringify(broken)} is no xtext`, () => expect(decodeXtext(broken)).toBeUndefined());
  }
});

describe("properties", () => {
  test("what was encoded reads back, in printable ASCII without = and space", () => {
    fc.assert(fc.property(bytes, (text) => {
      const xtext = encodeXtext(text);
      expect(xtext).toMatch(/^[!-<>-~]*$/);
      expect(decodeXtext(xtext)).toBe(text);
    }));
  });
  test("random junk never throws, and what is read of it is encoded to the same bytes", () => {
    const junk = fc.string({ unit: fc.constantFrom(..."+++=0129aAfFgG \x80") });
    fc.assert(fc.property(fc.oneof(junk, fc.string({ unit: "binary" })), (xtext) => {
      const text = decodeXtext(xtext);
      if (text !== undefined) expect(decodeXtext(encodeXtext(text))).toBe(text);
    }));
  });
});
