/** Writing of XFORWARD: postfix.org XFORWARD_README, and what Postfix does with it. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ForwardedFacts, xforwardLines } from "../../src/smtp/xforward.ts";
import { decodeXtext } from "../../src/smtp/xtext.ts";

const NAMES = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"];
const ALL: ReadonlySet<string> = new Set(NAMES);

const KNOWN: ForwardedFacts = {
  name: "mx.example.org",
  addr: "2001:db8::1",
  port: 41234,
  proto: "ESMTPS",
  helo: "mx.example.org",
  ident: "7Q2M-1",
  source: "REMOTE",
};

describe("a command", () => {
  test("says all that is known", () => {
    expect(xforwardLines(KNOWN, ALL)).toEqual([
      "XFORWARD NAME=mx.example.org ADDR=IPV6:2001:db8::1 PORT=41234 PROTO=ESMTPS HELO=mx.example.org " +
      "IDENT=7Q2M-1 SOURCE=REMOTE",
    ]);
  });

  test("says only what is advertised", () => {
    expect(xforwardLines(KNOWN, new Set(["ADDR", "HELO", "TTL"])))
      .toEqual(["XFORWARD ADDR=IPV6:2001:db8::1 HELO=mx.example.org"]);
    expect(xforwardLines(KNOWN, new Set())).toEqual([]);
  });

  test("says of what is not known that it is not, and never lets a stranger's message pass for a local one", () => {
    expect(xforwardLines({}, ALL)).toEqual([
      "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE] " +
      "IDENT=[UNAVAILABLE] SOURCE=REMOTE",
    ]);
  });

  test.each([
    ["NAME", { name: null }, "[UNAVAILABLE]"],
    // Postfix takes [TEMPUNAVAIL] for a bad name here.
    ["NAME", { name: { failed: "temporary" } }, "[UNAVAILABLE]"],
    ["NAME", { name: "a b" }, "[UNAVAILABLE]"],
    ["NAME", { name: "192.0.2.1" }, "[UNAVAILABLE]"],
    ["ADDR", { addr: "192.0.2.1" }, "192.0.2.1"],
    ["ADDR", { addr: "::ffff:192.0.2.1" }, "192.0.2.1"],
    ["ADDR", { addr: "/run/smtp.sock" }, "[UNAVAILABLE]"],
    ["PORT", { port: 0 }, "0"],
    ["PORT", { port: 65536 }, "[UNAVAILABLE]"],
    ["PROTO", { proto: "x".repeat(64) }, "x".repeat(64)],
    ["PROTO", { proto: "x".repeat(65) }, "[UNAVAILABLE]"],
    ["PROTO", { proto: "a=b" }, "a+3Db"],
    ["PROTO", { proto: "a b" }, "[UNAVAILABLE]"],
    ["HELO", { helo: "[192.0.2.1]" }, "[192.0.2.1]"],
    ["HELO", { helo: "a\r\nb" }, "[UNAVAILABLE]"],
    ["IDENT", { ident: "a b+c" }, "a+20b+2Bc"],
    ["IDENT", { ident: "a\nb" }, "[UNAVAILABLE]"],
    ["IDENT", { ident: "" }, "[UNAVAILABLE]"],
    ["IDENT", { ident: "€" }, "[UNAVAILABLE]"],
    ["IDENT", { ident: "i".repeat(255) }, "i".repeat(255)],
    ["IDENT", { ident: "i".repeat(256) }, "[UNAVAILABLE]"],
    ["SOURCE", { source: "LOCAL" }, "LOCAL"],
  ])("has %s of %j as %s", (name, facts, written) => {
    expect(xforwardLines(facts as ForwardedFacts, new Set([name]))).toEqual([`XFORWARD ${name}=${written}`]);
  });
});

describe("properties", () => {
  const text = fc.string({ unit: fc.constantFrom(..."abz019.-_+= \r\0\xc3€"), maxLength: 270 });
  const facts: fc.Arbitrary<ForwardedFacts> = fc.record({
    name: fc.oneof(text, fc.constant("n".repeat(63).concat(".n".repeat(90)))),
    addr: fc.oneof(text, fc.ipV4(), fc.ipV6()),
    port: fc.integer(),
    proto: text,
    helo: fc.oneof(text, fc.constant("h".repeat(255))),
    ident: fc.oneof(text, fc.constant("i".repeat(255))),
  });

  test("every attribute is told once, in commands of at most 512 octets with CRLF and no more of them than needed", () => {
    fc.assert(
      fc.property(facts, fc.subarray(NAMES), (given, names) => {
        const lines = xforwardLines(given, new Set(names));
        for (const line of lines) {
          expect(line).toMatch(/^XFORWARD( [A-Z]+=[!-<>-~]+)+$/);
          expect(line.length).toBeLessThanOrEqual(510);
        }
        for (const [at, line] of lines.entries()) {
          const next = lines[at + 1]?.split(" ")[1];
          if (next !== undefined) expect(line.length + 1 + next.length).toBeGreaterThan(510);
        }
        const written = lines.flatMap((line) => line.split(" ").slice(1));
        expect(written.map((each) => each.split("=")[0]!)).toEqual(names);
        for (const each of written) {
          const value = each.slice(each.indexOf("=") + 1);
          expect(value.length).toBeLessThanOrEqual(255);
          expect(decodeXtext(value)).not.toMatch(/[\0\r\n]/);
        }
      }),
      { numRuns: 500 },
    );
  });
});
