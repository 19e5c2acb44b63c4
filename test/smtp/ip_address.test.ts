/** IP addresses in attributes: RFC 4291 §2.2, RFC 5952 §4. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { plainIpv4, plainIpv6 } from "../../src/smtp/ip_address.ts";

describe("IPv4", () => {
  test.each(["0.0.0.0", "255.255.255.255", "192.0.2.1"])(
    "%s is one",
    (text) => expect(plainIpv4(text)).toBe(text),
  );
  test.each([
    ...[
      "",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.4 ",
      "1.2.3.4\n",
      "+1.2.3.4",
      "1..2.3",
      "::1",
    ],
    ...["0x1.2.3.4", "mx.a.b.c"],
  ])("%j is none", (text) => expect(plainIpv4(text)).toBeUndefined());
});

describe("IPv6", () => {
  test.each([
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["::ffff:c633:64ff", "198.51.100.255"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::1:ffff:192.0.2.1", "::1:ffff:c000:201"],
  ])("%s is %s", (text, plain) => expect(plainIpv6(text)).toBe(plain));

  test.each([
    ...[
      "",
      ":",
      ":::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1::2::3",
      "1:2:3:4::5:6:7:8",
      "12345::",
      "g::",
    ],
    ...[
      "fe80::1%eth0",
      "[::1]",
      "::1 ",
      "1.2.3.4",
      "1.2.3.4::",
      "::1.2.3.4:5",
      "::01.2.3.4",
      "::1.2.3.256",
      "IPV6:::1",
    ],
  ])("%j is none", (text) => expect(plainIpv6(text)).toBeUndefined());

  test("the plain form of the plain form is itself, and names the same groups", () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(fc.property(groups, (given) => {
      const plain = plainIpv6(
        given.map((group) => group.toString(16).padStart(4, "0").toUpperCase()).join(":"),
      )!;
      if (plain.includes(".")) return;
      expect(plainIpv6(plain)).toBe(plain);
      const [head = [], tail = []] = plain.split("::").map((half) => half === "" ? [] : half.split(":"));
      const zeros = new Array(8 - head.length - tail.length).fill("0");
      expect([...head, ...zeros, ...tail].map((word) => parseInt(word, 16))).toEqual(given);
    }));
  });
});
