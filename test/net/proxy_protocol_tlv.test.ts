/** The vectors of PROXY protocol version 2: proxy-protocol.txt §2.2.1 to §2.2.8. */
import { describe, expect, test } from "bun:test";
import { type ProxyFacts, type ProxyHeader, type ProxyTls, proxyV2 } from "../../src/net/proxy_protocol.ts";
import { faultOf, headerOf, IPV4, IPV6, octets, tlv, v2 } from "../support/proxy_header.ts";

const ENDS = { source: { host: "192.0.2.1", port: 56324 }, destination: { host: "198.51.100.2", port: 25 } };

/** A header of IPv4 with vectors behind the addresses. */
function withTlvs(...vectors: readonly Uint8Array[]): Uint8Array {
  return v2(0x21, 0x11, octets(IPV4, ...vectors));
}

/** What a header tells besides the addresses. */
function facts(...vectors: readonly Uint8Array[]): Omit<ProxyHeader, "version" | "command"> {
  const { version, command, ...more } = headerOf(withTlvs(...vectors));
  expect({ version, command }).toEqual({ version: 2, command: "proxy" });
  expect(more).toMatchObject(ENDS);
  const { source: _source, destination: _destination, ...told } = more as ProxyFacts & typeof ENDS;
  return told;
}

function fault(...vectors: readonly Uint8Array[]): string {
  return faultOf(withTlvs(...vectors));
}

