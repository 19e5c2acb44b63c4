/**
 * `spf` and the DNS that fails, and what the records of an attacker may cost.
 */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { spf } from "../../plugins/mail_authentication/spf.ts";
import { type Dns, SPF } from "../../src/mod.ts";
import { ask, type DnsMap, dnsOf, factsAt } from "../../src/testing.ts";
import { FakeTimers, promisesSettle, withTimers } from "../support/fake_timers.ts";
import { atMail, DNS, from, headerOf, policies } from "./spf_scene.ts";

describe("the DNS", () => {
  test.each(["ESERVFAIL", "EREFUSED", "ETIMEOUT", "ECONNREFUSED", "EFORMERR", "EBADRESP"] as const)(
    "%s is temperror, never fail, and no failure of the plugin",
    async (code) => {
      const { findings, verdict, failed } = await atMail(
        "a@b.example",
        {},
        dnsOf({ "b.example": { TXT: code } }),
      );
      expect(failed).toBe(false);
      expect(findings.get(SPF)?.result).toBe("temperror");
      expect(verdict).toBeUndefined();
    },
  );

  test("is asked again by the next message after it has failed", async () => {
    const plugin = spf();
    const broken = dnsOf({ "b.example": { TXT: "ESERVFAIL" } });
    await ask(plugin, "mail", from("a@b.example"), { effects: { dns: broken } });
    const mended = dnsOf(policies({ "b.example": "v=spf1 -all" }));
    const { findings } = await ask(plugin, "mail", from("a@b.example"), { effects: { dns: mended } });
    expect(findings.get(SPF)?.result).toBe("fail");
  });

  test("may fail where the evaluation goes on; that is no fail, and not remembered", async () => {
    const plugin = spf();
    const text = { "b.example": { TXT: [["v=spf1 ptr -all"]] } };
    const broken = dnsOf({ ...text, "7.113.0.203.in-addr.arpa": { PTR: "ESERVFAIL" } });
    const first = await ask(plugin, "mail", from("a@b.example"), { effects: { dns: broken } });
    expect(first.findings.get(SPF)?.result).toBe("temperror");
    expect(first.verdict).toBeUndefined();
    const mended = dnsOf({
      ...text,
      "7.113.0.203.in-addr.arpa": { PTR: ["mx.b.example"] },
      "mx.b.example": { A: ["203.0.113.7"] },
    });
    const second = await ask(plugin, "mail", from("a@b.example"), { effects: { dns: mended } });
    expect(second.findings.get(SPF)?.result).toBe("pass");
  });

  /** A DNS that cannot be asked any more, and gives what it has. */
  const stale = (map: DnsMap): Dns => {
    const dns = dnsOf(map);
    return { resolve: async (name, type) => ({ ...await dns.resolve(name, type), stale: true }) };
  };

  test.each([
    ["v=spf1 ip4:192.0.2.1 -all", "temperror"],
    ["v=spf1 ip4:192.0.2.1 ~all", "temperror"],
    ["v=spf1 ip4:nonsense -all", "temperror"],
    ["v=spf1 ip4:203.0.113.7 -all", "pass"],
    ["v=spf1 ?all", "neutral"],
  ])("that only has answers past their time refuses nobody: %s is %s", async (policy, result) => {
    const strict = { softfail: "reject", permerror: "reject" } as const;
    const dns = stale(policies({ "b.example": policy }));
    const { findings, verdict, failed } = await atMail("a@b.example", strict, dns);
    expect(failed).toBe(false);
    expect(findings.get(SPF)?.result as string).toBe(result);
    expect(verdict).toBeUndefined();
  });

  test("is asked again by the next message where its answer was past its time", async () => {
    const plugin = spf();
    const old = stale(policies({ "b.example": "v=spf1 +all" }));
    await ask(plugin, "mail", from("a@b.example"), { effects: { dns: old } });
    const fresh = dnsOf(policies({ "b.example": "v=spf1 -all" }));
    const { findings } = await ask(plugin, "mail", from("a@b.example"), { effects: { dns: fresh } });
    expect(findings.get(SPF)?.result).toBe("fail");
  });

  test("says nothing: temperror when the time is over, nothing more is asked, nothing remembered", async () => {
    const timers = new FakeTimers();
    const plugin = spf({ timeout: 2000 });
    const records = dnsOf(policies({ "b.example": "v=spf1 a:one.example a:two.example -all" }));
    const late = Promise.withResolvers<void>();
    const questions: string[] = [];
    const dns: Dns = {
      resolve: async (name, type) => {
        questions.push(`${type} ${name}`);
        if (type === "A") await late.promise;
        return records.resolve(name, type);
      },
    };
    const asked = () =>
      ask(plugin, "mail", from("a@b.example"), {
        effects: { dns },
        after: (ms, callback) => timers.after(ms, callback),
      });
    await withTimers(timers, async () => {
      const first = asked();
      await promisesSettle();
      timers.advance(1999);
      await promisesSettle();
      timers.advance(1);
      const { findings, verdict, failed } = await first;
      expect(failed).toBe(false);
      expect(findings.get(SPF)?.result).toBe("temperror");
      expect(verdict).toBeUndefined();
      late.resolve();
      await promisesSettle();
      expect(questions).toEqual(["TXT b.example", "A one.example"]);
      expect((await asked()).findings.get(SPF)?.result).toBe("fail");
    });
  });

  test("is asked nothing more when the client has left", async () => {
    const records = dnsOf(policies({ "b.example": "v=spf1 a:one.example a:two.example -all" }));
    const leaving = new AbortController();
    const dns: Dns = {
      resolve: (name, type) => {
        if (name === "one.example") leaving.abort();
        return records.resolve(name, type);
      },
    };
    await ask(spf(), "mail", from("a@b.example"), { effects: { dns }, clientLeaves: leaving.signal });
    await promisesSettle();
    expect(records.questions).toEqual(["TXT b.example", "A one.example"]);
  });

  test("an evaluation that ends in time leaves no timer", async () => {
    const timers = new FakeTimers();
    await withTimers(timers, async () => {
      await ask(spf(), "mail", from("a@fail.example"), {
        effects: { dns: dnsOf(DNS) },
        after: (ms, callback) => timers.after(ms, callback),
      });
      expect(timers.advance(100_000)).toBe(false);
    });
  });

  test("gives answers that are not changed by who reads them", async () => {
    const exchanges = [
      { exchange: "two.example", priority: 20 },
      { exchange: "one.example", priority: 10 },
    ];
    const dns = dnsOf(
      policies({}, { "a.example": { TXT: [["v=spf1 mx ~all"]], MX: Object.freeze(exchanges) } }),
    );
    const { findings, log } = await atMail("x@a.example", {}, dns);
    expect(findings.get(SPF)?.result).toBe("softfail");
    expect(log).toEqual([]);
    expect(dns.questions.slice(2)).toEqual(["A one.example", "A two.example"]);
  });

  test("gives nonsense for an address: permerror, and said in the log", async () => {
    const dns = dnsOf(
      policies({ "a.example": "v=spf1 a:b.example -all" }, { "b.example": { A: ["nonsense"] } }),
    );
    const { findings, failed, log } = await atMail("x@a.example", {}, dns);
    expect(failed).toBe(false);
    expect(findings.get(SPF)?.result).toBe("permerror");
    expect(log).toEqual(["warn: the evaluation of SPF failed"]);
  });
});

