/** PROXY protocol, version 1: proxy-protocol.txt §2.1. */
import { describe, expect, test } from "bun:test";
import { proxyLocal, proxyV1 } from "../../src/net/proxy_protocol.ts";
import { faultOf, headerOf, octets, readWhole } from "../support/proxy_header.ts";

const LINE = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n";

function line(text: string): string {
  return faultOf(octets(`${text}\r\n`));
}

const FIELDS =
  "wrong fields; allowed is PROXY, TCP4 or TCP6, two addresses and two ports, each after exactly one space, or PROXY UNKNOWN";
const START = 'this is no PROXY header; allowed is "PROXY " (version 1) or the signature of version 2';
const BARE = "a CR or LF stands alone; allowed is CRLF at the end of the line";
const LONG = "no CRLF within 107 octets; allowed is a line of at most 107 octets";
const IPV4 = "an IPv4 address, four numbers from 0 to 255 without leading zeros";
const IPV6 = "an IPv6 address without a zone";
const PORT = "0 to 65535 without leading zeros";

describe("a line is read", () => {
  test("the example of the protocol, with the client's own octets behind it", () => {
    const request = "GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n";
    expect(readWhole(octets(`PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n${request}`))).toEqual({
      header: {
        version: 1,
        command: "proxy",
        source: { host: "192.168.0.1", port: 56324 },
        destination: { host: "192.168.0.11", port: 443 },
      },
      rest: request,
    });
  });

  const full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const cases:
    readonly (readonly [text: string, from: string, fromPort: number, to: string, toPort: number])[] = [
      [
        "TCP4 255.255.255.255 255.255.255.255 65535 65535",
        "255.255.255.255",
        65535,
        "255.255.255.255",
        65535,
      ],
      ["TCP4 0.0.0.0 0.0.0.0 0 0", "0.0.0.0", 0, "0.0.0.0", 0],
      [`TCP6 ${full} ${full} 65535 65535`, full, 65535, full, 65535],
      ["TCP6 2001:DB8:0:0::A 2001:0db8::0001 1 25", "2001:db8::a", 1, "2001:db8::1", 25],
      ["TCP6 :: ::1 1 25", "::", 1, "::1", 25],
      ["TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 25", "192.0.2.1", 1, "198.51.100.2", 25],
      ["TCP6 ::FFFF:c000:201 2001:db8::1 1 25", "192.0.2.1", 1, "2001:db8::1", 25],
    ];
  for (const [text, from, fromPort, to, toPort] of cases) {
    test(text, () => {
      expect(headerOf(octets(`PROXY ${text}\r\n`))).toEqual({
        version: 1,
        command: "proxy",
        source: { host: from, port: fromPort },
        destination: { host: to, port: toPort },
      });
    });
  }

  test.each([
    "UNKNOWN",
    "UNKNOWN ",
    `UNKNOWN ${full} ${full} 65535 65535`,
    "UNKNOWN  two  spaces",
    "UNKNOWN \0\x01\x7f\xff",
    "UNKNOWN TCP4 192.0.2.1 198.51.100.2 1 25",
  ])("%j says nothing of the client, whatever follows", (text) => {
    expect(readWhole(octets(`PROXY ${text}\r\nEHLO a\r\n`))).toEqual({
      header: { version: 1, command: "unknown" },
      rest: "EHLO a\r\n",
    });
  });

  test("its rest begins right behind the CRLF, whatever it is", () => {
    for (const rest of ["", "\n", "\r\n", "PROXY ", "\x16\x03\x01\0", LINE]) {
      expect(readWhole(octets(LINE + rest))).toMatchObject({ rest });
    }
  });

  test("every shorter beginning waits for more", () => {
    for (let end = 0; end < LINE.length; end++) expect(readWhole(octets(LINE.slice(0, end)))).toBe("more");
  });
});

