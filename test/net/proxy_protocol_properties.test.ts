/** PROXY protocol, versions 1 and 2: what holds for all octets, all pieces and all that can be written. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ProxyFacts,
  proxyLocal,
  type ProxyTlv,
  proxyV1,
  proxyV2,
} from "../../src/net/proxy_protocol.ts";
import { headerOf, IPV4, IPV6, octets, readInPieces, readWhole, tlv, v2 } from "../support/proxy_header.ts";

const port = fc.integer({ min: 0, max: 65535 });
const host4 = fc.ipV4();
/** In one spelling, so that it compares. */
const host6 = fc.tuple(fc.integer({ min: 0x2000, max: 0xffff }), fc.integer({ min: 2, max: 0xffff }))
  .map(([first, last]) => `${first.toString(16)}:db8::${last.toString(16)}`);
const address4 = fc.record({ host: host4, port });
const address6 = fc.record({ host: host6, port });

const value = fc.uint8Array({ maxLength: 40 });
const plain = fc.string({ unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)) });
const binary = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));
const wellFormed = fc.string({ unit: "binary", maxLength: 40 });
const optional = { requiredKeys: [] };

function others(types: readonly number[]): fc.Arbitrary<ProxyTlv[]> {
  return fc.array(fc.record({ type: fc.constantFrom(...types), value }), { minLength: 1, maxLength: 4 });
}

const facts: fc.Arbitrary<ProxyFacts> = fc.record({
  alpn: binary,
  // deno-lint-ignore no-control-regex
  authority: wellFormed.map((text) => text.replace(/[\0-\x1f\x7f-\x9f]/g, "")),
  uniqueId: fc.uint8Array({ maxLength: 128 }),
  namespace: plain,
  tls: fc.record({
    version: plain,
    cipher: plain,
    signatureAlgorithm: plain,
    keyAlgorithm: plain,
    group: plain,
    signatureScheme: plain,
    certificate: fc.record(
      {
        verifyError: fc.integer({ min: 0, max: 0xffffffff }),
        fresh: fc.boolean(),
        commonName: wellFormed,
        der: fc.uint8Array({ maxLength: 300 }),
      },
      { requiredKeys: ["verifyError", "fresh"] },
    ),
    other: others([0x01, 0x20, 0x29, 0xe0]),
  }, optional),
  other: others([0x00, 0x06, 0x21, 0x28, 0xe0, 0xff]),
}, optional);

const ends = fc.oneof(
  fc.record({ source: address4, destination: address4 }),
  fc.record({ source: address6, destination: address6 }),
  fc.record({ source: address4, destination: address6 }),
);
const written2 = fc.record({ ends, facts, crc32c: fc.boolean() });

/** Something near a header, right or wrong. */
const nearly: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(
    "P",
    "PROXY ",
    "PROXY TCP4 ",
    "PROXY UNKNOWN",
    "\r\n\r\n\0\r\nQUIT\n",
    "\r\n\r\n\0\r\nQUIT\n\x21",
  ).chain(
    (start) => fc.uint8Array({ maxLength: 300 }).map((more) => octets(start, more)),
  ),
  fc.array(
    fc.constantFrom(
      "PROXY ",
      "TCP4 ",
      "TCP6 ",
      "UNKNOWN",
      "192.0.2.1 ",
      "::1 ",
      "25",
      " ",
      "\r\n",
      "\r",
      "\n",
      "0",
    ),
  ).map((parts) => octets(...parts)),
  written2.map(({ ends, facts, crc32c }) => proxyV2({ ...ends, ...facts, crc32c })),
  // Vectors of random types and lengths behind true addresses: most of them lie.
  fc.tuple(
    fc.constantFrom(0x11, 0x21),
    fc.array(fc.tuple(fc.constantFrom(1, 2, 3, 4, 5, 0x20, 0x30, 0xe0), value, fc.nat(3))),
  )
    .map(([family, vectors]) =>
      v2(
        0x21,
        family,
        octets(
          family === 0x11 ? IPV4 : IPV6,
          ...vectors.map(([type, bytes, more]) => tlv(type, bytes, bytes.length + more)),
        ),
      )
    ),
);
const header: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.tuple(address4, address4).map(([source, destination]) => proxyV1(source, destination)),
  fc.tuple(address6, address6).map(([source, destination]) => proxyV1(source, destination)),
  fc.constantFrom(proxyLocal(1), proxyLocal(2)),
  written2.map(({ ends, facts, crc32c }) => proxyV2({ ...ends, ...facts, crc32c })),
);
const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 });

