/**
 * Whom `spf` does not check.
 */
import { describe, expect, test } from "bun:test";
import { spf, type SpfOptions } from "../../plugins/mail_authentication/spf.ts";
import { ALLOWED, type MailFacts, SPF, SPF_HELO } from "../../src/mod.ts";
import { ask, dnsOf, factsAt, findingsOf } from "../../src/testing.ts";
import { atMail, CLIENT, DNS } from "./spf_scene.ts";

describe("who is not checked", () => {
  const SKIPPED: readonly (readonly [string, SpfOptions, Partial<MailFacts>])[] = [
    ["who has authenticated", {}, { user: "ann" }],
    ["who is on an allow list", {}, { findings: findingsOf([ALLOWED, "access"]) }],
    ["a client of a unix socket", { privateAddresses: "check" }, {
      client: { host: "/run/sallyport/smtp", port: 0 },
    }],
    ["a listed network", { networks: ["203.0.113.0/24"] }, {}],
    ["a listed IPv6 address", { networks: ["2001:db8::5"] }, { client: { host: "2001:db8::5", port: 1 } }],
    ...["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.9", "100.64.3.3", "169.254.9.9"].map((host) =>
      [host, {}, { client: { host, port: 1 } }] as const
    ),
    ...["::1", "fd00::1", "fe80::1"].map((host) => [host, {}, { client: { host, port: 1 } }] as const),
  ];

  test.each(SKIPPED)("%s", async (_, options, given) => {
    const dns = dnsOf(DNS);
    const { findings, verdict, actions } = await atMail("a@fail.example", options, dns, given);
    expect(verdict).toBeUndefined();
    expect(actions).toEqual([]);
    expect(findings.get(SPF)).toBeUndefined();
    expect(dns.questions).toEqual([]);
  });

  test.each(SKIPPED.slice(1))(
    "%s, at HELO",
    async (_, options, { client = CLIENT, findings = findingsOf() }) => {
      const facts = factsAt("helo", { client, findings });
      const dns = dnsOf({});
      const answer = await ask(spf(options), "helo", facts, { effects: { dns } });
      expect(answer.findings.get(SPF_HELO)).toBeUndefined();
      expect(dns.questions).toEqual([]);
    },
  );

  test("private addresses are checked where the option says so", async () => {
    const given = { client: { host: "192.168.0.9", port: 1 } };
    const { verdict } = await atMail("a@fail.example", { privateAddresses: "check" }, dnsOf(DNS), given);
    expect(verdict?.kind).toBe("reject");
  });

  test.each(["172.32.0.1", "100.128.0.1", "11.0.0.1", "2001:db8::1"])("%s is not private", async (host) => {
    const { verdict } = await atMail("a@fail.example", {}, dnsOf(DNS), { client: { host, port: 1 } });
    expect(verdict?.kind).toBe("reject");
  });
});