describe("a line is refused:", () => {
  test.each([
    ["two spaces after PROXY", "PROXY  TCP4 192.0.2.1 198.51.100.2 1 25", FIELDS],
    ["two spaces between fields", "PROXY TCP4 192.0.2.1  198.51.100.2 1 25", FIELDS],
    ["a space at the end", "PROXY TCP4 192.0.2.1 198.51.100.2 1 25 ", FIELDS],
    ["a tab", "PROXY TCP4\t192.0.2.1 198.51.100.2 1 25", FIELDS],
    ["a field too many", "PROXY TCP4 192.0.2.1 198.51.100.2 1 25 9", FIELDS],
    ["no destination port", "PROXY TCP4 192.0.2.1 198.51.100.2 1", FIELDS],
    ["no fields", "PROXY TCP4", FIELDS],
    ["nothing after PROXY", "PROXY ", FIELDS],
    ["small letters", "PROXY tcp4 192.0.2.1 198.51.100.2 1 25", FIELDS],
    ["UDP", "PROXY UDP4 192.0.2.1 198.51.100.2 1 25", FIELDS],
    ["another family", "PROXY TCP5 192.0.2.1 198.51.100.2 1 25", FIELDS],
    ["UNKNOWN in small letters", "PROXY unknown", FIELDS],
    ["UNKNOWN with a tail", "PROXY UNKNOWNS", FIELDS],
    [
      "a NUL in a field",
      "PROXY TCP4 192.0.2.1\0 198.51.100.2 1 25",
      `bad source address; allowed is ${IPV4}`,
    ],
    ["a leading zero", "PROXY TCP4 192.0.02.1 198.51.100.2 1 25", `bad source address; allowed is ${IPV4}`],
    [
      "a number above 255",
      "PROXY TCP4 192.0.2.1 198.51.100.256 1 25",
      `bad destination address; allowed is ${IPV4}`,
    ],
    ["three numbers", "PROXY TCP4 192.0.2 198.51.100.2 1 25", `bad source address; allowed is ${IPV4}`],
    ["IPv6 as TCP4", "PROXY TCP4 2001:db8::1 198.51.100.2 1 25", `bad source address; allowed is ${IPV4}`],
    [
      "mapped IPv6 as TCP4",
      "PROXY TCP4 ::ffff:1.2.3.4 1.2.3.4 1 25",
      `bad source address; allowed is ${IPV4}`,
    ],
    [
      "IPv4 as TCP6",
      "PROXY TCP6 2001:db8::1 198.51.100.2 1 25",
      `bad destination address; allowed is ${IPV6}`,
    ],
    ["a name", "PROXY TCP4 localhost 198.51.100.2 1 25", `bad source address; allowed is ${IPV4}`],
    ["a zone", "PROXY TCP6 fe80::1%eth0 2001:db8::1 1 25", `bad source address; allowed is ${IPV6}`],
    ["brackets", "PROXY TCP6 [2001:db8::1] 2001:db8::1 1 25", `bad source address; allowed is ${IPV6}`],
    ["seven groups", "PROXY TCP6 1:2:3:4:5:6:7 2001:db8::1 1 25", `bad source address; allowed is ${IPV6}`],
    ["two gaps", "PROXY TCP6 1::2::3 2001:db8::1 1 25", `bad source address; allowed is ${IPV6}`],
    ["five digits", "PROXY TCP6 2001:db8::12345 2001:db8::1 1 25", `bad source address; allowed is ${IPV6}`],
    ["a port too high", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 25", `bad source port; allowed is ${PORT}`],
    [
      "a port with a zero",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 025",
      `bad destination port; allowed is ${PORT}`,
    ],
    ["a port with a sign", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 25", `bad source port; allowed is ${PORT}`],
    ["a negative port", "PROXY TCP4 192.0.2.1 198.51.100.2 -1 25", `bad source port; allowed is ${PORT}`],
    ["a port in hex", "PROXY TCP4 192.0.2.1 198.51.100.2 0x19 25", `bad source port; allowed is ${PORT}`],
    [
      "a service's name",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 smtp",
      `bad destination port; allowed is ${PORT}`,
    ],
    [
      "a port of 17 digits",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 18446744073709576",
      `bad destination port; allowed is ${PORT}`,
    ],
  ])("%s", (_, text, fault) => {
    expect(line(text)).toBe(fault);
  });

  test.each([
    ["LF alone", `${LINE.slice(0, -2)}\n`],
    ["LF alone, with CRLF later", `${LINE.slice(0, -2)}\nEHLO a\r\n`],
    ["CR alone", `${LINE.slice(0, -2)}\r`.padEnd(60)],
    ["two CR", `${LINE.slice(0, -2)}\r\r\n`],
    ["CR in the line", "PROXY TCP4 192.0.2.1\r 198.51.100.2 1 25\r\n"],
    ["LF in what UNKNOWN lets pass", "PROXY UNKNOWN\nEHLO a\r\n"],
    ["CR in what UNKNOWN lets pass", "PROXY UNKNOWN a\rb\r\n"],
    ["LF after PROXY", "PROXY \n"],
  ])("%s", (_, text) => {
    expect(faultOf(octets(text))).toBe(BARE);
  });

  test("of 108 octets; 107 are read", () => {
    const longest = `PROXY UNKNOWN ${"f".repeat(91)}\r\n`;
    expect(longest.length).toBe(107);
    expect(headerOf(octets(longest))).toEqual({ version: 1, command: "unknown" });
    expect(faultOf(octets(longest.replace("f", "ff")))).toBe(LONG);
    expect(faultOf(octets("PROXY ".padEnd(106, "f"), "\r\n"))).toBe(LONG);
  });

  test("as soon as no CRLF can come in time any more", () => {
    expect(readWhole(octets("PROXY ".padEnd(105, "f")))).toBe("more");
    expect(faultOf(octets("PROXY ".padEnd(106, "f")))).toBe(LONG);
    expect(faultOf(octets("PROXY ".padEnd(100_000, "f")))).toBe(LONG);
  });
});

describe("what is no header is refused at its first wrong octet:", () => {
  test.each([
    ["a greeting", "E"],
    ["a TLS handshake", "\x16"],
    ["HTTP", "G"],
    ["a small letter", "p"],
    ["a space", " "],
    ["a NUL", "\0"],
    ["LF", "\n"],
    ["another word with P", "PU"],
    ["another word with PROX", "PROXI"],
    ["no space after PROXY", "PROXYT"],
    ["CRLF after PROXY", "PROXY\r"],
    ["a tab after PROXY", "PROXY\t"],
  ])("%s", (_, text) => {
    expect(readWhole(octets(text.slice(0, -1)))).toBe("more");
    expect(faultOf(octets(text))).toBe(START);
  });
});

describe("a line is written", () => {
  const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);
  test.each([
    ["192.0.2.1", "198.51.100.2", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"],
    ["2001:DB8:0::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n"],
    ["fe80::1%eth0", "2001:db8::2", "PROXY TCP6 fe80::1 2001:db8::2 56324 25\r\n"],
    ["::ffff:192.0.2.1", "198.51.100.2", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"],
    ["::ffff:c000:201", "::ffff:198.51.100.2", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"],
    ["192.0.2.1", "2001:db8::2", "PROXY UNKNOWN\r\n"],
    ["2001:db8::1", "198.51.100.2", "PROXY UNKNOWN\r\n"],
    ["/run/smtp.sock", "198.51.100.2", "PROXY UNKNOWN\r\n"],
    ["192.0.2.1", "", "PROXY UNKNOWN\r\n"],
    ["mx.example", "mx.example", "PROXY UNKNOWN\r\n"],
    ["192.0.2.1 198.51.100.9", "198.51.100.2", "PROXY UNKNOWN\r\n"],
    ["192.0.2.1\r\n", "198.51.100.2", "PROXY UNKNOWN\r\n"],
  ])("from %j to %j", (from, to, written) => {
    expect(text(proxyV1({ host: from, port: 56324 }, { host: to, port: 25 }))).toBe(written);
  });

  test("for a connection of one's own", () => expect(text(proxyLocal(1))).toBe("PROXY UNKNOWN\r\n"));

  test.each([65536, -1, 1.5, NaN])("not with the port %p", (port) => {
    expect(() => proxyV1({ host: "192.0.2.1", port }, { host: "192.0.2.2", port: 25 }))
      .toThrow(`Cannot write a PROXY header: port ${port} was given; allowed is 0 to 65535`);
  });
});
