/**
 * What an auth service is asked: nginx's fields, in its order, with its escapes, and nothing that anybody can add.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Asked, type Login, REQUEST_FIELDS, requestFields } from "../../plugins/auth_http/request.ts";

const NONE: Login = {
  method: "none",
  helo: "client.example",
  from: "MAIL FROM:<a@b.example> SIZE=418",
  to: "RCPT TO:<x@y.example> ORCPT=rfc822;x@y.example",
};

function asked(more: Partial<Asked> = {}): Asked {
  return { login: NONE, attempt: 1, client: "192.0.2.1", clientName: { name: "mail.b.example" }, ...more };
}

const fieldsOf = (more: Partial<Asked>) => new Map(requestFields(asked(more)));

describe("all fields in nginx's order:", () => {
  const rows: readonly (readonly [string, Partial<Asked>, string])[] = [
    [
      "none",
      {},
      `Auth-Method: none
      Auth-User: ⸱
      Auth-Pass: ⸱
      Auth-Protocol: smtp
      Auth-Login-Attempt: 1
      Client-IP: 192.0.2.1
      Client-Host: mail.b.example
      Auth-SMTP-Helo: client.example
      Auth-SMTP-From: MAIL FROM:<a@b.example> SIZE=418
      Auth-SMTP-To: RCPT TO:<x@y.example> ORCPT=rfc822;x@y.example`,
    ],
    [
      "plain, over TLS, with a certificate",
      {
        login: { method: "plain", user: "joe smith", password: "50% off\0" },
        attempt: 3,
        client: "2001:db8::1",
        clientName: "none",
        tls: {
          protocol: "TLSv1.3",
          cipher: "TLS_AES_256_GCM_SHA384",
          certificate: {
            verify: "SUCCESS",
            subject: "CN=joe,O=Example",
            issuer: "CN=CA",
            serial: "0A",
            fingerprint: "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            pem: "-----BEGIN CERTIFICATE-----\nAB==\n",
          },
        },
      },
      `Auth-Method: plain
      Auth-User: joe%20smith
      Auth-Pass: 50%25%20off%00
      Auth-Protocol: smtp
      Auth-Login-Attempt: 3
      Client-IP: 2001:db8::1
      Client-Host: [UNAVAILABLE]
      Auth-SSL: on
      Auth-SSL-Protocol: TLSv1.3
      Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384
      Auth-SSL-Verify: SUCCESS
      Auth-SSL-Subject: CN=joe,O=Example
      Auth-SSL-Issuer: CN=CA
      Auth-SSL-Serial: 0A
      Auth-SSL-Fingerprint: da39a3ee5e6b4b0d3255bfef95601890afd80709
      Auth-SSL-Cert: -----BEGIN%20CERTIFICATE-----%0AAB==%0A`,
    ],
    [
      "cram-md5, behind a PROXY header",
      {
        login: {
          method: "cram-md5",
          user: "joe",
          salt: "<1.2@mx.example>",
          digest: "9e95aa88a1a65c7a0a4f4a4e2f8d8f5a",
        },
        clientName: "unknown for now",
        proxied: { client: { host: "192.0.2.1", port: 4711 }, server: { host: "198.51.100.1", port: 25 } },
      },
      `Auth-Method: cram-md5
      Auth-User: joe
      Auth-Pass: 9e95aa88a1a65c7a0a4f4a4e2f8d8f5a
      Auth-Salt: <1.2@mx.example>
      Auth-Protocol: smtp
      Auth-Login-Attempt: 1
      Client-IP: 192.0.2.1
      Client-Host: [TEMPUNAVAIL]
      Proxy-Protocol-Addr: 192.0.2.1
      Proxy-Protocol-Port: 4711
      Proxy-Protocol-Server-Addr: 198.51.100.1
      Proxy-Protocol-Server-Port: 25`,
    ],
    [
      "external",
      { login: { method: "external", user: "joe@example.org" } },
      `Auth-Method: external
      Auth-User: joe@example.org
      Auth-Pass: ⸱
      Auth-Protocol: smtp
      Auth-Login-Attempt: 1
      Client-IP: 192.0.2.1
      Client-Host: mail.b.example`,
    ],
  ];
  for (const [name, more, text] of rows) {
    test(name, () => {
      const lines = requestFields(asked(more)).map(([field, value]) => `${field}: ${value}`);
      expect(lines).toEqual(text.split("\n").map((line) => line.trim().replace("⸱", "")));
    });
  }
});

test("a certificate's empty fields are left out, and the certificate itself unless it is given", () => {
  const tls = { protocol: "TLSv1.2", cipher: "X", certificate: { verify: "NONE", subject: "", issuer: "" } };
  const names = requestFields(asked({ tls })).map(([name]) => name);
  expect(names.filter((name) => name.startsWith("Auth-SSL"))).toEqual([
    "Auth-SSL",
    "Auth-SSL-Protocol",
    "Auth-SSL-Cipher",
    "Auth-SSL-Verify",
  ]);
});

test("the operator's fields come last, as they are", () => {
  expect(requestFields(asked(), [["X-Key", "50% off"]]).at(-1)).toEqual(["X-Key", "50% off"]);
});

test("user and password are escaped where nginx escapes, and nowhere else", () => {
  for (let code = 0; code < 256; code++) {
    const octet = String.fromCharCode(code);
    const hex = `%${code.toString(16).toUpperCase().padStart(2, "0")}`;
    const value = fieldsOf({ login: { method: "plain", user: octet, password: octet } }).get("Auth-Pass");
    // DEL is nginx's to send and no web client's.
    expect(value).toBe(code <= 0x20 || octet === "%" || code === 0x7f ? hex : octet);
  }
});

describe("a client's name is told only if it is one:", () => {
  const rows = [
    ["mail.b.example", "mail.b.example"],
    ["_dmarc-1.b.example", "_dmarc-1.b.example"],
    ["a b", "[UNAVAILABLE]"],
    ["a\r\nAuth-User: root", "[UNAVAILABLE]"],
    ["a\0b", "[UNAVAILABLE]"],
    ["[192.0.2.9]", "[UNAVAILABLE]"],
    ["bücher.example", "[UNAVAILABLE]"],
    ["", "[UNAVAILABLE]"],
    ["a".repeat(256), "[UNAVAILABLE]"],
  ] as const;
  for (const [name, told] of rows) {
    test(JSON.stringify(name.slice(0, 30)), () => {
      expect(fieldsOf({ clientName: { name } }).get("Client-Host")).toBe(told);
    });
  }
});

const text = fc.string({ unit: "binary", maxLength: 60 }).map((given) => `${given}\r\nX-Evil: 1\0\n`);
const logins: fc.Arbitrary<Login> = fc.oneof(
  fc.record({ method: fc.constant("none" as const), user: text, helo: text, from: text, to: text }),
  fc.record({ method: fc.constant("plain" as const), user: text, password: text }),
  fc.record({ method: fc.constant("cram-md5" as const), user: text, salt: text, digest: text }),
  fc.record({ method: fc.constant("external" as const), user: text }),
);
const certificates = fc.record({
  verify: text,
  subject: text,
  issuer: text,
  serial: text,
  fingerprint: text,
  pem: text,
});

test("nothing that anybody says ends a field, or brings one more", () => {
  fc.assert(fc.property(logins, text, certificates, (login, name, certificate) => {
    const tls = { protocol: name, cipher: name, certificate };
    const fields = requestFields(asked({ login, clientName: { name }, tls, client: name }));
    for (const [field, value] of fields) {
      expect(REQUEST_FIELDS).toContain(field);
      expect(value).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/);
    }
    // Whatever a runtime's own check lets pass must not depend on it.
    expect(() => new Headers(fields as [string, string][])).not.toThrow();
  }));
});

test("what is no byte goes as UTF-8, and bytes go as they are", () => {
  const tls = { protocol: "TLSv1.3", cipher: "X", certificate: { verify: "SUCCESS", subject: "CN=Žofie" } };
  expect(fieldsOf({ tls }).get("Auth-SSL-Subject")).toBe("CN=\xc5\xbdofie");
  const login: Login = { ...NONE, method: "none", from: "MAIL FROM:<\xc3\xbc@b.example> SMTPUTF8" } as Login;
  expect(fieldsOf({ login }).get("Auth-SMTP-From")).toBe("MAIL FROM:<\xc3\xbc@b.example> SMTPUTF8");
});
