/**
 * `helo`: what a greeting shows by itself, what the DNS says of it, and what it costs whom.
 */
import { describe, expect, test } from "bun:test";
import { HELO, helo, type HeloFault, type HeloFinding, type HeloOptions } from "../../plugins/helo/mod.ts";
import { atRcpt, defer, type Dns, type DnsRecords, type HeloFacts, reject, REVERSE } from "../../src/mod.ts";
import { ask, type DnsMap, dnsOf, factsAt, findingsOf, path } from "../../src/testing.ts";
import { SessionChain } from "../support/session_chain.ts";

const MX = [{ exchange: "mx.client.example", priority: 10 }];

/** What is found out about a greeting of 203.0.113.7. */
async function seen(
  name: string,
  { dns = {}, options = {}, ...given }: { dns?: DnsMap; options?: HeloOptions } & Partial<HeloFacts> = {},
): Promise<HeloFinding & { readonly questions: readonly string[] }> {
  const fake = dnsOf(dns);
  const facts = factsAt("helo", { helo: name, ...given });
  const { findings, failed, verdict } = await ask(helo(options), "helo", facts, { effects: { dns: fake } });
  expect([failed, verdict]).toEqual([false, undefined]);
  return { ...findings.get(HELO)!, questions: fake.questions };
}

describe("a greeting by itself:", () => {
  const cases: readonly (readonly [name: string, ...faults: HeloFault[]])[] = [
    ["[203.0.113.7]"],
    ["[IPv6:::ffff:203.0.113.7]"],
    ["[192.168.1.5]", "foreignLiteral"],
    ["[IPv6:2001:db8::1]", "foreignLiteral"],
    ["[192.0.2.25]", "ownLiteral"],
    ["[198.51.100.25]", "ownLiteral"],
    ["[192.0.2.256]", "syntax"],
    ["[]", "syntax"],
    ["[192.0.2.1", "syntax"],
    ["[tag:content]", "syntax"],
    ["[fe80::1%eth0]", "syntax"],
    ["203.0.113.7", "bareAddress"],
    ["2001:db8::1", "bareAddress"],
    ["192.0.2.25", "bareAddress", "ownLiteral"],
    ["MX.Example", "ownName"],
    ["mx.example.", "ownName"],
    ["example.org", "ownName"],
    ["localhost", "singleLabel"],
    ["DESKTOP-7Q2M", "singleLabel"],
    ["exchange.corp.local", "reservedName"],
    ["LOCALHOST.localdomain", "reservedName"],
    ["router.home.arpa", "reservedName"],
    ["a..example", "syntax"],
    [".example", "syntax"],
    ["example.org..", "syntax"],
    ["-a.example", "syntax"],
    ["a-.example", "syntax"],
    ["1.2.3", "syntax"],
    ["host.123", "syntax"],
    ["a@b.example", "syntax"],
    ["a/b", "syntax"],
    ["192.0.2.0/24", "syntax"],
    ["m\xc3\xbcller.example", "syntax"],
    ["\xe2\x84\xaa.example", "syntax"],
    [`${"a".repeat(64)}.example`, "syntax"],
    [`${"a.".repeat(124)}example`, "syntax"],
  ];
  for (const [name, ...faults] of cases) {
    const shown = name.length > 60 ? `${name.slice(0, 60)}… (${name.length})` : JSON.stringify(name);
    test(`${shown}: ${faults.join(", ") || "nothing"}`, async () => {
      const { questions, ...found } = await seen(name, {
        options: { ownNames: ["Example.ORG."], ownAddresses: ["198.51.100.0/24"] },
      });
      expect(found).toEqual({ faults, resolves: undefined, matches: undefined });
      expect(questions).toEqual([]);
    });
  }

  test("a Windows host with an underscore has a name, and so has one of 253 octets", async () => {
    const longest = `${"a.".repeat(123)}example`;
    expect(longest.length).toBe(253);
    for (const name of ["mail_1.client.example", longest]) {
      expect((await seen(name, { dns: { [name]: { A: ["203.0.113.7"] } } })).faults).toEqual([]);
    }
  });

  test("programs on this machine may greet with its name and its address", async () => {
    for (const host of ["127.0.0.1", "::1", "192.0.2.25"]) {
      const client = { host, port: 50_000 };
      const found = await seen("mx.example", { client, dns: { "mx.example": { A: [host], AAAA: [host] } } });
      expect(found.faults).toEqual([]);
      expect((await seen(`[192.0.2.25]`, { client })).faults).not.toContain("ownLiteral");
    }
  });
});