describe("what an attacker's records may cost", () => {
  async function problem(dns: DnsMap): Promise<string | undefined> {
    const { findings, actions } = await atMail("x@a.example", { permerror: "reject" }, dnsOf(dns));
    expect(findings.get(SPF)?.result).toBe("permerror");
    const note = actions.find(({ kind }) => kind === "note");
    return note?.kind === "note" ? String(note.value) : undefined;
  }

  const hosts = (count: number) => Array.from({ length: count }, (_, i) => `h${i}.example`);
  const known = (names: readonly string[]): DnsMap =>
    Object.fromEntries(names.map((name) => [name, { A: ["192.0.2.1"] }]));

  test("ten terms that ask the DNS, and the eleventh is permerror", async () => {
    const record = (count: number) => ({
      "a.example": `v=spf1 ${hosts(count).map((h) => `a:${h}`).join(" ")} ~all`,
    });
    const ten = await atMail("x@a.example", {}, dnsOf(policies(record(10), known(hosts(10)))));
    expect(ten.findings.get(SPF)?.result).toBe("softfail");
    expect(await problem(policies(record(11), known(hosts(11))))).toBe(
      "permerror: more than 10 terms ask the DNS",
    );
  });

  test("two look-ups that find nothing, and the third is permerror", async () => {
    const record = (count: number) => ({
      "a.example": `v=spf1 ${hosts(count).map((h) => `a:${h}`).join(" ")} ~all`,
    });
    const two = await atMail("x@a.example", {}, dnsOf(policies(record(2))));
    expect(two.findings.get(SPF)?.result).toBe("softfail");
    expect(await problem(policies(record(3)))).toBe("permerror: more than 2 look-ups found nothing");
  });

  test("ten hosts of an MX, and the eleventh is permerror", async () => {
    const mx = (count: number): DnsMap => ({
      "a.example": {
        TXT: [["v=spf1 mx ~all"]],
        MX: hosts(count).map((exchange, priority) => ({ exchange, priority })),
      },
      ...known(hosts(count)),
    });
    const ten = await atMail("x@a.example", {}, dnsOf(mx(10)));
    expect(ten.findings.get(SPF)?.result).toBe("softfail");
    expect(await problem(mx(11))).toBe("permerror: an MX has more than 10 hosts");
  });

  test("ten names of a PTR, and the others are left out", async () => {
    const dns = dnsOf({
      ...policies({ "a.example": "v=spf1 ptr:h.example ~all" }),
      ...known(hosts(30)),
      "7.113.0.203.in-addr.arpa": { PTR: hosts(30) },
    });
    const { findings } = await atMail("x@a.example", {}, dns);
    expect(findings.get(SPF)?.result).toBe("softfail");
    expect(dns.questions.filter((question) => question.startsWith("A ")).length).toBe(10);
  });

  test("a term of over 512 octets, which the library would read for seconds, is not read", async () => {
    expect(await problem(policies({ "a.example": `v=spf1 a:x.${"a".repeat(60_000)}! -all` }))).toMatch(
      /longer than/,
    );
    expect(await problem(policies({ "a.example": `v=spf1 a:x.${"a".repeat(600)}! -all` }))).toBe(
      "permerror: the record of a.example has a term of over 512 octets",
    );
  });

  test("records of over 16,384 octets together are not read", async () => {
    const half = `${"ip4:192.0.2.1 ".repeat(600)}`;
    const chain = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [
          i === 0 ? "a.example" : `r${i}.example`,
          `v=spf1 ${half}${i + 1 < count ? `redirect=r${i + 1}.example` : "~all"}`,
        ]),
      );
    const one = await atMail("x@a.example", {}, dnsOf(policies(chain(1))));
    expect(one.findings.get(SPF)?.result).toBe("softfail");
    expect(await problem(policies(chain(2)))).toBe(
      "permerror: the records are longer than 16384 octets together",
    );
  });

  test("thousands of addresses are not read", async () => {
    const many = { "b.example": { A: Array.from({ length: 2001 }, () => "192.0.2.1") } };
    expect(await problem(policies({ "a.example": "v=spf1 a:b.example -all" }, many))).toBe(
      "permerror: more than 2000 records",
    );
  });

  test("policies that include themselves end", async () => {
    expect(await problem(policies({ "a.example": "v=spf1 include:a.example -all" }))).toBe(
      "permerror: more than 10 terms ask the DNS",
    );
  });
});

