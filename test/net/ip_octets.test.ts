/** IP addresses as octets: RFC 4291 §2.2, RFC 5952 §4 and §5. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isIP } from "node:net";
import { hostOctets, ipv4Octets, ipv6Octets, octetsHost } from "../../src/net/ip_octets.ts";

/** An IPv6 address in all its hex digits. */
function hex(text: string): string | undefined {
  return ipv6Octets(text)?.reduce((digits, octet) => digits + octet.toString(16).padStart(2, "0"), "");
}

describe("IPv4", () => {
  test.each(["0.0.0.0", "255.255.255.255", "192.0.2.1", "1.20.0.100"])(
    "%s reads and is written back",
    (text) => {
      expect([...ipv4Octets(text) ?? []]).toEqual(text.split(".").map(Number));
      expect(octetsHost(ipv4Octets(text)!)).toBe(text);
    },
  );

  test.each([
    ...["", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.256", "1.2.3.1000", "01.2.3.4"],
    ...[
      "1.2.3.00",
      "1.2.3.-1",
      "+1.2.3.4",
      "1.2.3.4 ",
      " 1.2.3.4",
      "0x1.2.3.4",
      "1e1.2.3.4",
      "1,2,3,4",
      "١.2.3.4",
    ],
    ...["::1", "::ffff:1.2.3.4"],
  ])("%j is none", (text) => {
    expect(ipv4Octets(text)).toBeUndefined();
  });
});

describe("IPv6", () => {
  test.each([
    ["::", "0".repeat(32)],
    ["::1", `${"0".repeat(31)}1`],
    ["1::", `0001${"0".repeat(28)}`],
    ["2001:db8::1", "20010db8000000000000000000000001"],
    ["2001:DB8::A", "20010db800000000000000000000000a"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["::2:3:4:5:6:7:8", "00000002000300040005000600070008"],
    ["1:2:3::5:6:7:8", "00010002000300000005000600070008"],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "f".repeat(32)],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
    ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
    ["1:2:3:4:5:6:192.0.2.1", "000100020003000400050006c0000201"],
  ])("%s is the octets %s", (text, octets) => {
    expect(hex(text)).toBe(octets);
  });

  test.each([
    ...["", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8"],
    ...["1::2::3", "1:::2", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1:2:3:4::5:6:7:8", "12345::", "g::", "::-1"],
    ...["fe80::1%eth0", "[::1]", "::1 ", " ::1", "::1/64", "1.2.3.4", "1.2.3.4::", "::1.2.3.4:5", "::1.2.3"],
    ...["::01.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", "::0x1", "::+1"],
  ])("%j is none", (text) => {
    expect(ipv6Octets(text)).toBeUndefined();
  });
});

describe("an address is written", () => {
  test.each([
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["2001:0DB8:AAAA:BBBB:CCCC:DDDD:EEEE:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:0201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:0:0", "0.0.0.0"],
    ["::fffe:192.0.2.1", "::fffe:c000:201"],
    ["1::ffff:192.0.2.1", "1::ffff:c000:201"],
  ])("%s as %s", (text, written) => {
    expect(octetsHost(ipv6Octets(text)!)).toBe(written);
  });
});

describe("a host", () => {
  test.each([
    ["192.0.2.1", 4],
    ["::ffff:192.0.2.1", 4],
    ["::ffff:c000:201", 4],
    ["2001:db8::1", 16],
    ["fe80::1%eth0", 16],
    ["/run/smtp.sock", undefined],
    ["", undefined],
    ["mx.example", undefined],
  ])("%j has %p octets", (host, length) => {
    expect(hostOctets(host)?.length).toBe(length as number);
  });
});

describe("properties", () => {
  const octets = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    // Zeros, so that there is something to shorten.
    fc.array(fc.constantFrom(0, 0, 0, 255, 16), { minLength: 16, maxLength: 16 }).map((list) =>
      Uint8Array.from(list)
    ),
  );

  test("what is written reads back, and is written the same again", () => {
    fc.assert(fc.property(octets, (given) => {
      const host = octetsHost(given);
      const read = hostOctets(host)!;
      expect([...read]).toEqual([...given.subarray(given.length - read.length)]);
      expect(octetsHost(read)).toBe(host);
      expect(isIP(host)).toBe(read.length === 4 ? 4 : 6);
    }));
  });

  test("what is an address, and of which family, is what the runtime says", () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom(..."::::0123456789abcdefF..1") }),
      fc.array(fc.constantFrom("0", "1", "ffff", "1.2.3.4", "", "", "12"), { maxLength: 9 }).map((words) =>
        words.join(":")
      ),
      fc.array(fc.constantFrom("0", "1", "255", "256", "9"), { maxLength: 5 }).map((words) =>
        words.join(".")
      ),
    );
    fc.assert(
      fc.property(text, (given) => {
        const family = ipv4Octets(given) ? 4 : ipv6Octets(given) ? 6 : 0;
        expect(family).toBe(isIP(given));
      }),
      { numRuns: 2000 },
    );
  });
});
