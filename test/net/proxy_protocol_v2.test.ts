/** PROXY protocol, version 2: proxy-protocol.txt §2.2. */
import { describe, expect, test } from "bun:test";
import { proxyLocal, ProxyReader, proxyV2 } from "../../src/net/proxy_protocol.ts";
import { faultOf, headerOf, IPV4, IPV6, octets, readWhole, tlv, v2 } from "../support/proxy_header.ts";

const FROM4 = { host: "192.0.2.1", port: 56324 };
const TO4 = { host: "198.51.100.2", port: 25 };
const FROM6 = { host: "2001:db8::1", port: 1 };
const TO6 = { host: "2001:db8::2", port: 65535 };
const NONE = octets();
const UNIX = new Uint8Array(216).fill(0x61);

describe("a header is read:", () => {
  test("TCP over IPv4", () => {
    expect(readWhole(octets(v2(0x21, 0x11, IPV4), "EHLO a\r\n"))).toEqual({
      header: { version: 2, command: "proxy", source: FROM4, destination: TO4 },
      rest: "EHLO a\r\n",
    });
  });

  test("TCP over IPv6", () => {
    expect(readWhole(octets(v2(0x21, 0x21, IPV6), "\x16\x03\x01"))).toEqual({
      header: { version: 2, command: "proxy", source: FROM6, destination: TO6 },
      rest: "\x16\x03\x01",
    });
  });

  test("IPv4-mapped IPv6 as IPv4", () => {
    const mapped = octets(...new Array(10).fill(0), 255, 255);
    const block = octets(mapped, 192, 0, 2, 1, mapped, 198, 51, 100, 2, 0xdc, 0x04, 0, 25);
    expect(headerOf(v2(0x21, 0x21, block))).toEqual({
      version: 2,
      command: "proxy",
      source: FROM4,
      destination: TO4,
    });
  });

  test.each([
    ["nothing", 0x00, NONE],
    ["any octets", 0x00, octets("\0\x01\x02\xff")],
    ["a family", 0x11, IPV4],
    ["a family without its addresses", 0x21, octets(1, 2, 3)],
    ["no family that there is", 0xff, octets(1)],
    ["a TLV that lies", 0x11, octets(IPV4, 1, 255, 255)],
    ["a wrong checksum", 0x00, tlv(3, "\0\0\0\0")],
  ])("LOCAL with %s says nothing else, and its length counts", (_, family, rest) => {
    expect(readWhole(octets(v2(0x20, family, rest), "EHLO a\r\n"))).toEqual({
      header: { version: 2, command: "local" },
      rest: "EHLO a\r\n",
    });
  });

  test.each([
    ["nothing specified", 0x00, NONE],
    ["nothing specified, with octets", 0x00, octets("\0\x01\x02\xff")],
    ["IPv4 without a protocol", 0x10, octets(1, 2, 3)],
    ["IPv6 without a protocol", 0x20, NONE],
    ["Unix without a protocol", 0x30, NONE],
    ["a stream without a family", 0x01, IPV4],
    ["datagrams without a family", 0x02, NONE],
    ["UDP over IPv4", 0x12, IPV4],
    ["UDP over IPv6", 0x22, IPV6],
    ["a Unix stream", 0x31, UNIX],
    ["Unix datagrams", 0x32, UNIX],
  ])("%s: the client is unknown, and the length counts", (_, family, rest) => {
    expect(readWhole(octets(v2(0x21, family, rest), "EHLO a\r\n"))).toEqual({
      header: { version: 2, command: "unknown" },
      rest: "EHLO a\r\n",
    });
  });

  test("a Unix client's TLS is known all the same", () => {
    const tls = tlv(0x20, octets(1, 0, 0, 0, 1, tlv(0x21, "TLSv1.3")));
    expect(headerOf(v2(0x21, 0x31, octets(UNIX, tls)))).toEqual({
      version: 2,
      command: "unknown",
      tls: { version: "TLSv1.3" },
    });
  });

  test("every shorter beginning waits for more", () => {
    const whole = v2(0x21, 0x11, octets(IPV4, tlv(4, "padding")));
    for (let end = 0; end < whole.length; end++) expect(readWhole(whole.slice(0, end))).toBe("more");
  });
});

