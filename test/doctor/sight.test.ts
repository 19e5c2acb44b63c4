/** Whom a reply names, and what a header says of a visitor. */
import { expect, test } from "bun:test";
import { names } from "../../src/doctor/sight.ts";
import { spelt } from "../../src/doctor/shown.ts";
import { OWN, proxyHeader, type Visitor } from "../../src/doctor/visitor.ts";
import { ProxyReader } from "../../src/net/proxy_protocol.ts";

test.each([
  ["Hello x [192.0.2.9], pleased", "192.0.2.9", true],
  ["Hello 192.0.2.9", "192.0.2.9", true],
  ["seen 192.0.2.9.", "192.0.2.9", true],
  ["Hello x [192.0.2.99]", "192.0.2.9", false],
  ["Hello x [1.192.0.2.9]", "192.0.2.9", false],
  ["Hello x [192.0.2.9.1]", "192.0.2.9", false],
  ["Hello x [192x0x2x9]", "192.0.2.9", false],
  ["Hello x [IPv6:2001:DB8::9]", "2001:db8::9", true],
  ["Hello x [2001:db8::99]", "2001:db8::9", false],
])("%j and %s: %p", (text, address, expected) => {
  expect(names(text, address)).toBe(expected);
});

const STRANGER: Visitor = { kind: "stranger", by: "PROXY v1" };
const v4 = { local: { host: "10.0.0.1", port: 4000 }, remote: { host: "10.0.0.2", port: 25 } };
const v6 = { local: { host: "fd00::1", port: 4000 }, remote: { host: "fd00::2", port: 25 } };
const path = { local: { host: "local", port: 0 }, remote: { host: "/run/mx", port: 0 } };

test.each([
  ["ourselves", OWN, v4, "10.0.0.1", "10.0.0.2"],
  ["a stranger", STRANGER, v4, "192.0.2.99", "10.0.0.2"],
  ["a stranger over IPv6", STRANGER, v6, "2001:db8::99", "fd00::2"],
  ["a stranger over a socket of files", STRANGER, path, "192.0.2.99", "198.51.100.1"],
])("a header for %s", (_, visitor, ends, source, destination) => {
  for (const version of [1, 2] as const) {
    expect(new ProxyReader().push(proxyHeader(version, visitor, ends))).toMatchObject({
      header: { version, command: "proxy", source: { host: source }, destination: { host: destination } },
    });
  }
});

test("forms are spelt as programmers do", () => {
  expect(spelt("\r\n\0.\n")).toBe("\\r\\n\\0.\\n");
});
