/** The trace field: RFC 5321 §4.4, RFC 5322 §3.6.7, `with` keywords of RFC 3848 and RFC 6531 §3.7.3. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dateTime, type Hop, receivedField } from "../../src/mail/trace.ts";

const HOP: Hop = {
  helo: "client.example",
  client: "203.0.113.7",
  hostname: "mx.example",
  extended: true,
  tls: undefined,
  authenticated: false,
  utf8: false,
  id: "7Q2M000000-1",
  recipient: "b@mx.example",
  time: Date.UTC(2026, 0, 2, 3, 4, 5),
};
const TLS = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };

function field(hop: Partial<Hop> = {}): string {
  return receivedField({ ...HOP, ...hop });
}

test("it tells whence, by whom, how, for whom and when", () => {
  expect(field()).toBe(
    "Received: from client.example ([203.0.113.7])\r\n" +
      "\tby mx.example (Sallyport) with ESMTP id 7Q2M000000-1\r\n" +
      "\tfor <b@mx.example>;\r\n" +
      "\tFri, 2 Jan 2026 03:04:05 +0000\r\n",
  );
});

test("several recipients are not told of each other", () => {
  expect(field({ recipient: undefined })).toBe(
    "Received: from client.example ([203.0.113.7])\r\n" +
      "\tby mx.example (Sallyport) with ESMTP id 7Q2M000000-1;\r\n" +
      "\tFri, 2 Jan 2026 03:04:05 +0000\r\n",
  );
});

test("TLS is told in a comment", () => {
  expect(field({ tls: TLS }).split("\r\n")[1]).toBe("\t(TLSv1.3 TLS_AES_128_GCM_SHA256)");
});

describe("the protocol's keyword", () => {
  const rows: readonly (readonly [Partial<Hop>, string])[] = [
    [{ extended: false }, "SMTP"],
    [{}, "ESMTP"],
    [{ tls: TLS }, "ESMTPS"],
    [{ authenticated: true }, "ESMTPA"],
    [{ tls: TLS, authenticated: true }, "ESMTPSA"],
    [{ utf8: true }, "UTF8SMTP"],
    [{ utf8: true, tls: TLS }, "UTF8SMTPS"],
    [{ utf8: true, authenticated: true }, "UTF8SMTPA"],
    [{ utf8: true, tls: TLS, authenticated: true }, "UTF8SMTPSA"],
  ];
  for (const [hop, keyword] of rows) {
    test(keyword, () => {
      expect(/ with (\S+) id /.exec(field(hop))?.[1]).toBe(keyword);
    });
  }
});

describe("the client's address", () => {
  const rows: readonly (readonly [client: string, from: string])[] = [
    ["192.0.2.1", "client.example ([192.0.2.1])"],
    ["2001:db8::1", "client.example ([IPv6:2001:db8::1])"],
    ["/run/sallyport.sock", "client.example"],
    ["", "client.example"],
  ];
  for (const [client, from] of rows) {
    test(JSON.stringify(client), () => {
      expect(field({ client }).split("\r\n")[0]).toBe(`Received: from ${from}`);
    });
  }
});

describe("a name that is none cannot be read as anything else", () => {
  const rows: readonly (readonly [helo: string, from: string])[] = [
    ["[192.0.2.1]", "[192.0.2.1]"],
    ["[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"],
    ["under_score", "under_score"],
    [
      "evil.example (mx.bank.example [192.0.2.9])",
      "invalid (HELO evil.example??mx.bank.example??192.0.2.9??)",
    ],
    ["a;b", "invalid (HELO a?b)"],
    ["a\r\nX-Spam: no", "invalid (HELO a??X-Spam:?no)"],
    ["(", "invalid (HELO ?)"],
    ["\\", "invalid (HELO ?)"],
    ["\xff\xfe", "invalid (HELO ??)"],
    ["", "invalid (HELO )"],
  ];
  for (const [helo, from] of rows) {
    test(JSON.stringify(helo), () => {
      expect(field({ helo }).split("\r\n")[0]).toBe(`Received: from ${from} ([203.0.113.7])`);
    });
  }
});

test("whatever a client says, it is one field of short lines in ASCII", () => {
  const any = fc.string({ unit: "binary", maxLength: 255 });
  fc.assert(fc.property(any, any, (helo, cipher) => {
    const whole = field({ helo, tls: { version: "TLSv1.2", cipher: cipher.slice(0, 60) } });
    expect(whole).toMatch(/^Received: [ -~]+(?:\r\n\t[ -~]+)+\r\n$/);
    for (const line of whole.split("\r\n")) expect(line.length).toBeLessThan(998);
  }));
});

describe("dates", () => {
  const rows: readonly (readonly [time: number, text: string])[] = [
    [0, "Thu, 1 Jan 1970 00:00:00 +0000"],
    [Date.UTC(2024, 1, 29, 23, 59, 59, 999), "Thu, 29 Feb 2024 23:59:59 +0000"],
    [Date.UTC(2026, 11, 31, 0, 0, 0), "Thu, 31 Dec 2026 00:00:00 +0000"],
    [Date.UTC(2026, 6, 5, 9, 8, 7), "Sun, 5 Jul 2026 09:08:07 +0000"],
  ];
  for (const [time, text] of rows) {
    test(text, () => {
      expect(dateTime(time)).toBe(text);
      expect(dateTime(time)).toBe(text);
    });
  }
  test("every second of a year reads back", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), (second) => {
      expect(Date.parse(dateTime(second * 1000 + 500))).toBe(second * 1000);
    }));
  });
});