describe("the DNS:", () => {
  const NAME = "mail.client.example";
  const cases: readonly (readonly [
    what: string,
    records: DnsMap[string] | undefined,
    found: Omit<HeloFinding, "faults">,
    faults: readonly HeloFault[],
    questions: string,
  ])[] = [
    [
      "the client's address",
      { A: ["192.0.2.9", "203.0.113.7"] },
      { resolves: "yes", matches: true },
      [],
      "A",
    ],
    ["another address", { A: ["192.0.2.9"] }, { resolves: "yes", matches: false }, ["mismatch"], "A"],
    ["no such name", undefined, { resolves: "no", matches: false }, ["unresolvable"], "A"],
    ["an MX only", { MX }, { resolves: "yes", matches: false }, ["mismatch"], "A AAAA MX"],
    ["IPv6 only", { AAAA: ["2001:db8::7"] }, { resolves: "yes", matches: false }, ["mismatch"], "A AAAA MX"],
    ["neither address nor MX", {}, { resolves: "no", matches: false }, ["unresolvable"], "A AAAA MX"],
    ["servers that fail", { A: "ESERVFAIL" }, { resolves: "temperror", matches: undefined }, [], "A"],
    [
      "no A, and AAAA not known",
      { AAAA: "ETIMEOUT" },
      { resolves: "temperror", matches: undefined },
      [],
      "A AAAA MX",
    ],
    ["no A, AAAA not known, an MX", { AAAA: "ETIMEOUT", MX }, { resolves: "yes", matches: false }, [
      "mismatch",
    ], "A AAAA MX"],
  ];
  for (const [what, records, found, faults, questions] of cases) {
    test(`${what}: ${faults.join() || "nothing"} (${questions})`, async () => {
      const dns = records === undefined ? {} : { [NAME]: records };
      const given = await seen("Mail.Client.Example", { dns });
      expect(given).toEqual({
        ...found,
        faults,
        questions: questions.split(" ").map((type) => `${type} ${NAME}`),
      });
    });
  }

  test("an IPv6 client's name is asked for AAAA first, and compared however it is written", async () => {
    const dns = { [NAME]: { AAAA: ["2001:db8:0:0::7"] } };
    const found = await seen(NAME, { client: { host: "2001:db8::7", port: 1 }, dns });
    expect(found).toEqual({ faults: [], resolves: "yes", matches: true, questions: [`AAAA ${NAME}`] });
  });

  test("a confirmed reverse name is the client's, an unconfirmed one proves nothing", async () => {
    const reversed = (name: string | undefined) => ({
      findings: findingsOf([REVERSE, { status: name ? "pass" : "fail", names: [NAME], name }]),
      dns: { [NAME]: { A: ["192.0.2.9"] } } satisfies DnsMap,
    });
    expect((await seen(NAME, reversed(NAME))).faults).toEqual([]);
    expect((await seen(NAME, reversed(undefined))).faults).toEqual(["mismatch"]);
  });

  test("nobody is asked where the answer would cost nothing", async () => {
    const options: HeloOptions = { unresolvable: "off", mismatch: "off" };
    expect(await seen(NAME, { options })).toEqual({
      faults: [],
      resolves: undefined,
      matches: undefined,
      questions: [],
    });
    expect((await seen(NAME, { options: { unresolvable: "off", mismatch: "score" } })).questions.length).toBe(
      1,
    );
  });

  test.each(
    [
      ["no such name", {}, undefined],
      ["a name of another host", { "client.example": { A: ["192.0.2.1"] } }, undefined],
      ["the client's name", { "client.example": { A: ["203.0.113.7"] } }, true],
    ] as const,
  )("%s in an answer past its time is no fault", async (_, map: DnsMap, matches) => {
    const fresh = dnsOf(map);
    const dns: Dns = { resolve: async (name, type) => ({ ...await fresh.resolve(name, type), stale: true }) };
    const strict = { unresolvable: "reject", mismatch: "score" } as const;
    const answer = await ask(helo(strict), "helo", factsAt("helo", { helo: "client.example" }), {
      effects: { dns },
    });
    expect(answer.verdict).toBeUndefined();
    expect(answer.findings.get(HELO)?.faults).toEqual([]);
    expect(answer.findings.get(HELO)?.matches).toBe(matches as never);
  });

  test("no answer at all within the stage's time costs nothing", async () => {
    const chain = new SessionChain([helo()], { effects: { dns: dnsOf({ [NAME]: { A: "never" } }) } });
    const judged = chain.verdict("helo", { helo: NAME });
    await chain.pass(5000);
    expect(await judged).toBe("pass");
    expect(await chain.verdict("mail")).toBe("pass");
  });
});

