/**
 * Names: what can be asked for, and in which form; IPv6 addresses as text.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { canonicalV6, plainAddress } from "../../src/dns/address.ts";
import { isWithin, ownerZone, plainName } from "../../src/dns/name.ts";

const LABEL = "a".repeat(63);
/** 253 octets of text: 255 on the wire. */
const LONGEST = `${LABEL}.${LABEL}.${LABEL}.${"a".repeat(61)}`;

describe("a name is asked for", () => {
  test.each([
    ["mail.example.org", "mail.example.org"],
    ["Mail.EXAMPLE.org", "mail.example.org"],
    ["example.org.", "example.org"],
    ["org", "org"],
    ["_dmarc.example.org", "_dmarc.example.org"],
    ["s1._domainkey.example.org", "s1._domainkey.example.org"],
    ["2.0.0.127.bl.example", "2.0.0.127.bl.example"],
    ["a-b*c/d\\e.example", "a-b*c/d\\e.example"],
    [LONGEST, LONGEST],
    [`${LONGEST}.`, LONGEST],
  ])("%s as %s", (given, asked) => {
    expect(plainName(given)).toBe(asked);
  });
});

describe("there can be no name", () => {
  test.each([
    ["of nothing", ""],
    ["of the root alone", "."],
    ["with an empty label at the front", ".example.org"],
    ["with an empty label inside", "mail..example.org"],
    ["with two final dots", "example.org.."],
    ["with a label of 64 octets", `${LABEL}a.example.org`],
    ["of 254 octets", `${LONGEST}a`],
    ["of 254 octets and a final dot", `${LONGEST}a.`],
    ["with a space", "mail example.org"],
    ["with a NUL", "www.bank.example\0.example.org"],
    ["with a line end", "example.org\r\n"],
    ["with a delete character", "a\x7f.example"],
    ["with an umlaut", "bücher.example"],
    ["with an octet above ASCII", "a\xff.example"],
    // Its lower case is the letter k of ASCII: two names would become one.
    ["with a Kelvin sign", "ban\u212a.example"],
  ])("%s", (_, given) => {
    expect(plainName(given)).toBeUndefined();
  });
});

test("whatever comes is a name in lower case with labels of 1 to 63 octets, or none at all", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (given) => {
    const name = plainName(given);
    if (name === undefined) return;
    expect(name).toBe(name.toLowerCase());
    expect(name.length).toBeLessThanOrEqual(253);
    for (const label of name.split(".")) expect(label).toMatch(/^[\x21-\x7e]{1,63}$/);
    expect(plainName(`${name}.`)).toBe(name);
  }));
});

test("a name is within itself, its parents and the root, not within a name that only ends alike", () => {
  expect(["a.example.org", "example.org", "org", ""].map((zone) => isWithin("a.example.org", zone)))
    .toEqual([true, true, true, true]);
  expect(isWithin("badexample.org", "example.org")).toBe(false);
  expect(isWithin("example.org", "a.example.org")).toBe(false);
});

describe("an IPv6 address is written as RFC 5952 has it", () => {
  test.each([
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8::53", "2001:db8::53"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001::1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0001:0020:0300:4000:5:6:7:8", "1:20:300:4000:5:6:7:8"],
    ["1:2:3:4:5:6::", "1:2:3:4:5:6::"],
    ["::ffff:c000:235", "::ffff:192.0.2.53"],
    ["::ffff:192.0.2.53", "::ffff:192.0.2.53"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ])("%s as %s", (given, canonical) => {
    expect(canonicalV6(given)).toBe(canonical);
  });

  test("and that form stays as it is", () => {
    fc.assert(fc.property(fc.ipV6(), (given) => {
      const once = canonicalV6(given);
      expect(canonicalV6(once)).toBe(once);
    }));
  });
});

test("an address is compared without its zone", () => {
  expect(plainAddress("fe80::0:1%eth0")).toBe("fe80::1");
  expect(plainAddress("192.0.2.53")).toBe("192.0.2.53");
});

describe("the owner of a name is known by", () => {
  test.each([
    ["org", "org"],
    ["example.org", "example.org"],
    ["e1.slow.example", "slow.example"],
    ["a.b.c.d.example.org", "example.org"],
    ["9.113.0.203.bl.example", "bl.example"],
    ["www.example.co.uk", "example.co.uk"],
    ["example.co.uk", "example.co.uk"],
    ["co.uk", "co.uk"],
    ["a.b.example.de", "example.de"],
    ["a.b.com.example", "com.example"],
    ["9.113.0.203.in-addr.arpa", "0.203.in-addr.arpa"],
    ["203.in-addr.arpa", "203.in-addr.arpa"],
    ["in-addr.arpa", "in-addr.arpa"],
    ["not-in-addr.arpa", "not-in-addr.arpa"],
    [`${"0.".repeat(24)}8.b.d.0.1.0.0.2.ip6.arpa`, "8.b.d.0.1.0.0.2.ip6.arpa"],
    ["0.0.2.ip6.arpa", "0.0.2.ip6.arpa"],
  ])("%s: %s", (name, zone) => {
    expect(ownerZone(name)).toBe(zone);
  });
});
