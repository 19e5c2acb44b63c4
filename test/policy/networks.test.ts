/**
 * Networks: what is read, what is in them, and that IPv4 in IPv6 is IPv4.
 */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  clientPrefix,
  isPrivateAddress,
  NetworkSet,
  readNetwork,
  reversedAddress,
} from "../../src/policy/networks.ts";
import { addressOctets } from "../../src/smtp/ip_address.ts";

describe("an address", () => {
  const rows: readonly (readonly [text: string, octets: string | undefined])[] = [
    ["192.0.2.7", "192,0,2,7"],
    ["::ffff:192.0.2.7", "192,0,2,7"],
    ["::FFFF:c000:207", "192,0,2,7"],
    ["2001:db8::1", "32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1"],
    ["::", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"],
    ["1::", "0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0"],
    ["64:ff9b::192.0.2.7", "0,100,255,155,0,0,0,0,0,0,0,0,192,0,2,7"],
    ["010.1.1.1", undefined],
    ["1.2.3", undefined],
    ["0x7f.1", undefined],
    ["fe80::1%eth0", undefined],
    ["", undefined],
    ["[::1]", undefined],
  ];
  for (const [text, octets] of rows) {
    test(text, () => expect(addressOctets(text)?.join()).toBe(octets));
  }
});

describe("a network that is none", () => {
  for (
    const text of [
      "",
      "/24",
      "192.0.2.0/33",
      "192.0.2.0/-1",
      "192.0.2.0/",
      "192.0.2.0/2 4",
      "2001:db8::/129",
      "::ffff:192.0.2.0/90",
      "a/8",
    ]
  ) {
    test(JSON.stringify(text), () => {
      expect(readNetwork(text)).toBeUndefined();
      expect(() => new NetworkSet([text])).toThrow(
        `${JSON.stringify(text)} was given; allowed is an address`,
      );
    });
  }
});

test("a set holds the addresses of its networks and no others", () => {
  const set = new NetworkSet([
    "192.0.2.128/25",
    "10.0.0.0/8",
    "198.51.100.7",
    "2001:db8::/33",
    "::ffff:203.0.113.0/120",
  ]);
  for (
    const inside of [
      "192.0.2.128",
      "192.0.2.255",
      "10.255.1.2",
      "198.51.100.7",
      "2001:db8:7fff::1",
      "203.0.113.9",
      "::ffff:10.0.0.1",
    ]
  ) {
    expect([inside, set.has(inside)]).toEqual([inside, true]);
  }
  for (
    const outside of [
      "192.0.2.127",
      "11.0.0.0",
      "198.51.100.8",
      "2001:db8:8000::1",
      "203.0.112.255",
      "::10.0.0.1",
      "x",
    ]
  ) {
    expect([outside, set.has(outside)]).toEqual([outside, false]);
  }
  expect(new NetworkSet(["0.0.0.0/0"]).has("255.1.2.3")).toBe(true);
  expect(new NetworkSet(["0.0.0.0/0"]).has("::1")).toBe(false);
});

test("the prefix of an address is a network that holds it, and all of its neighbours have the same", () => {
  expect(["203.0.113.7", "::ffff:203.0.113.9", "2001:db8:1:2:3::4", "unix"].map((host) => clientPrefix(host)))
    .toEqual([
      "203.0.113.0/24",
      "203.0.113.0/24",
      "2001:db8:1:2::/64",
      "unix",
    ]);
  expect(clientPrefix("203.0.113.7", 32)).toBe("203.0.113.7/32");
  expect(clientPrefix("2001:db8:1:2:3::4", 24, 48)).toBe("2001:db8:1::/48");
  expect(clientPrefix("::1", 24, 0)).toBe("::/0");
});

test("whatever the address and the length, the prefix reads back as the network of the address", () => {
  const ipv6 = fc.array(fc.constantFrom(0, 0, 1, 0xffff, 0xdb8), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.map((group) => group.toString(16)).join(":"));
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), ipv6), fc.integer({ min: 0, max: 32 }), (address, bits) => {
      const length = addressOctets(address)!.length === 4 ? bits : bits * 4;
      const text = clientPrefix(address, length, length);
      const network = readNetwork(text);
      expect([text, network?.bits]).toEqual([text, length]);
      const set = new NetworkSet();
      set.add(network!);
      expect(set.has(address)).toBe(true);
    }),
  );
});

test("an address in reverse is what the DNS and its lists are asked for", () => {
  expect(["203.0.113.7", "::ffff:203.0.113.7", "2001:db8::7", "unix"].map(reversedAddress)).toEqual([
    "7.113.0.203",
    "7.113.0.203",
    "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2",
    undefined,
  ]);
});

test("private addresses are those that mean another host everywhere", () => {
  for (
    const own of [
      "10.1.2.3",
      "127.0.0.1",
      "100.64.0.1",
      "169.254.1.1",
      "172.31.0.1",
      "192.168.0.1",
      "::1",
      "fd00::1",
      "fe80::1",
      "::ffff:10.0.0.1",
    ]
  ) {
    expect([own, isPrivateAddress(own)]).toEqual([own, true]);
  }
  for (const other of ["203.0.113.7", "172.32.0.1", "100.128.0.1", "2001:db8::1", "unix"]) {
    expect([other, isPrivateAddress(other)]).toEqual([other, false]);
  }
});