test("whatever a client says and a domain publishes, there is a result and a verdict that can be told", async () => {
  const bytes = fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 60 }).map((codes) =>
    String.fromCharCode(...codes)
  );
  const word = fc.constantFrom(
    ..."a mx ptr all include: exists: redirect= exp= ip4:203.0.113.0 ip6:::1 /24 //64 - ~ ? %{l} %{S1r} %{p} %{h} b.example"
      .split(" "),
    " ",
    "%",
    "ü",
  );
  const record = fc.array(word, { maxLength: 12 }).map((words) => `v=spf1 ${words.join("")}`);
  await fc.assert(
    fc.asyncProperty(bytes, bytes, record, record, async (helo, localPart, first, second) => {
      const reversePath = { mailbox: `${localPart}@a.example`, localPart, domain: "a.example", utf8: true };
      const answer = await ask(
        spf({ softfail: "reject", permerror: "reject", temperror: "defer" }),
        "mail",
        factsAt("mail", { helo, reversePath }),
        { effects: { dns: dnsOf(policies({ "a.example": first, "b.example": second })) } },
      );
      expect(answer.failure).toBeUndefined();
      expect(answer.log).toEqual([]);
      expect(headerOf(answer)).toMatch(/^Received-SPF: [a-z]+ \([ -~]*;$/);
      const { result } = answer.findings.get(SPF)!;
      expect(answer.verdict === undefined).toBe(["pass", "neutral", "none"].includes(result));
    }),
    { numRuns: 500 },
  );
});