describe("reading", () => {
  test("any octets in any pieces come to the same, and never throw", () => {
    fc.assert(
      fc.property(nearly, fc.uint8Array({ maxLength: 20 }), sizes, (bytes, more, pieces) => {
        const all = octets(bytes, more);
        expect(readInPieces(all, pieces)).toEqual(readWhole(all));
      }),
      { numRuns: 1000 },
    );
  });

  test("octet by octet as well", () => {
    fc.assert(fc.property(nearly, (bytes) => expect(readInPieces(bytes, [1])).toEqual(readWhole(bytes))), {
      numRuns: 300,
    });
  });

  test("takes the header and not one octet more", () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 200 }), sizes, (bytes, more, pieces) => {
        const read = readInPieces(octets(bytes, more), pieces);
        expect(read).toEqual({ header: headerOf(bytes), rest: String.fromCharCode(...more) });
      }),
      { numRuns: 500 },
    );
  });

  test("needs every octet of a header", () => {
    fc.assert(
      fc.property(header, fc.nat(), (bytes, at) => {
        expect(readWhole(bytes.slice(0, at % bytes.length))).toBe("more");
      }),
      { numRuns: 500 },
    );
  });

  test("a header with a checksum never passes with another octet, in the addresses or behind them", () => {
    fc.assert(
      fc.property(written2, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ ends, facts }, at, mask) => {
        const bytes = proxyV2({ ...ends, ...facts, crc32c: true });
        const summed = bytes.length - 16 - 7;
        bytes[16 + at % summed]! ^= mask;
        const read = readWhole(bytes);
        // A length that was changed may hide the checksum in another vector; then there is nothing to compare.
        if (read !== "more" && "header" in read) expect(at % summed).toBeGreaterThanOrEqual(12);
        else expect(read).toHaveProperty("fault");
      }),
      { numRuns: 500 },
    );
  });
});

describe("what was written reads back:", () => {
  test("version 1 over IPv4", () => {
    fc.assert(fc.property(address4, address4, (source, destination) => {
      expect(headerOf(proxyV1(source, destination))).toEqual({
        version: 1,
        command: "proxy",
        source,
        destination,
      });
    }));
  });

  test("version 1 over IPv6", () => {
    fc.assert(fc.property(address6, address6, (source, destination) => {
      expect(headerOf(proxyV1(source, destination))).toEqual({
        version: 1,
        command: "proxy",
        source,
        destination,
      });
    }));
  });

  test("version 1 of any two hosts is a header of at most 107 octets", () => {
    const host = fc.oneof(host4, host6, fc.ipV6(), fc.string());
    fc.assert(
      fc.property(host, host, (from, to) => {
        const bytes = proxyV1({ host: from, port: 65535 }, { host: to, port: 65535 });
        expect(bytes.length).toBeLessThanOrEqual(107);
        expect(["proxy", "unknown"]).toContain(headerOf(bytes).command);
      }),
      { numRuns: 500 },
    );
  });

  test("version 2 with all that it can tell", () => {
    fc.assert(
      fc.property(written2, ({ ends, facts, crc32c }) => {
        const bytes = proxyV2({ ...ends, ...facts, crc32c });
        expect(headerOf(bytes)).toEqual({ version: 2, command: "proxy", ...ends, ...facts });
      }),
      { numRuns: 1000 },
    );
  });

  test("a connection of one's own", () => {
    expect(headerOf(proxyLocal(1))).toEqual({ version: 1, command: "unknown" });
    expect(headerOf(proxyLocal(2))).toEqual({ version: 2, command: "local" });
  });
});