describe("a header is refused:", () => {
  const START = 'this is no PROXY header; allowed is "PROXY " (version 1) or the signature of version 2';
  const VERSION = "another version than 2 after the signature of version 2; allowed is 2";
  const COMMAND = "unknown command; allowed is 0 (LOCAL) or 1 (PROXY)";
  const FAMILY = "unknown address family; allowed is 0 (unspecified), 1 (IPv4), 2 (IPv6) or 3 (Unix)";
  const PROTOCOL = "unknown transport protocol; allowed is 0 (unspecified), 1 (stream) or 2 (datagram)";

  test("each wrong octet of the signature, at once", () => {
    const signature = octets("\r\n\r\n\0\r\nQUIT\n");
    for (let at = 0; at < signature.length; at++) {
      expect(readWhole(signature.slice(0, at))).toBe("more");
      expect(faultOf(octets(signature.slice(0, at), signature[at]! ^ 1))).toBe(START);
    }
  });

  test("every version but 2 and every command but 0 and 1, at the octet", () => {
    const signature = octets("\r\n\r\n\0\r\nQUIT\n");
    for (let octet = 0; octet < 256; octet++) {
      const expected = octet >> 4 !== 2 ? VERSION : (octet & 15) > 1 ? COMMAND : "none: more is needed";
      expect(faultOf(octets(signature, octet))).toBe(expected);
    }
  });

  test("every family above 3 and every protocol above 2, at the octet", () => {
    const head = octets("\r\n\r\n\0\r\nQUIT\n", 0x21);
    for (let octet = 0; octet < 256; octet++) {
      const expected = octet >> 4 > 3 ? FAMILY : (octet & 15) > 2 ? PROTOCOL : "none: more is needed";
      expect(faultOf(octets(head, octet))).toBe(expected);
    }
  });

  test.each([[0x11, 12], [0x12, 12], [0x21, 36], [0x22, 36], [0x31, 216], [0x32, 216]])(
    "the family %p without room for its addresses of %p octets, before they come",
    (family, size) => {
      for (let length = 0; length < size; length++) {
        expect(faultOf(v2(0x21, family, NONE, length)))
          .toBe(`no room for the addresses; allowed are ${16 + size} octets at least`);
      }
      expect(readWhole(v2(0x21, family, NONE, size))).toBe("more");
    },
  );

  test("longer than allowed, before it comes", () => {
    const long = "a header of too many octets; allowed are 4096";
    expect(readWhole(v2(0x21, 0x11, NONE, 4080))).toBe("more");
    expect(faultOf(v2(0x21, 0x11, NONE, 4081))).toBe(long);
    expect(faultOf(v2(0x20, 0x00, NONE, 65535))).toBe(long);
    expect(faultOf(v2(0x21, 0x00, NONE, 65535))).toBe(long);
  });

  test("longer than the setting allows", () => {
    const limits = { header: 28 };
    expect(headerOf(v2(0x21, 0x11, IPV4), limits)).toMatchObject({ source: FROM4 });
    expect(faultOf(v2(0x21, 0x11, octets(IPV4, 0)), limits))
      .toBe("a header of too many octets; allowed are 28");
  });

  test("the longest that can be written is read where it is allowed", () => {
    const padding = tlv(0xe0, new Uint8Array(65535 - 12 - 3).fill(7));
    const header = headerOf(v2(0x21, 0x11, octets(IPV4, padding)), { header: 16 + 65535 });
    expect(header).toMatchObject({ other: [{ type: 0xe0 }] });
    const text = tlv(0x01, new Uint8Array(65535 - 12 - 3).fill(0x61));
    expect(headerOf(v2(0x21, 0x11, octets(IPV4, text)), { header: 16 + 65535 })).toHaveProperty("alpn");
  });
});

describe("a reader that is done", () => {
  test("gives on what comes behind the header", () => {
    const reader = new ProxyReader();
    reader.push(v2(0x20, 0, NONE));
    const more = octets("EHLO a\r\n");
    expect(reader.push(more)).toEqual({ header: { version: 2, command: "local" }, rest: more });
  });

  test("stays with its fault, whatever comes", () => {
    const reader = new ProxyReader();
    const fault = reader.push(octets("EHLO a\r\n"));
    expect(fault).toHaveProperty("fault");
    expect(reader.push(v2(0x20, 0, NONE))).toEqual(fault);
  });

  test("has copied what it gave: the connection may use its octets anew", () => {
    const bytes = v2(0x21, 0x11, octets(IPV4, tlv(5, "id"), tlv(0xe0, "x")));
    const read = new ProxyReader().push(bytes);
    bytes.fill(0);
    expect(read).toMatchObject({
      header: { source: FROM4, uniqueId: octets("id"), other: [{ type: 0xe0, value: octets("x") }] },
    });
  });

  test("no octets are no wrong octets", () => {
    const reader = new ProxyReader();
    expect(reader.push(NONE)).toBeUndefined();
    expect(reader.push(v2(0x20, 0, NONE))).toEqual({ header: { version: 2, command: "local" }, rest: NONE });
  });
});

describe("a header is written:", () => {
  test("IPv4", () => {
    expect(proxyV2({ source: FROM4, destination: TO4 })).toEqual(v2(0x21, 0x11, IPV4));
  });

  test("IPv6", () => {
    expect(proxyV2({ source: FROM6, destination: TO6 })).toEqual(v2(0x21, 0x21, IPV6));
  });

  test("IPv4-mapped IPv6 as IPv4", () => {
    const source = { host: "::ffff:192.0.2.1", port: 56324 };
    expect(proxyV2({ source, destination: TO4 })).toEqual(v2(0x21, 0x11, IPV4));
  });

  test("two families as IPv6, so that the client is known", () => {
    const written = proxyV2({ source: FROM4, destination: TO6 });
    expect(written[13]).toBe(0x21);
    expect(headerOf(written)).toEqual({ version: 2, command: "proxy", source: FROM4, destination: TO6 });
  });

  test("what is no IP address as unknown, and nothing else with it", () => {
    const unix = { host: "/run/smtp.sock", port: 0 };
    expect(proxyV2({ source: unix, destination: unix, authority: "mx.example", crc32c: true }))
      .toEqual(v2(0x21, 0x00, NONE));
    expect(proxyV2({ source: FROM4, destination: unix })).toEqual(v2(0x21, 0x00, NONE));
  });

  test("for a connection of one's own", () => expect(proxyLocal(2)).toEqual(v2(0x20, 0x00, NONE)));

  test("not with a port that is none", () => {
    expect(() => proxyV2({ source: { host: "192.0.2.1", port: 65536 }, destination: TO4 }))
      .toThrow("Cannot write a PROXY header: port 65536 was given; allowed is 0 to 65535");
  });
});