/** The vector of TLS: the client's bits, the result of the verification, the second level. */
function tls(bits: number, verify: number, ...vectors: readonly Uint8Array[]): Uint8Array {
  return tlv(
    0x20,
    octets(bits, verify >>> 24, verify >> 16 & 255, verify >> 8 & 255, verify & 255, ...vectors),
  );
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** 192.0.2.1 to 198.51.100.2 and only a checksum, computed by other means. */
const SUMMED = v2(0x21, 0x11, octets(IPV4, tlv(3, octets(0x7f, 0xab, 0x4a, 0xb2))));

describe("told is", () => {
  test("nothing without vectors", () => expect(facts()).toEqual({}));
  test("the protocol of ALPN", () => expect(facts(tlv(1, "h2"))).toEqual({ alpn: "h2" }));
  test("any octets of ALPN", () => expect(facts(tlv(1, "\0\xff"))).toEqual({ alpn: "\0\xff" }));
  test("the host name", () => expect(facts(tlv(2, "mx.example"))).toEqual({ authority: "mx.example" }));
  test("a host name in UTF-8", () => {
    expect(facts(tlv(2, utf8("bücher.example")))).toEqual({ authority: "bücher.example" });
  });
  test("a host name of 255 octets", () => {
    expect(facts(tlv(2, "a".repeat(255)))).toEqual({ authority: "a".repeat(255) });
  });
  test("the unique id of up to 128 octets", () => {
    for (const length of [0, 1, 128]) {
      const uniqueId = new Uint8Array(length).fill(0xff);
      expect(facts(tlv(5, uniqueId))).toEqual({ uniqueId });
    }
  });
  test("the network namespace", () => expect(facts(tlv(0x30, "blue"))).toEqual({ namespace: "blue" }));
  test("nothing by padding, however often", () => {
    expect(facts(tlv(4, ""), tlv(4, "\0\0\0"), tlv(2, "a"), tlv(4, "x"))).toEqual({ authority: "a" });
  });
  test("each type that is not known, as it is and in its order", () => {
    const other = [0xe0, 0x06, 0xef, 0xf0, 0xff, 0x00, 0x21, 0xe0].map((type, at) => ({
      type,
      value: octets("x".repeat(at)),
    }));
    expect(facts(...other.map(({ type, value }) => tlv(type, value)))).toEqual({ other });
  });
  test("what stands behind IPv6 addresses and behind a Unix socket's", () => {
    expect(headerOf(v2(0x21, 0x21, octets(IPV6, tlv(2, "a"))))).toMatchObject({ authority: "a" });
    expect(headerOf(v2(0x21, 0x31, octets(new Uint8Array(216), tlv(2, "a"))))).toMatchObject({
      authority: "a",
    });
  });
});

describe("the checksum", () => {
  test("that another program computed is taken", () => {
    expect(headerOf(SUMMED)).toEqual({ version: 2, command: "proxy", ...ENDS });
  });
  test("is written as another program does", () =>
    expect(proxyV2({ ...ENDS, crc32c: true })).toEqual(SUMMED));
  test("covers every bit of the header", () => {
    for (let at = 16; at < SUMMED.length; at++) {
      for (let bit = 1; bit < 256; bit <<= 1) {
        const changed = SUMMED.slice();
        changed[at]! ^= bit;
        // Where the bit makes another type or length of the vector, there is no checksum, or the length lies.
        if (at >= 28 && at < 31) continue;
        expect(faultOf(changed)).toBe("the checksum is wrong; allowed is the CRC32c of the header");
      }
    }
  });
  test("may stand before others", () => {
    expect(facts(tlv(3, octets(0xf4, 0x05, 0xbe, 0x60)), tlv(2, "a"))).toEqual({ authority: "a" });
  });
  test("covers the addresses where other vectors stand before it", () => {
    const facts = { authority: "mx.example", uniqueId: octets("id") };
    const written = proxyV2({ ...ENDS, ...facts, crc32c: true });
    expect(headerOf(written)).toMatchObject(facts);
    expect(faultOf(octets(written.slice(0, 16), IPV6.slice(0, 12), written.slice(28)))).toContain("checksum");
  });
  test.each([0, 3, 5, 8])("has 4 octets, not %p", (length) => {
    expect(fault(tlv(3, "\0".repeat(length)))).toBe("bad length of the TLV 03; allowed is 4 octets");
  });
  test("is not needed", () => expect(facts(tlv(4, "no checksum"))).toEqual({}));
});

describe("TLS", () => {
  const read = (...parts: Parameters<typeof tls>) => (facts(tls(...parts)) as ProxyFacts).tls;

  test("tells all that the protocol has for it", () => {
    const vectors = [
      tlv(0x21, "TLSv1.3"),
      tlv(0x22, utf8("Jörg")),
      tlv(0x23, "ECDHE-RSA-AES128-GCM-SHA256"),
      tlv(0x24, "RSA-SHA256"),
      tlv(0x25, "RSA2048"),
      tlv(0x26, "secp256r1"),
      tlv(0x27, "rsa_pss_rsae_sha256"),
      tlv(0x28, "\x30\x82\0\xff"),
      tlv(0x29, "new"),
    ];
    const told: ProxyTls = {
      version: "TLSv1.3",
      cipher: "ECDHE-RSA-AES128-GCM-SHA256",
      signatureAlgorithm: "RSA-SHA256",
      keyAlgorithm: "RSA2048",
      group: "secp256r1",
      signatureScheme: "rsa_pss_rsae_sha256",
      certificate: { verifyError: 0, fresh: true, commonName: "Jörg", der: octets("\x30\x82\0\xff") },
      other: [{ type: 0x29, value: octets("new") }],
    };
    expect(read(7, 0, ...vectors)).toEqual(told);
    expect(read(7, 0, ...vectors.toReversed())).toEqual(told);
  });

  test("is none where the bit for it is not set: HAProxy says so of plain connections", () => {
    expect(facts(tls(0, 0))).toEqual({});
    expect(facts(tls(6, 0, tlv(0x21, "TLSv1.3"), tlv(0x22, "a")))).toEqual({});
  });

  test("is known even where nothing of it is", () => expect(read(1, 0)).toEqual({}));

  test("has no certificate where no bit says so, whatever the verification came to", () => {
    expect(read(1, 0, tlv(0x22, "a"), tlv(0x28, "b"))).toEqual({});
    expect(read(0xf9, 0)).toEqual({});
  });

  test.each([
    [2, 0, { verifyError: 0, fresh: true }],
    [4, 0, { verifyError: 0, fresh: false }],
    [6, 0, { verifyError: 0, fresh: true }],
    [6, 18, { verifyError: 18, fresh: true }],
    [4, 0xffffffff, { verifyError: 0xffffffff, fresh: false }],
  ])("with the bits %p and the verification %p has a certificate", (bits, verify, certificate) => {
    expect(read(1 | bits, verify)).toEqual({ certificate });
  });

  test.each([
    ["a NUL", "a.example\0.b.example", "a.example\0.b.example"],
    ["Latin-1", "M\xfcller", "M\ufffdller"],
    ["a byte order mark", "\xef\xbb\xbfa", "\ufeffa"],
    ["nothing", "", ""],
  ])("has a common name with %s as it comes: clients choose it", (_, given, commonName) => {
    expect(read(7, 0, tlv(0x22, given))).toMatchObject({ certificate: { commonName } });
  });
});

describe("refused is", () => {
  const BEHIND = "a TLV goes on behind the header; allowed is to end in it";
  const BEHIND_TLS = "a TLV goes on behind the TLV of TLS; allowed is to end in it";
  const TEXT = "allowed is printable ASCII";
  const HOST = "bad text in the TLV 02; allowed is UTF-8 without control characters, 255 octets at most";

  test.each([
    ["a type alone", octets(4)],
    ["a type and half a length", octets(4, 0)],
    ["half a head behind a whole vector", octets(tlv(4, "x"), 0, 0)],
    ["a value of one octet more", tlv(4, "xyz", 4)],
    ["a value of 65535", tlv(4, "xyz", 65535)],
    ["an unknown type of one octet more", tlv(0xe0, "xyz", 4)],
    ["a last vector of one octet more", octets(tlv(2, "a"), tlv(5, "id", 3))],
    ["a checksum of one octet more", tlv(3, "\0\0\0", 4)],
  ])("%s: it goes on behind the header", (_, vectors) => {
    expect(fault(vectors)).toBe(BEHIND);
    // What comes behind the header is the client's, and not looked at.
    expect(faultOf(octets(withTlvs(vectors), "EHLO a\r\n"))).toBe(BEHIND);
  });

  test.each([
    ["a type alone", octets(0x21)],
    ["half a head", octets(0x21, 0)],
    ["a value of one octet more", tlv(0x21, "TLSv1.3", 8)],
    ["an unknown type of one octet more", tlv(0x40, "x", 2)],
    ["a second vector of one octet more", octets(tlv(0x21, "TLSv1.3"), tlv(0x22, "a", 2))],
  ])("in TLS, %s: it goes on behind TLS, even where the header goes on", (_, vectors) => {
    expect(fault(tls(1, 0, vectors))).toBe(BEHIND_TLS);
    expect(fault(tls(1, 0, vectors), tlv(4, "more header"))).toBe(BEHIND_TLS);
    expect(fault(tls(0, 0, vectors))).toBe(BEHIND_TLS);
  });

  test("TLS of less than 5 octets", () => {
    for (let length = 0; length < 5; length++) {
      expect(fault(tlv(0x20, "\x01".repeat(length)))).toBe(
        "bad length of the TLV 20; allowed is 5 octets at least",
      );
    }
  });

  test("a unique id of 129 octets", () => {
    expect(fault(tlv(5, "x".repeat(129)))).toBe("bad length of the TLV 05; allowed is 128 octets at most");
  });

  test.each([
    ["256 octets", "a".repeat(256)],
    ["a NUL", "a\0b"],
    ["CR and LF", "a\r\nb"],
    ["DEL", "a\x7f"],
    ["a control character in UTF-8", "a\xc2\x85"],
    ["Latin-1", "b\xfccher"],
    ["an overlong slash", "\xc0\xaf"],
    ["half a surrogate", "\xed\xa0\x80"],
    ["a cut sequence", "a\xe2\x82"],
  ])("a host name with %s", (_, value) => expect(fault(tlv(2, value))).toBe(HOST));

  test.each([0x21, 0x23, 0x24, 0x25, 0x26, 0x27])("no printable ASCII in the type %p of TLS", (type) => {
    for (const text of ["TLS\n", "\0", "\x7f", "\x80", "Größe"]) {
      expect(fault(tls(1, 0, tlv(type, text)))).toBe(`bad text in the TLV ${type.toString(16)}; ${TEXT}`);
    }
  });

  test("no printable ASCII in a namespace", () => {
    expect(fault(tlv(0x30, "a\nb"))).toBe(`bad text in the TLV 30; ${TEXT}`);
  });

  test.each([1, 2, 3, 5, 0x20, 0x30])("the type %p twice", (type) => {
    const value = type === 3 ? "\0\0\0\0" : type === 0x20 ? "\x01\0\0\0\0" : "a";
    const name = type.toString(16).toUpperCase().padStart(2, "0");
    expect(fault(tlv(type, value), tlv(type, value))).toBe(`the TLV ${name} is there twice; allowed is once`);
  });

  test.each([0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28])("the type %p of TLS twice", (type) => {
    expect(fault(tls(7, 0, tlv(type, "a"), tlv(type, "a"))))
      .toBe(`the TLV ${type.toString(16)} is there twice; allowed is once`);
  });
});

describe("written is", () => {
  test("all that can be read", () => {
    const given: ProxyFacts = {
      alpn: "h2",
      authority: "bücher.example",
      uniqueId: octets("\0id"),
      tls: {
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384",
        certificate: { verifyError: 0, fresh: true, commonName: "Jörg", der: octets("der") },
        other: [{ type: 0x29, value: octets("x") }],
      },
      namespace: "blue",
      other: [{ type: 0xe0, value: octets("y") }],
    };
    const vectors = [
      tlv(1, "h2"),
      tlv(2, utf8("bücher.example")),
      tlv(5, "\0id"),
      tls(
        7,
        0,
        tlv(0x21, "TLSv1.3"),
        tlv(0x23, "TLS_AES_256_GCM_SHA384"),
        tlv(0x22, utf8("Jörg")),
        tlv(0x28, "der"),
        tlv(0x29, "x"),
      ),
      tlv(0x30, "blue"),
      tlv(0xe0, "y"),
    ];
    expect(proxyV2({ ...ENDS, ...given })).toEqual(withTlvs(...vectors));
    expect(facts(...vectors)).toEqual(given as object);
  });

  test("what is as long as allowed", () => {
    const longest: ProxyFacts = { uniqueId: new Uint8Array(128), authority: "a".repeat(255) };
    expect(headerOf(proxyV2({ ...ENDS, ...longest }))).toMatchObject(longest);
    const value = new Uint8Array(65535 - 12 - 3);
    expect(proxyV2({ ...ENDS, other: [{ type: 0xe0, value }] }).length).toBe(16 + 65535);
  });

  test("no verified certificate where there was none", () => {
    expect(proxyV2({ ...ENDS, tls: { version: "TLSv1.2" } })).toEqual(
      withTlvs(tls(1, 1, tlv(0x21, "TLSv1.2"))),
    );
  });

  test("a certificate of an earlier connection, and one that was not verified", () => {
    const written = (verifyError: number, fresh: boolean) =>
      proxyV2({ ...ENDS, tls: { certificate: { verifyError, fresh } } });
    expect(written(0, false)).toEqual(withTlvs(tls(5, 0)));
    expect(written(18, true)).toEqual(withTlvs(tls(7, 18)));
  });

  const cases: readonly (readonly [what: string, facts: ProxyFacts, why: string])[] = [
    [
      "a unique id of 129 octets",
      { uniqueId: new Uint8Array(129) },
      "a unique id of 129 octets was given; allowed is 128",
    ],
    [
      "a long host name",
      { authority: "ä".repeat(128) },
      "a host name of 256 octets was given; allowed is 255",
    ],
    [
      "a host name with CRLF",
      { authority: "a\r\nb" },
      '"a\\r\\nb" was given; allowed is a host name without control characters',
    ],
    ["a version with LF", { tls: { version: "a\n" } }, '"a\\n" was given; allowed is printable ASCII'],
    ["a wide namespace", { namespace: "€" }, '"€" was given; allowed is printable ASCII'],
    [
      "a wide ALPN",
      { alpn: "€" },
      "a text of wider characters was given; allowed is one character per octet",
    ],
    [
      "a known type as another",
      { other: [{ type: 3, value: octets("") }] },
      "type 3 as another TLV was given; allowed is 0 to 255 but 01, 02, 03, 04, 05, 20, 30 (hex)",
    ],
    ["a type of 256", { other: [{ type: 256, value: octets("") }] }, "type 256 as another TLV was given"],
    [
      "a known type in TLS as another",
      { tls: { other: [{ type: 0x22, value: octets("") }] } },
      "type 34 as another TLV was given",
    ],
    [
      "too many octets",
      { other: [{ type: 0xe0, value: new Uint8Array(65535 - 12 - 2) }] },
      "65536 octets behind its head was given; allowed is 65535",
    ],
    [
      "a value whose length would be cut",
      { other: [{ type: 0xe0, value: new Uint8Array(65536 + 5) }] },
      "65556 octets behind its head was given; allowed is 65535",
    ],
    [
      "a certificate that is too long",
      { tls: { certificate: { verifyError: 0, fresh: true, der: new Uint8Array(65536) } } },
      "65559 octets behind its head was given; allowed is 65535",
    ],
  ];
  for (const [what, facts, why] of cases) {
    test(`not ${what}`, () => {
      expect(() => proxyV2({ ...ENDS, ...facts })).toThrow(`Cannot write a PROXY header: ${why}`);
    });
  }
});
