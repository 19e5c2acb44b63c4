/** Reading of XCLIENT: postfix.org XCLIENT_README. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ClientFacts } from "../../src/smtp/client_facts.ts";
import { readXclient, XCLIENT_ATTRIBUTES } from "../../src/smtp/xclient.ts";
import { encodeXtext } from "../../src/smtp/xtext.ts";

/** UTF-8 with one character per byte, as a command line holds it. */
function wire(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

function factsOf(argument: string): ClientFacts {
  const read = readXclient(argument);
  if ("refusal" in read) throw new Error(`${argument}: ${read.refusal[2]}`);
  return read.facts;
}

/** The text of a refusal, which is always a 501 5.5.4. */
function refusalOf(argument: string): string {
  const read = readXclient(argument);
  if ("facts" in read) return `none: ${JSON.stringify(read.facts)}`;
  expect(read.refusal.slice(0, 2)).toEqual([501, "5.4"]);
  return read.refusal[2];
}

const SYNTAX = "Syntax: XCLIENT and attributes, each name=value";
const NAME = "a host name, [UNAVAILABLE] or [TEMPUNAVAIL]";
const ADDRESS = "an IPv4 address, IPV6: and an IPv6 address, or [UNAVAILABLE]";
const PORT = "0 to 65535 without leading zeros, or [UNAVAILABLE]";
const HELO = "what HELO takes, or [UNAVAILABLE]";
const LOGIN = "a user name in UTF-8, or [UNAVAILABLE]";

describe("attributes are read", () => {
  test("the example of the README", () => {
    expect(factsOf(" NAME=spike.porcupine.org ADDR=168.100.189.2"))
      .toEqual({ name: "spike.porcupine.org", addr: "168.100.189.2" });
  });

  test("all of them, in any order and any case", () => {
    const told = {
      name: "mx.example.org",
      reverseName: "host.example.net",
      addr: "2001:db8::1",
      port: 41234,
      proto: "ESMTP" as const,
      helo: "mx.example.org",
      login: "u+tag@example.org",
      destAddr: "10.0.0.5",
      destPort: 25,
    };
    const words = [
      "NAME=mx.example.org",
      "reverse_name=host.example.net",
      "Addr=IPV6:2001:db8::1",
      "PORT=41234",
      "PROTO=esmtp",
      "HELO=mx.example.org",
      "LOGIN=u+2Btag@example.org",
      "DESTADDR=10.0.0.5",
      "DestPort=25",
    ];
    expect(factsOf(words.join(" "))).toEqual(told);
    expect(factsOf(`  ${words.toReversed().join("   ")}  `)).toEqual(told);
  });

  test("of what is not said nothing is known, not even that it is unknown", () => {
    expect(factsOf("ADDR=192.0.2.1")).toEqual({ addr: "192.0.2.1" });
    expect(Object.keys(factsOf("ADDR=192.0.2.1"))).toEqual(["addr"]);
  });

  test.each([
    ["NAME=[UNAVAILABLE]", { name: null }],
    ["NAME=[TEMPUNAVAIL]", { name: { failed: "temporary" } }],
    ["NAME=[tempUnavail]", { name: { failed: "temporary" } }],
    ["REVERSE_NAME=[unavailable]", { reverseName: null }],
    ["REVERSE_NAME=[TEMPUNAVAIL]", { reverseName: { failed: "temporary" } }],
    ["ADDR=[Unavailable]", { addr: null }],
    ["PORT=[UNAVAILABLE]", { port: null }],
    ["HELO=[UNAVAILABLE]", { helo: null }],
    ["LOGIN=[UNAVAILABLE]", { login: null }],
    ["LOGIN=+5bUNAVAILABLE+5D", { login: null }],
    ["DESTADDR=[UNAVAILABLE]", { destAddr: null }],
    ["DESTPORT=[UNAVAILABLE]", { destPort: null }],
    ["NAME=a", { name: "a" }],
    ["NAME=_host.1-2.Example", { name: "_host.1-2.Example" }],
    ["NAME=1.2.3.4.example", { name: "1.2.3.4.example" }],
    ["NAME=1-2", { name: "1-2" }],
    [`NAME=${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(63)}`, {
      name: `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(63)}`,
    }],
    ["ADDR=0.0.0.0", { addr: "0.0.0.0" }],
    ["ADDR=ipv6:2001:DB8:0::0001", { addr: "2001:db8::1" }],
    ["ADDR=IPV6:::", { addr: "::" }],
    ["ADDR=IPv6:::ffff:192.0.2.1", { addr: "192.0.2.1" }],
    ["ADDR=IPV6:::FFFF:c000:201", { addr: "192.0.2.1" }],
    ["ADDR=192.0.2+2e1", { addr: "192.0.2.1" }],
    ["PORT=0", { port: 0 }],
    ["PORT=65535", { port: 65535 }],
    ["PROTO=smtp", { proto: "SMTP" }],
    ["HELO=[192.0.2.1]", { helo: "[192.0.2.1]" }],
    ["HELO=[IPv6:2001:db8::1]", { helo: "[IPv6:2001:db8::1]" }],
    ["HELO=not_a+3Dname!", { helo: "not_a=name!" }],
    ["HELO=+FF+C3+B6", { helo: "\xff\xc3\xb6" }],
    [`HELO=${"a".repeat(255)}`, { helo: "a".repeat(255) }],
    [`HELO=${"+2B".repeat(255)}`, { helo: "+".repeat(255) }],
    ["LOGIN=a+20b", { login: "a b" }],
    ["LOGIN=J+C3+B6rg", { login: wire("Jörg") }],
  ])("%s", (argument, facts) => expect(factsOf(argument)).toEqual(facts as ClientFacts));

  test("the attributes to offer are those that are read", () => {
    expect(XCLIENT_ATTRIBUTES).toEqual(
      ["NAME", "REVERSE_NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"],
    );
  });
});

describe("refused with 501 5.5.4 is", () => {
  const all = XCLIENT_ATTRIBUTES.join(", ");
  test.each([
    ["", SYNTAX],
    ["   ", SYNTAX],
    ["ADDR", SYNTAX],
    ["ADDR=192.0.2.1 NAME", SYNTAX],
    ["192.0.2.1", SYNTAX],
    ["=192.0.2.1", `Unknown XCLIENT attribute; allowed are ${all}`],
    ["IDENT=1", `Unknown XCLIENT attribute; allowed are ${all}`],
    ["TTL=1", `Unknown XCLIENT attribute; allowed are ${all}`],
    ["ADDRESS=192.0.2.1", `Unknown XCLIENT attribute; allowed are ${all}`],
    ["constructor=1", `Unknown XCLIENT attribute; allowed are ${all}`],
    ["__proto__=1", `Unknown XCLIENT attribute; allowed are ${all}`],
    ["\tADDR=192.0.2.1", `Unknown XCLIENT attribute; allowed are ${all}`],
    ["ADDR =192.0.2.1", SYNTAX],
    ["ADDR= 192.0.2.1", "Bad XCLIENT attribute ADDR: it has no value"],
    ["HELO=", "Bad XCLIENT attribute HELO: it has no value"],
    ["ADDR=192.0.2.1 ADDR=192.0.2.1", "XCLIENT attribute ADDR is there twice"],
    ["ADDR=192.0.2.1 NAME=a addr=[UNAVAILABLE]", "XCLIENT attribute ADDR is there twice"],
    ["LOGIN=[UNAVAILABLE] LOGIN=a", "XCLIENT attribute LOGIN is there twice"],
    ["LOGIN=a=b", "Bad XCLIENT attribute LOGIN: it is no xtext"],
    ["LOGIN=user+tag@example.org", "Bad XCLIENT attribute LOGIN: it is no xtext"],
    ["LOGIN=a+", "Bad XCLIENT attribute LOGIN: it is no xtext"],
    ["LOGIN=a+4", "Bad XCLIENT attribute LOGIN: it is no xtext"],
    ["LOGIN=J\xc3\xb6rg", "Bad XCLIENT attribute LOGIN: it is no xtext"],
    ["HELO=a\tb", "Bad XCLIENT attribute HELO: it is no xtext"],
    [`HELO=${"a".repeat(256)}`, "Bad XCLIENT attribute HELO: it is too long, at most 255 octets are allowed"],
    [
      `LOGIN=${"a".repeat(256)}`,
      "Bad XCLIENT attribute LOGIN: it is too long, at most 255 octets are allowed",
    ],
    ["NAME=a..b", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=.a", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=a.", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=-a", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=a-.b", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=a+20b", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=a+3Db", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=b+C3+BCcher", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=192.0.2.1", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=12345", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=[192.0.2.1]", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["NAME=[UNAVAILABLE", `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    [`NAME=${"a".repeat(64)}.example`, `Bad XCLIENT attribute NAME: allowed is ${NAME}`],
    ["REVERSE_NAME=a b", SYNTAX],
    ["REVERSE_NAME=a/b", `Bad XCLIENT attribute REVERSE_NAME: allowed is ${NAME}`],
    ["ADDR=mx.example", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=192.0.2", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=192.0.02.1", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=192.0.2.256", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=[192.0.2.1]", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=2001:db8::1", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=IPV6:192.0.2.1", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=IPV6:", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=IPV6:fe80::1%eth0", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=IPV6:[2001:db8::1]", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=IPV4:192.0.2.1", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=[TEMPUNAVAIL]", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["ADDR=192.0.2.1+20", `Bad XCLIENT attribute ADDR: allowed is ${ADDRESS}`],
    ["DESTADDR=localhost", `Bad XCLIENT attribute DESTADDR: allowed is ${ADDRESS}`],
    ["PORT=65536", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=00025", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=-1", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=1e3", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=0x19", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=+2B25", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=2+205", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=smtp", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["PORT=[TEMPUNAVAIL]", `Bad XCLIENT attribute PORT: allowed is ${PORT}`],
    ["DESTPORT=100000", `Bad XCLIENT attribute DESTPORT: allowed is ${PORT}`],
    ["PROTO=LMTP", "Bad XCLIENT attribute PROTO: allowed is SMTP or ESMTP"],
    ["PROTO=ESMTPS", "Bad XCLIENT attribute PROTO: allowed is SMTP or ESMTP"],
    ["PROTO=[UNAVAILABLE]", "Bad XCLIENT attribute PROTO: allowed is SMTP or ESMTP"],
    ["HELO=a+20b", `Bad XCLIENT attribute HELO: allowed is ${HELO}`],
    ["HELO=[TEMPUNAVAIL]", `Bad XCLIENT attribute HELO: allowed is ${HELO}`],
    ["LOGIN=[tempunavail]", `Bad XCLIENT attribute LOGIN: allowed is ${LOGIN}`],
    ["LOGIN=J+F6rg", `Bad XCLIENT attribute LOGIN: allowed is ${LOGIN}`],
    ["LOGIN=a+80", `Bad XCLIENT attribute LOGIN: allowed is ${LOGIN}`],
    ["LOGIN=+C0+AF", `Bad XCLIENT attribute LOGIN: allowed is ${LOGIN}`],
  ])("%j", (argument, text) => expect(refusalOf(argument)).toBe(text));

  test("every control character that xtext hides, in every attribute", () => {
    const controls = [
      "+00",
      "+09",
      "+0A",
      "+0D",
      "+0D+0A",
      "+1B",
      "+1F",
      "+7F",
      "+C2+80",
      "+C2+85",
      "+C2+9F",
    ];
    for (const attribute of XCLIENT_ATTRIBUTES) {
      for (const control of controls) {
        expect(refusalOf(`${attribute}=a${control}b`))
          .toBe(`Bad XCLIENT attribute ${attribute}: control characters are not allowed`);
      }
    }
  });

  test("a value that is longer than the setting allows, as it is meant", () => {
    expect(readXclient("LOGIN=+41+42", { value: 2 })).toEqual({ facts: { login: "AB" } });
    expect(readXclient("LOGIN=ABC", { value: 2 })).toEqual({
      refusal: [501, "5.4", "Bad XCLIENT attribute LOGIN: it is too long, at most 2 octets are allowed"],
    });
  });
});

describe("properties", () => {
  test("random octets never throw, and what is refused is not repeated to the sender", () => {
    const word = fc.oneof(
      fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) }),
      fc.tuple(
        fc.constantFrom(...XCLIENT_ATTRIBUTES),
        fc.string({ unit: fc.constantFrom(..."+0123456789ABCDEFabz.:=[]") }),
      )
        .map(([name, value]) => `${name}=${value}`),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const read = readXclient(words.join(" "));
        if ("facts" in read) return;
        expect(read.refusal[2]).toMatch(/^[ -~]+$/);
        for (const each of words) if (each.length > 20) expect(read.refusal[2]).not.toContain(each);
      }),
      { numRuns: 1000 },
    );
  });

  test("any printable greeting reads as it was meant, however it was written", () => {
    const text = fc.string({
      unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
      minLength: 1,
    });
    const hex = (given: string) =>
      Array.from(given, (character) => `+${character.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");
    fc.assert(fc.property(text, (helo) => {
      expect(factsOf(`HELO=${encodeXtext(helo)}`)).toEqual({ helo });
      expect(factsOf(`HELO=${hex(helo)}`)).toEqual({ helo });
    }));
  });
});
