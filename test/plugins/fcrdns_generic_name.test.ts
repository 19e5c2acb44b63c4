/**
 * Which names look like those of dynamic addresses: what providers write, and what mail servers are called.
 */
import { describe, expect, test } from "bun:test";
import { genericName } from "../../plugins/fcrdns/generic_name.ts";
import { readNetwork } from "../../src/mod.ts";

const FOUR = "203.0.113.7";
const SIX = "2001:db8:1:2:a0b1:c2d3:e4f5:6789";

function generic(name: string, address: string): string | undefined {
  return genericName(name, readNetwork(address)!.octets);
}

describe("it holds the address:", () => {
  const names = [
    "203-0-113-7.isp.example.net",
    "203.0.113.7.isp.example.net",
    "7-113-0-203.isp.example.net",
    "host203x0x113x7.isp.example.net",
    "ip-0-113-7.isp.example.net",
    "7.113.0.access.example.net",
    "h203000113007.isp.example.net",
    "h007113000203.isp.example.net",
    "cb007107.isp.example.net",
    "x-077100cb.isp.example.net",
    "c-203-0-113-007.nj.example.net",
  ];
  for (const name of names) test(name, () => expect(generic(name, FOUR)).toBe("it holds the address"));

  const six = [
    "2001-db8-1-2-a0b1-c2d3-e4f5-6789.isp.example.net",
    "2001-0db8-0001-0002-a0b1-c2d3-e4f5-6789.isp.example.net",
    "20010db800010002a0b1c2d3e4f56789.isp.example.net",
    "a0b1c2d3e4f56789.v6.example.net",
    "9.8.7.6.5.f.4.e.3.d.2.c.1.b.0.a.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.example.net",
  ];
  for (const name of six) test(name, () => expect(generic(name, SIX)).toBe("it holds the address"));

  test("20010db8000000000000000000000007.isp.example.net", () => {
    expect(generic("20010db8000000000000000000000007.isp.example.net", "2001:db8::7")).toBe(
      "it holds the address",
    );
  });
});

describe("it holds a word:", () => {
  const names = [
    ["dsl-7.isp.example.net", "dsl"],
    ["pool7.isp.example.net", "pool"],
    ["a7.dhcp.example.net", "dhcp"],
    ["7.dyn.isp.example.net", "dyn"],
    ["cable-modem7.isp.example.net", "cable"],
    ["xyz.dynamic.isp.example.net", "dynamic"],
  ] as const;
  for (const [name, word] of names) test(name, () => expect(generic(name, FOUR)).toBe(`it holds "${word}"`));
});

describe("it is a name of its own:", () => {
  const names = [
    "client.example",
    "mail.client.example",
    "a113-7.smtp-out.sender.example.com",
    "203-0-113-7.mail-mail.social.example.com",
    "static-203-0-113-7.isp.example.net",
    "203-0-113-7-static.business.example.net",
    "poolside.hotel.example.com",
    "dynamics.crm.example.com",
    "h7.isp.example.net",
    "m113-7.isp.example.net",
    "2030113.isp.example.net",
    "pool.example",
    "dsl.net",
    "localhost",
    "",
  ];
  for (const name of names) test(JSON.stringify(name), () => expect(generic(name, FOUR)).toBeUndefined());

  test("an IPv6 address of almost nothing is not seen in everything", () => {
    expect(generic("0000000000000001.isp.example.net", "2001:db8::1")).toBeUndefined();
    expect(generic("mx1.isp.example.net", "2001:db8::1")).toBeUndefined();
  });
});
