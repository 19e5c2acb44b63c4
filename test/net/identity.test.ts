/** What an operator is told of a certificate that will not work. */

import { describe, expect, test } from "bun:test";
import { checkIdentity, identityWarning } from "../../src/net/tls.ts";
import { serverTls } from "../../src/net/tls_server.ts";
import { makeIdentity } from "../support/certificate.ts";

const good = makeIdentity({ names: ["mx.example", "mail.example"] });
const other = makeIdentity();

describe("checkIdentity", () => {
  test("a certificate and its key are fine, also with a chain behind the certificate", () => {
    expect(checkIdentity(good)).toBe(undefined);
    expect(checkIdentity({ cert: `# mine\n${good.cert}${other.cert}`, key: good.key })).toBe(undefined);
  });

  test.each([
    [
      "no certificate at all",
      { cert: "", key: good.key },
      "Cannot read the certificate: no PEM block CERTIFICATE",
    ],
    [
      "a key where the certificate should be",
      { cert: good.key, key: good.key },
      "Cannot read the certificate: no PEM",
    ],
    [
      "a certificate cut off",
      { cert: good.cert.slice(0, 300), key: good.key },
      "Cannot read the certificate: no PEM",
    ],
    [
      "a damaged certificate",
      { cert: good.cert.replace("MII", "AAA"), key: good.key },
      "Cannot read the certificate: ",
    ],
    ["no key", { cert: good.cert, key: "" }, "Cannot read the private key: "],
    ["a key cut off", { cert: good.cert, key: good.key.slice(0, 100) }, "Cannot read the private key: "],
    [
      "another certificate's key",
      { cert: good.cert, key: other.key },
      "Cannot use the private key: it does not belong to the certificate of CN=mx.example",
    ],
    [
      "a chain in the wrong order",
      { cert: other.cert + good.cert, key: good.key },
      "Cannot use the private key: it does not belong to the certificate of CN=mx.example",
    ],
  ])("%s is named", (_what, identity, complaint) => {
    expect(checkIdentity(identity)?.slice(0, complaint.length)).toBe(complaint);
  });

  test("an expired certificate works", () => {
    expect(checkIdentity(makeIdentity({ notAfter: new Date("2020-01-01") }))).toBe(undefined);
  });
});

describe("identityWarning", () => {
  const identity = makeIdentity({ notBefore: new Date("2026-01-01"), notAfter: new Date("2026-03-01") });
  test.each([
    ["2026-02-01", ""],
    ["2025-12-31", "The certificate of CN=mx.example is not valid before 2026-01-01"],
    ["2026-02-27", "The certificate of CN=mx.example expires on 2026-03-01, in 2 days"],
    ["2026-03-02", "The certificate of CN=mx.example expired on 2026-03-01"],
  ])("on %s: %s", (today, warning) => {
    expect(identityWarning(identity, new Date(today)) ?? "").toBe(warning);
  });
});

test("an identity keeps one secure context, so that sessions resume", () => {
  expect(serverTls(good)).toBe(serverTls(good));
  expect(serverTls(other)).not.toBe(serverTls(good));
});
