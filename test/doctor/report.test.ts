/** The report, for people and for machines, and the configuration lines in it. */
import { describe, expect, test } from "bun:test";
import { configurationFor } from "../../src/doctor/configuration.ts";
import { finder } from "../../src/doctor/finding.ts";
import { reportJson, reportLines } from "../../src/doctor/report.ts";
import { serverOf, SERVERS } from "../../src/doctor/software.ts";

const findings = [
  finder("relay")("danger", "own-relays", "It relays", { seen: ["RCPT: 250 ok"], advice: "stop that" }),
  finder("server")("good", "greets", "It greets"),
];
const diagnosis = { target: "mx:25", seenFrom: "192.0.2.1", server: "postfix", findings } as const;

test("plain ASCII where it is no terminal, topics in order", () => {
  expect(reportLines(diagnosis, [], { terminal: false, width: 80 })).toEqual([
    "mx:25, examined from 192.0.2.1",
    "",
    "The server",
    "  [ok] It greets",
    "",
    "For whom it relays",
    "  [XX] It relays",
    "         RCPT: 250 ok",
    "       -> stop that",
    "",
    "2 findings: 1 endangers mail, 0 could not be told, 0 warnings.",
    "  It relays",
  ]);
});

test("signs and colours on a terminal", () => {
  const text = reportLines(diagnosis, [], { terminal: true, width: 80 }).join("\n");
  expect(text).toContain("\x1b[31m✗\x1b[0m It relays");
  expect(text).toContain("\x1b[32m✓\x1b[0m It greets");
});

test("one JSON object", () => {
  const { exitCode, findings: [first], configuration, server } = JSON.parse(
    reportJson(diagnosis, ["postfix"]),
  );
  expect([exitCode, server]).toEqual([1, "postfix"]);
  expect(first).toEqual({
    topic: "relay",
    level: "danger",
    id: "own-relays",
    what: "It relays",
    seen: ["RCPT: 250 ok"],
    advice: "stop that",
  });
  expect(configuration.postfix).toContain("  -o smtpd_authorized_xclient_hosts=192.0.2.1");
});

describe("configuration", () => {
  test.each([...SERVERS])(
    "%s: names the proxy, in IPv6 as the server writes it, and fits a terminal",
    (server) => {
      expect(configurationFor(server, "192.0.2.1").join("\n")).toContain("192.0.2.1");
      const lines = configurationFor(server, "2001:db8::1");
      expect(lines.join("\n")).toContain(
        {
          postfix: "xclient_hosts=[2001:db8::1]",
          exim: "hosts_proxy = <; 2001:db8::1",
          sendmail: "Connect:IPv6:2001:db8:0:0:0:0:0:1\tOK",
          opensmtpd: "2001:db8::1",
          stalwart: '["2001:db8::1/128"]',
          exchange: "-RemoteIPRanges 2001:db8::1 ",
        }[server],
      );
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(116);
    },
  );
});

test.each([
  ["220 mx ESMTP Postfix (Debian)", "postfix"],
  ["220 mx ESMTP\n502 5.5.2 Error: command not recognized", "postfix"],
  ["220 mx ESMTP Exim 4.97 Fri", "exim"],
  ["220 mx ESMTP Sendmail 8.18.1/8.18.1", "sendmail"],
  ["220 mx ESMTP OpenSMTPD", "opensmtpd"],
  ["220 mx Stalwart ESMTP at your service", "stalwart"],
  ["220 mx Microsoft ESMTP MAIL Service ready at Fri", "exchange"],
  ["220 mx ESMTP Haraka", undefined],
])("%j is %p", (said, server) => {
  expect(String(serverOf(said))).toBe(String(server));
});