describe("what a fault costs:", () => {
  const A: DnsRecords["A"][] = ["192.0.2.9"];

  /** What MAIL comes to. */
  async function cost(name: string, options: HeloOptions = {}, user?: string) {
    const chain = new SessionChain([helo(options)], {
      effects: { dns: dnsOf({ "other.client.example": { A } }) },
    });
    expect(await chain.judge("helo", { helo: name })).toBeUndefined();
    chain.dossier.greeted(true);
    const judged = await chain.judge("mail", { helo: name, user });
    return { verdict: judged?.verdict, scores: chain.dossier.findings("mail").scores };
  }

  const scored = (points: number, fault: HeloFault) => ({
    verdict: undefined,
    scores: [{ plugin: "helo", points, reason: `HELO: ${fault}` }],
  });
  const refused = (text: string) => ({ verdict: reject("5.7.1", text), scores: [] });

  const byDefault: readonly (readonly [name: string, came: object])[] = [
    ["a..b", {
      verdict: reject("5.5.2", "Your HELO is neither a host name nor an address literal", 501),
      scores: [],
    }],
    ["203.0.113.7", {
      verdict: reject("5.5.2", "Your HELO is an address without brackets", 501),
      scores: [],
    }],
    ["mx.example", refused("Your HELO is our own name")],
    ["[192.0.2.25]", refused("Your HELO is our own address")],
    ["[192.168.1.5]", scored(2, "foreignLiteral")],
    ["friend", scored(2, "singleLabel")],
    ["exchange.corp.local", scored(1, "reservedName")],
    ["no.such.example", scored(2, "unresolvable")],
    ["other.client.example", { verdict: undefined, scores: [] }],
  ];
  for (const [name, came] of byDefault) {
    test(`${name}, by default`, async () => expect(await cost(name)).toEqual(came as never));
    test(`${name}, of who has authenticated: nothing`, async () => {
      expect(await cost(name, {}, "ann")).toEqual({ verdict: undefined, scores: [] });
    });
  }

  test("an action is off, a refusal for now, or points of one's own", async () => {
    expect(await cost("a..b", { syntax: "off" })).toEqual({ verdict: undefined, scores: [] });
    expect((await cost("no.such.example", { unresolvable: "defer" })).verdict).toEqual(
      defer("4.7.1", "Your HELO is a name without an address in the DNS"),
    );
    expect(await cost("friend", { singleLabel: { score: 7.5 } })).toEqual(scored(7.5, "singleLabel"));
    expect(await cost("other.client.example", { mismatch: "score" })).toEqual(scored(1, "mismatch"));
  });

  test("of two faults all points count, and the stricter refusal", async () => {
    const both = await cost("192.0.2.25", { bareAddress: "defer", ownLiteral: "reject" });
    expect(both).toEqual(refused("Your HELO is our own address"));
    expect((await cost("192.0.2.25", { bareAddress: "score", ownLiteral: "score" })).scores.length).toBe(2);
  });

  test("judged at helo, it is refused there, and MAIL is not asked", async () => {
    const plugin = helo({ judge: "helo" });
    const { verdict } = await ask(plugin, "helo", factsAt("helo", { helo: "mx.example" }));
    expect(verdict).toEqual(reject("5.7.1", "Your HELO is our own name"));
    expect("mail" in plugin).toBe(false);
  });

  test("within atRcpt the refusal waits for RCPT, with a second greeting's in its place", async () => {
    const chain = new SessionChain([atRcpt(helo())], {
      effects: { dns: dnsOf({ "other.client.example": { A } }) },
    });
    await chain.judge("helo", { helo: "mx.example" });
    chain.dossier.greeted(true);
    expect(await chain.verdict("mail")).toBe("pass");
    expect(await chain.verdict("rcpt")).toBe("550 Your HELO is our own name");
    expect(await chain.verdict("rcpt", { forwardPath: path("postmaster@mx.example") })).toBe("pass");
    await chain.judge("helo", { helo: "other.client.example" });
    chain.dossier.greeted(true);
    expect(await chain.verdict("mail")).toBe("pass");
    expect(await chain.verdict("rcpt")).toBe("pass");
  });

  test("faults are counted and noted", async () => {
    const chain = new SessionChain([helo()]);
    await chain.judge("helo", { helo: "192.0.2.25" });
    expect(chain.dossier.takeTrail()).toEqual(["helo@helo:faults=bareAddress ownLiteral"]);
    expect(chain.metrics.text()).toContain(
      'sallyport_plugin_helo_faults_total{plugin="helo",fault="bareAddress"} 1',
    );
  });
});

describe("mistakes in the options are named:", () => {
  const ACTIONS = 'allowed are "off", "score", "reject", "defer", { score: points }';
  const cases: readonly (readonly [given: unknown, mistake: string])[] = [
    [{ syntax: "refuse" }, `options.syntax: "refuse" was given; ${ACTIONS}`],
    [{ syntax: { score: "2" } }, `options.syntax: {"score":"2"} was given; ${ACTIONS}`],
    [
      { mismatch: "reject" },
      'options.mismatch: "reject" was given; allowed are "off", "score", { score: points }',
    ],
    [{ judge: "rcpt" }, 'options.judge: "rcpt" was given; allowed are helo, mail'],
    [
      { ownAddresses: ["mx"] },
      'options.ownAddresses[0]: "mx" was given; allowed is an address or a network, as in 192.0.2.7, ' +
      "192.0.2.0/24 or 2001:db8::/32",
    ],
  ];
  for (const [given, mistake] of cases) {
    test(mistake, () => expect(helo(given as HeloOptions).mistakes).toEqual([mistake]));
  }
});
