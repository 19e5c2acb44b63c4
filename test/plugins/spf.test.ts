/**
 * The plugin `spf`: what it finds and what it does to the mail. That it reads policies right is the business of
 * test/conformance/spf.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { spf, type SpfOptions } from "../../plugins/mail_authentication/spf.ts";
import { type MailFacts, SPF, SPF_HELO } from "../../src/mod.ts";
import { type Answer, ask, dnsOf, factsAt, findingsOf } from "../../src/testing.ts";
import { atMail, DNS, from, policies, RESULTS } from "./spf_scene.ts";

describe("what is found", () => {
  test.each([...RESULTS, "none"] as const)("%s, with the domain that was asked", async (result) => {
    const { findings } = await atMail(`a@${result}.example`);
    expect(findings.get(SPF)).toEqual({ result, scope: "mailfrom", domain: `${result}.example` });
  });

  test.each([...RESULTS, "none"] as const)("%s of the HELO name", async (result) => {
    const facts = factsAt("helo", { helo: `${result}.example` });
    const { findings, verdict } = await ask(spf(), "helo", facts, { effects: { dns: dnsOf(DNS) } });
    expect(findings.get(SPF_HELO)).toEqual({ result, scope: "helo", domain: `${result}.example` });
    expect(verdict).toBeUndefined();
  });

  test("the null reverse-path has the HELO identity, which is not asked for twice", async () => {
    const plugin = spf();
    const dns = dnsOf(DNS);
    const helo = await ask(plugin, "helo", factsAt("helo", { helo: "fail.example" }), { effects: { dns } });
    const { findings, verdict } = await ask(
      plugin,
      "mail",
      from("", { helo: "fail.example", findings: helo.findings }),
      { effects: { dns, now: () => Date.now() + 1e9 } },
    );
    expect(findings.get(SPF)).toEqual({ result: "fail", scope: "helo", domain: "fail.example" });
    expect(verdict?.kind).toBe("reject");
    expect(dns.questions).toEqual(["TXT fail.example"]);
  });

  test("without the check at HELO the null reverse-path still has the HELO identity", async () => {
    const { findings } = await atMail("", { helo: false }, dnsOf(DNS), { helo: "pass.example" });
    expect(findings.get(SPF)).toEqual({ result: "pass", scope: "helo", domain: "pass.example" });
  });

  test("HELO is not checked where the option says so", () => {
    expect(spf({ helo: false }).helo).toBeUndefined();
  });

  test("the domain is asked for in lower case, and U-labels as A-labels (RFC 8616)", async () => {
    const dns = dnsOf(policies({ "xn--bcher-kva.example": "v=spf1 include:%{o} -all" }));
    const { findings } = await atMail("a@BÜCHER.Example", {}, dns);
    expect(dns.questions[0]).toBe("TXT xn--bcher-kva.example");
    expect(findings.get(SPF)?.domain).toBe("xn--bcher-kva.example");
  });

  test("a name with an underscore has a policy", async () => {
    const { findings } = await atMail("a@_x.example", {}, dnsOf(policies({ "_x.example": "v=spf1 -all" })));
    expect(findings.get(SPF)?.result).toBe("fail");
  });

  test.each([
    ["a single label", "localhost"],
    ["an address literal", "[203.0.113.7]"],
    ["a bare address", "203.0.113.7"],
    ["an empty label", "a..example"],
    ["a label of 64 octets", `${"a".repeat(64)}.example`],
    ["254 octets", `${"a.".repeat(123)}aexample`],
    ["a space", "mail example.org"],
    ["a line of 4,000 octets", `${"a.".repeat(2000)}example`],
    ["bytes that are no UTF-8", "b\xfccher.example"],
    ["nothing", ""],
  ])("%s is no domain: none, and nobody is asked", async (_, helo) => {
    const dns = dnsOf({});
    const { findings, failed } = await ask(spf(), "helo", factsAt("helo", { helo }), { effects: { dns } });
    expect(failed).toBe(false);
    expect(findings.get(SPF_HELO)).toEqual({ result: "none", scope: "helo", domain: "" });
    expect(dns.questions).toEqual([]);
  });

  test("a final dot at HELO is no part of the name", async () => {
    const facts = factsAt("helo", { helo: "Pass.Example." });
    const { findings } = await ask(spf(), "helo", facts, { effects: { dns: dnsOf(DNS) } });
    expect(findings.get(SPF_HELO)).toEqual({ result: "pass", scope: "helo", domain: "pass.example" });
  });

  test("an MX that is a single label is a host like any other", async () => {
    const dns = dnsOf(policies({}, {
      "a.example": {
        TXT: [["v=spf1 mx -all"]],
        MX: [{ exchange: "localhost", priority: 5 }, { exchange: "mx.a.example", priority: 10 }],
      },
      "mx.a.example": { A: ["203.0.113.7"] },
    }));
    const { findings } = await atMail("x@a.example", {}, dns);
    expect(findings.get(SPF)?.result).toBe("pass");
  });
});

describe("what is done", () => {
  test("a fail is rejected with 550 5.7.23 (RFC 7372)", async () => {
    const { verdict } = await atMail("a@fail.example");
    expect(verdict).toEqual({
      kind: "reject",
      code: 550,
      enhanced: "7.23",
      text: "SPF: 203.0.113.7 is not permitted to send mail from fail.example",
    });
  });

  test.each(["pass", "softfail", "neutral", "permerror", "temperror", "none"])(
    "%s does nothing",
    async (name) => {
      const { verdict, findings } = await atMail(`a@${name}.example`);
      expect(verdict).toBeUndefined();
      expect(findings.scores).toEqual([]);
    },
  );

  test.each(
    [
      ["fail", { fail: "defer" }, "defer", 451, "7.23"],
      ["softfail", { softfail: "defer" }, "defer", 451, "7.23"],
      ["softfail", { softfail: "reject" }, "reject", 550, "7.23"],
      ["permerror", { permerror: "reject" }, "reject", 550, "7.24"],
      ["permerror", { permerror: "defer" }, "defer", 451, "7.24"],
      ["temperror", { temperror: "defer" }, "defer", 451, "7.24"],
    ] as const,
  )("%s with %j: %s %i x.%s", async (result, options, kind, code, enhanced) => {
    const { verdict } = await atMail(`a@${result}.example`, options);
    expect(verdict).toMatchObject({ kind, code, enhanced });
  });

  test.each(["fail", "softfail", "permerror", "temperror"] as const)("%s can be points", async (result) => {
    const { verdict, findings } = await atMail(`a@${result}.example`, { [result]: { score: 3 } });
    expect(verdict).toBeUndefined();
    expect(findings.scores).toMatchObject([{ points: 3, reason: `SPF ${result} of ${result}.example` }]);
  });

  test("a fail that is off is only found", async () => {
    const { verdict, findings } = await atMail("a@fail.example", { fail: "off" });
    expect(verdict).toBeUndefined();
    expect(findings.get(SPF)?.result).toBe("fail");
  });

  test("the domain's explanation is quoted as its own", async () => {
    const dns = dnsOf(policies({
      "a.example": "v=spf1 -all exp=why.a.example",
      "why.a.example": "%{i} is none of ours, see https://a.example/%{L}",
    }));
    const { verdict } = await atMail("x+y@a.example", {}, dns);
    expect(verdict).toMatchObject({
      text: "SPF: 203.0.113.7 is not permitted to send mail from a.example. " +
        "The domain explains: 203.0.113.7 is none of ours, see https://a.example/x%2By",
    });
  });

  test("what macros bring into an explanation is made printable", async () => {
    const dns = dnsOf(
      policies({ "a.example": "v=spf1 -all exp=why.example", "why.example": "you say %{h}." }),
    );
    const { verdict } = await atMail("x@a.example", {}, dns, { helo: "\x07\xc3\xbc\r\n550 ha" });
    expect(verdict).toMatchObject({
      text: expect.stringMatching(/The domain explains: you say \?550 ha\.$/),
    });
  });

  test("a long explanation and a long domain end in dots, within 400 characters", async () => {
    const domain = `${"abcdefghi.".repeat(24)}example`;
    const dns = dnsOf(policies({ [domain]: "v=spf1 -all exp=why.example", "why.example": "x".repeat(1000) }));
    const { verdict } = await atMail(`x@${domain}`, {}, dns);
    const text = verdict?.kind === "reject" ? verdict.text : "";
    expect(text.length).toBe(400);
    expect(text).toMatch(
      /^SPF: 203\.0\.113\.7 is not permitted to send mail from (abcdefghi\.){9}abcdefg\.\.\.\. The domain/,
    );
    expect(text).toMatch(/xxx\.\.\.$/);
  });

  test("an explanation of more than 1,024 octets is none", async () => {
    const dns = dnsOf(
      policies({ "a.example": "v=spf1 -all exp=why.example", "why.example": "x".repeat(1025) }),
    );
    const { verdict } = await atMail("x@a.example", {}, dns);
    expect(verdict).toMatchObject({ text: expect.not.stringContaining("explains") });
  });

  test("a permerror says what is wrong with the record", async () => {
    const { verdict } = await atMail("a@permerror.example", { permerror: "reject" });
    expect(verdict).toMatchObject({
      text: 'SPF: the policy of permerror.example cannot be used: Invalid "ip4" term',
    });
  });
});

describe("a fail of the HELO name", () => {
  const facts = (helo: Answer, given: Partial<MailFacts> = {}) =>
    from("a@pass.example", { helo: "fail.example", findings: helo.findings, ...given });

  async function greeted(options: SpfOptions, given: Partial<MailFacts> = {}) {
    const plugin = spf(options);
    const dns = dnsOf(DNS);
    const effects = { dns };
    const helo = await ask(plugin, "helo", factsAt("helo", { helo: "fail.example" }), { effects });
    return { dns, helo, mail: await ask(plugin, "mail", facts(helo, given), { effects }) };
  }

  test("does nothing by itself", async () => {
    const { helo, mail } = await greeted({});
    expect(helo.verdict).toBeUndefined();
    expect(mail.verdict).toBeUndefined();
    expect(mail.findings.get(SPF)?.result).toBe("pass");
  });

  test("is refused at MAIL where it should be, and the sender is not asked for (RFC 7208 §2.4)", async () => {
    const { dns, helo, mail } = await greeted({ heloFail: "reject" });
    expect(helo.verdict).toBeUndefined();
    expect(mail.verdict).toMatchObject({
      kind: "reject",
      enhanced: "7.23",
      text: "SPF: 203.0.113.7 is not permitted to use the name fail.example",
    });
    expect(dns.questions).toEqual(["TXT fail.example"]);
  });

  test("costs nothing to who has authenticated since", async () => {
    const { mail } = await greeted({ heloFail: "reject" }, { user: "ann" });
    expect(mail.verdict).toBeUndefined();
  });

  test("as points goes beside what the sender comes to", async () => {
    const { mail } = await greeted({ heloFail: { score: 2 } });
    expect(mail.findings.score).toBe(2);
    expect(mail.findings.get(SPF)?.result).toBe("pass");
  });

  test("of another plugin's finding is none of its business", async () => {
    const findings = findingsOf([SPF_HELO, { result: "fail", scope: "helo", domain: "fail.example" }]);
    const { verdict } = await atMail("a@pass.example", { heloFail: "reject" }, dnsOf(DNS), { findings });
    expect(verdict).toBeUndefined();
  });
});

describe("its options", () => {
  test.each([
    [{ fail: "refuse" }, /^options\.fail: "refuse" was given; allowed are "off", "defer", "reject" and/],
    [{ temperror: "reject" }, /^options\.temperror: "reject" was given; allowed are "off", "defer" and \{/],
    [{ softfail: { score: "3" } }, /^options\.softfail: \{"score":"3"\} was given; allowed are/],
    [
      { networks: ["10.0.0.0/33"] },
      /^options\.networks\[0\]: "10\.0\.0\.0\/33" was given; allowed is an address/,
    ],
    [{ privateAddresses: true }, /^options\.privateAddresses: true was given; allowed are skip and check/],
    [{ timeout: 5 }, /^options\.timeout: 5 was given; allowed is a whole number of milliseconds/],
    [{ helo: "no" }, /^options\.helo: "no" was given; allowed is true or false/],
    [{ onError: "panic" }, /^options\.onError: "panic" was given; allowed are pass, defer, reject/],
    [{ none: "reject" }, /there is no option none; allowed are fail, header, helo/],
  ])("%j is a mistake", (given, mistake) => {
    const { mistakes = [] } = spf(given as SpfOptions);
    expect(mistakes.length).toBe(1);
    expect(mistakes[0]).toMatch(mistake);
  });

  test("none is needed, and the defaults are told", () => {
    expect(spf().options).toEqual({
      fail: "reject",
      softfail: "off",
      permerror: "off",
      temperror: "off",
      helo: true,
      heloFail: "off",
      networks: [],
      privateAddresses: "skip",
      header: true,
      timeout: 4000,
      onError: "pass",
    });
  });
});

test("temperror cannot be refused for good, and the types say so", () => {
  // @ts-expect-error allowed are "off", "defer" and points
  const { mistakes } = spf({ temperror: "reject" });
  expect(mistakes).toHaveLength(1);
});
