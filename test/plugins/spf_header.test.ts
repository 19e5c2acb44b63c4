/**
 * The field `Received-SPF` (RFC 7208 §9.1).
 */
import { describe, expect, test } from "bun:test";
import { type Answer, dnsOf } from "../../src/testing.ts";
import { atMail, DNS, headerOf, policies } from "./spf_scene.ts";

describe("the field Received-SPF", () => {
  const MX = "(mx.example: ";
  const PAIRS = 'receiver=mx.example; identity=mailfrom; client-ip=203.0.113.7; envelope-from="a@';

  test.each([
    ["pass", "domain of pass.example designates 203.0.113.7 as permitted sender", " mechanism=ip4;"],
    ["fail", "domain of fail.example does not designate 203.0.113.7 as permitted sender", " mechanism=all;"],
    [
      "softfail",
      "domain of transitioning softfail.example does not designate 203.0.113.7 as permitted sender",
      " mechanism=all;",
    ],
    [
      "neutral",
      "203.0.113.7 is neither permitted nor denied by domain of neutral.example",
      " mechanism=all;",
    ],
    ["none", "none.example does not designate permitted sender hosts", ""],
    [
      "permerror",
      "error in processing the policy of permerror.example",
      ' problem="Invalid \\"ip4\\" term";',
    ],
    [
      "temperror",
      "error in processing the policy of temperror.example",
      ' problem="the DNS could not be asked";',
    ],
  ])("of %s", async (result, comment, last) => {
    expect(headerOf(await atMail(`a@${result}.example`))).toBe(
      `Received-SPF: ${result} ${MX}${comment}) ${PAIRS}${result}.example"; helo=client.example;${last}`,
    );
  });

  test("of a policy in which nothing matched names the default", async () => {
    const dns = dnsOf(policies({ "a.example": "v=spf1 ip4:192.0.2.1" }));
    expect(headerOf(await atMail("a@a.example", {}, dns))).toMatch(
      /^Received-SPF: neutral .* mechanism=default;$/,
    );
  });

  test("of the HELO identity has no envelope-from", async () => {
    expect(headerOf(await atMail("", {}, dnsOf(DNS), { helo: "pass.example" }))).toBe(
      `Received-SPF: pass ${MX}domain of pass.example designates 203.0.113.7 as permitted sender) ` +
        "receiver=mx.example; identity=helo; client-ip=203.0.113.7; helo=pass.example; mechanism=ip4;",
    );
  });

  test("of an IPv6 client quotes the address", async () => {
    const dns = dnsOf(policies({ "a.example": "v=spf1 ip6:2001:db8::/32 -all" }));
    const answer = await atMail("a@a.example", {}, dns, { client: { host: "2001:db8::7", port: 1 } });
    expect(headerOf(answer)).toContain(' client-ip="2001:db8::7";');
  });

  test("quotes what the client has quoted", async () => {
    const { actions } = await atMail('"a\\"; x=y"@pass.example');
    expect(headerOf({ actions } as Answer)).toContain(' envelope-from="\\"a\\\\\\"; x=y\\"@pass.example";');
  });

  test("leaves out what is not ASCII or too long", async () => {
    const answer = await atMail("ü@pass.example", {}, dnsOf(DNS), { helo: "x".repeat(2000) });
    expect(headerOf(answer)).toBe(
      `Received-SPF: pass ${MX}domain of pass.example designates 203.0.113.7 as permitted sender) ` +
        "receiver=mx.example; identity=mailfrom; client-ip=203.0.113.7; mechanism=ip4;",
    );
  });

  test("of what is no domain names none", async () => {
    expect(headerOf(await atMail("a@localhost"))).toBe(
      `Received-SPF: none ${MX}no domain that could have a policy) ` +
        "receiver=mx.example; identity=mailfrom; client-ip=203.0.113.7; helo=client.example;",
    );
  });

  test("is not put where the option says so", async () => {
    expect(headerOf(await atMail("a@pass.example", { header: false }))).toBeUndefined();
  });
});
