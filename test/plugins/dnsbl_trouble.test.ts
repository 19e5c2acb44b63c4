/**
 * `dnsbl` and zones that are late, away, or no lists: no false refusal, no wait past the time that a zone has, and a line
 * and a metric that say so.
 */
import { describe, expect, test } from "bun:test";
import { dnsbl } from "../../plugins/dnsbl/mod.ts";
import { definePlugin, type Dns, DnsError, parallel } from "../../src/mod.ts";
import { ask, atOnce, dnsOf, factsAt } from "../../src/testing.ts";
import { FakeTimers, withTimers } from "../support/fake_timers.ts";
import { type Lists, Lookout, recordsOf, sound } from "./dnsbl_scene.ts";

/** The client of the tests, 203.0.113.7, in a zone. */
const at = (zone: string) => `7.113.0.203.${zone}`;

const BLOCKED = "550 Client host blocked using";
const HOUR = 3_600_000;

/** A DNS that answers for one zone only after a time; the timers are the scene's. */
function slow(zone: string, ms: number): (known: Dns) => Dns {
  return (known) => ({
    resolve: (name, type) =>
      name.endsWith(`.${zone}`)
        ? new Promise((resolve) => setTimeout(() => resolve(known.resolve(name, type)), ms))
        : known.resolve(name, type),
  });
}

describe("a zone that is late", () => {
  test("costs its time and no more, and what the others say counts", async () => {
    const lists: Lists = { [at("slow.example")]: "never", [at("a.example")]: "127.0.0.2" };
    const lookout = new Lookout(lists, { sites: "slow.example*9 a.example*2", threshold: 5 });
    expect(await lookout.time("connect")).toBe(2000);
    expect(lookout.finding()?.score).toBe(2);
    expect(lookout.log).toEqual(["DNS list slow.example was left out: no answer within 2000 ms"]);
    expect(lookout.counted("dnsbl_errors")).toEqual({ 'zone="slow.example",error="late"': 1 });
    expect(lookout.counted("dnsbl_listed")).toEqual({ 'zone="a.example"': 1 });
    expect(lookout.chain.told("plugin failed", "cause")).toEqual([]);
    expect(lookout.chain.dossier.takeTrail()).toEqual([
      "dnsbl@connect:slow.example=late",
      "dnsbl@connect:a.example=127.0.0.2",
    ]);
  });

  test("does not spare a client that the others refuse", async () => {
    const lists: Lists = { [at("slow.example")]: "never", [at("a.example")]: "127.0.0.2" };
    const lookout = new Lookout(lists, { sites: "slow.example a.example" });
    expect(await lookout.verdict("connect", {}, 2000)).toBe(`${BLOCKED} a.example`);
  });

  test("and answers in the end is left out all the same", async () => {
    const lookout = new Lookout({ [at("slow.example")]: "127.0.0.2" }, { sites: "slow.example" }, {
      dns: slow("slow.example", 2100),
    });
    expect(await lookout.verdict("connect", {}, 2000)).toBe("pass");
    await lookout.pass(5000);
    expect(lookout.finding()).toEqual({ score: 0, lists: [] });
    expect(lookout.counted("dnsbl_listed")).toEqual({});
    expect(lookout.log).toHaveLength(1);
  });

  test("is waited for as long as it may take", async () => {
    const lookout = new Lookout({ [at("slow.example")]: "127.0.0.2" }, {
      sites: "slow.example",
      reasonTimeout: 0,
    }, {
      dns: slow("slow.example", 1900),
    });
    expect(await lookout.time("connect")).toBe(1900);
    expect(lookout.finding()?.score).toBe(1);
    expect(lookout.log).toEqual([]);
  });

  test("has a time of its own, and the others have theirs", async () => {
    const sites = [{ zone: "quick.example", timeout: 300 }, { zone: "slow.example" }];
    const lookout = new Lookout({ [at("slow.example")]: "never", [at("quick.example")]: "never" }, {
      sites,
      timeout: 1000,
    });
    expect(await lookout.time("connect")).toBe(1000);
    expect(lookout.log).toEqual([
      "DNS list quick.example was left out: no answer within 300 ms",
      "DNS list slow.example was left out: no answer within 1000 ms",
    ]);
    const alone = new Lookout({ [at("quick.example")]: "never" }, { sites, timeout: 1000 });
    expect(await alone.time("connect")).toBe(300);
  });

  test("leaves the others of a parallel group their time", async () => {
    const verdicts: string[] = [];
    const other = definePlugin(
      "other",
      () => ({ onError: "pass", connect: () => void verdicts.push("asked") }),
    )();
    const lookout = new Lookout({ [at("slow.example")]: "never" }, { sites: "slow.example" }, {
      rules: (plugin) => [parallel(plugin, other)],
    });
    expect(await lookout.time("connect")).toBe(2000);
    expect(verdicts).toEqual(["asked"]);
  });

  test("and answers while others are still waited for is left out all the same", async () => {
    const lookout = new Lookout({ [at("quick.example")]: "127.0.0.2", [at("slow.example")]: "never" }, {
      sites: [{ zone: "quick.example", timeout: 300 }, { zone: "slow.example" }],
    }, { dns: slow("quick.example", 500) });
    expect(await lookout.time("connect")).toBe(2000);
    expect(lookout.finding()).toEqual({ score: 0, lists: [] });
    expect(lookout.log).toHaveLength(2);
  });

  test("leaves no timer behind, nor does one that answers", async () => {
    for (const [answer, ms] of [["never", 2000], ["127.0.0.2", 0]] as const) {
      const lookout = new Lookout({ [at("a.example")]: answer }, { sites: "a.example b.example" });
      await lookout.verdict("connect", {}, ms);
      expect(lookout.chain.timers.advance(60_000)).toBe(false);
    }
  });

  test("is cut by the stage's deadline, if it may take longer", async () => {
    const lookout = new Lookout({ [at("slow.example")]: "never" }, {
      sites: "slow.example",
      timeout: 10_000,
    });
    expect(await lookout.time("connect")).toBe(5000);
    expect(lookout.chain.told("plugin failed", "kind", "cause")).toEqual([
      "timeout no verdict within 5000 ms",
    ]);
  });
});

describe("a zone that cannot be asked is no listing:", () => {
  for (const code of ["ESERVFAIL", "EREFUSED", "ETIMEOUT", "EBADRESP"] as const) {
    test(code, async () => {
      const lists = { [at("a.example")]: code, [at("b.example")]: "127.0.0.2" };
      const lookout = new Lookout(lists, { sites: "a.example b.example", threshold: 2 });
      expect(await lookout.verdict("connect")).toBe("pass");
      expect(lookout.finding()?.score).toBe(1);
      expect(lookout.counted("dnsbl_errors")).toEqual({ [`zone="a.example",error="${code}"`]: 1 });
      expect(lookout.log).toEqual([`DNS list a.example was left out: the name servers failed (${code})`]);
    });
  }

  test("a key in the zone is told neither to the log nor to metrics", async () => {
    const lookout = new Lookout({ [at("s3cret.zen.example")]: "ESERVFAIL" }, {
      sites: "s3cret.zen.example",
      zoneNames: { "s3cret.zen.example": "zen.example" },
    });
    await lookout.verdict("connect");
    expect(lookout.log).toHaveLength(1);
    expect(
      JSON.stringify([lookout.chain.lines, lookout.chain.metrics.text(), lookout.chain.dossier.takeTrail()]),
    )
      .not.toContain("s3cret");
  });
});

test("a zone's troubles are logged once a minute, and counted each time", async () => {
  const lookout = new Lookout({ [at("a.example")]: "ESERVFAIL", [at("b.example")]: "ESERVFAIL" }, {
    sites: "a.example b.example",
  });
  for (let i = 0; i < 50; i++) await lookout.verdict("connect");
  expect(lookout.log).toHaveLength(2);
  await lookout.pass(59_999);
  await lookout.verdict("connect");
  expect(lookout.log).toHaveLength(2);
  await lookout.pass(1);
  await lookout.verdict("connect");
  expect(lookout.log).toHaveLength(4);
  expect(lookout.chain.told("plugin", "zone", "unreported").slice(2)).toEqual([
    "a.example 50",
    "b.example 50",
  ]);
  expect(lookout.counted("dnsbl_errors")).toEqual({
    'zone="a.example",error="ESERVFAIL"': 52,
    'zone="b.example",error="ESERVFAIL"': 52,
  });
});

describe("the test of a zone (RFC 5782 §5):", () => {
  const listed = { [at("a.example")]: "127.0.0.2" };
  const mapped = (last: number) => `${last}.0.0.0.0.0.f.7.f.f.f.f.${"0.".repeat(20)}a.example`;

  /** What a client of 203.0.113.7 hears, and what was said of the zone. */
  async function tested(lists: Lists, client?: string, options = {}) {
    const lookout = new Lookout(
      lists,
      { sites: "a.example", reasonTimeout: 0, ...options },
      client ? { client } : {},
    );
    await lookout.setUp();
    return { lookout, verdict: await lookout.verdict("connect"), log: lookout.log };
  }

  const skipped: readonly (readonly [string, Lists, string])[] = [
    ["it lists 127.0.0.1", {
      ...sound("a.example"),
      "1.0.0.127.a.example": "127.0.0.2",
    }, "it lists 127.0.0.1, as no list may"],
    ["it lists neither test entry", {}, "it lists neither 127.0.0.2 nor ::FFFF:7F00:2"],
    ["it answers our test with an error", {
      "2.0.0.127.a.example": "127.255.255.254",
    }, "asked for 127.0.0.2 it answers 127.255.255.254"],
    ["it answers anything with an error", {
      "1.0.0.127.a.example": "127.255.255.254",
      "2.0.0.127.a.example": "127.255.255.254",
    }, "asked for 127.0.0.1 it answers 127.255.255.254"],
    ["it answers as a web server", {
      "2.0.0.127.a.example": "192.0.2.80",
    }, "asked for 127.0.0.2 it answers 192.0.2.80"],
    ["it lists 127.0.0.1 and the other question is not answered", {
      "1.0.0.127.a.example": "127.0.0.2",
      "2.0.0.127.a.example": "ESERVFAIL",
    }, "it lists 127.0.0.1, as no list may"],
  ];
  for (const [name, lists, fault] of skipped) {
    test(`${name}: it is skipped and shouted about`, async () => {
      const { lookout, verdict, log } = await tested({ ...listed, ...lists });
      expect(verdict).toBe("pass");
      expect(log).toEqual([`DNS list a.example is skipped: ${fault} (RFC 5782 section 5)`]);
      expect(lookout.dns.questions).not.toContain(`A ${at("a.example")}`);
      expect(lookout.counted("dnsbl_skipped")).toEqual({ 'zone="a.example"': 1 });
      expect(lookout.counted("dnsbl_tests_failed")).toEqual({ 'zone="a.example"': 1 });
      expect(lookout.chain.dossier.takeTrail()).toEqual(["dnsbl@connect:a.example=skipped"]);
    });
  }

  const used: readonly (readonly [string, Lists])[] = [
    ["it lists 127.0.0.2 alone", sound("a.example")],
    ["it lists ::FFFF:7F00:2 alone, as lists of IPv6 do", { [mapped(2)]: "127.0.0.2" }],
    ["it cannot be asked", { "1.0.0.127.a.example": "ESERVFAIL", "2.0.0.127.a.example": "ESERVFAIL" }],
    ["half of it cannot be asked", { "1.0.0.127.a.example": "ETIMEOUT", "2.0.0.127.a.example": "127.0.0.2" }],
    ["the one family is not there and the other cannot be asked", { [mapped(2)]: "ESERVFAIL" }],
  ];
  for (const [name, lists] of used) {
    test(`${name}: it is used`, async () => {
      const { verdict, log } = await tested({ ...listed, ...lists });
      expect(verdict).toBe(`${BLOCKED} a.example`);
      expect(log).toEqual([]);
    });
  }

  test("a family that lists everybody is skipped, and the other is used", async () => {
    const six = `${"1.".padEnd(24, "0.")}0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.a.example`;
    const lists = {
      ...listed,
      ...sound("a.example"),
      [mapped(1)]: "127.0.0.2",
      [mapped(2)]: "127.0.0.2",
      [six]: "127.0.0.2",
    };
    expect((await tested(lists)).verdict).toBe(`${BLOCKED} a.example`);
    const { lookout, verdict, log } = await tested(lists, "2001:db8::1");
    expect([verdict, log]).toEqual(["pass", [
      "DNS list a.example is skipped: it lists ::FFFF:7F00:1, as no list may (RFC 5782 section 5)",
    ]]);
    expect(lookout.dns.questions).not.toContain(`A ${six}`);
  });

  test("a zone that never answers its test is used, and counted", async () => {
    const never = { "1.0.0.127.a.example": "never", "2.0.0.127.a.example": "never" };
    const lookout = new Lookout({ ...listed, ...never }, { sites: "a.example", reasonTimeout: 0 });
    await lookout.setUp();
    await lookout.pass(2000);
    expect(await lookout.verdict("connect")).toBe(`${BLOCKED} a.example`);
    expect(lookout.counted("dnsbl_tests_unanswered")).toEqual({ 'zone="a.example"': 1 });
    await lookout.pass(300_000);
    expect(lookout.dns.questions.filter((question) => question === "A 2.0.0.127.a.example")).toHaveLength(2);
  });

  test("is for lists of names TEST and INVALID", async () => {
    const refused = async (lists: Lists) => {
      const lookout = new Lookout({ "client.example.a.example": "127.0.0.2", ...lists }, {
        sites: "a.example",
        of: "helo",
        reasonTimeout: 0,
      });
      await lookout.setUp();
      return [await lookout.verdict("helo"), ...lookout.log];
    };
    expect(await refused({ "test.a.example": "127.0.0.2" })).toEqual([
      "550 HELO name blocked using a.example",
    ]);
    expect(await refused({})).toEqual([
      "pass",
      "DNS list a.example is skipped: it does not list TEST (RFC 5782 section 5)",
    ]);
    expect(await refused({ "test.a.example": "127.0.0.2", "invalid.a.example": "127.0.0.2" })).toEqual([
      "pass",
      "DNS list a.example is skipped: it lists INVALID, as no list may (RFC 5782 section 5)",
    ]);
  });

  test("can be left out, of one list or of all", async () => {
    for (const options of [{ selfTest: false }, { sites: [{ zone: "a.example", selfTest: false }] }]) {
      const { lookout, verdict } = await tested(listed, undefined, options);
      expect(verdict).toBe(`${BLOCKED} a.example`);
      expect(lookout.dns.questions).toEqual([`A ${at("a.example")}`]);
    }
  });

  test("is one for several uses of a zone", async () => {
    const lookout = new Lookout({}, {
      sites: [{ zone: "a.example", of: "helo" }, { zone: "a.example", of: "sender" }],
    });
    await lookout.setUp();
    expect(lookout.dns.questions).toEqual(["A test.a.example", "A invalid.a.example"]);
    expect(lookout.log).toHaveLength(1);
  });
});

describe("tests come again:", () => {
  /** A zone whose records a test changes. */
  function changing(first: Lists) {
    let current = dnsOf(recordsOf(first));
    const lookout = new Lookout({}, { sites: "a.example", reasonTimeout: 0 }, {
      dns: () => ({ resolve: (name, type) => current.resolve(name, type) }),
    });
    const become = (lists: Lists) => void (current = dnsOf(recordsOf(lists)));
    return { lookout, become, asked: () => current.questions };
  }
  const listed = { [at("a.example")]: "127.0.0.2" };
  const good = { ...listed, ...sound("a.example") };

  test("a zone that dies is skipped within the hour, and used again soon after it lives", async () => {
    const { lookout, become } = changing(good);
    await lookout.setUp();
    for (let minutes = 0; minutes < 55; minutes += 5) await lookout.pass(300_000);
    expect(await lookout.verdict("connect")).toBe(`${BLOCKED} a.example`);
    become({ ...listed, "1.0.0.127.a.example": "127.0.0.2", ...sound("a.example") });
    await lookout.pass(300_000);
    expect(await lookout.verdict("connect")).toBe("pass");
    await lookout.pass(300_000);
    become(good);
    await lookout.pass(300_000);
    expect(await lookout.verdict("connect")).toBe(`${BLOCKED} a.example`);
    const fault = "it lists 127.0.0.1, as no list may";
    expect(lookout.log).toEqual([
      `DNS list a.example is skipped: ${fault} (RFC 5782 section 5)`,
      `DNS list a.example is skipped: ${fault} (RFC 5782 section 5)`,
      "DNS list a.example is used again: it has passed its test",
    ]);
  });

  test("a skipped zone stays so where a later test is not answered", async () => {
    const { lookout, become } = changing(listed);
    await lookout.setUp();
    become({ ...listed, "1.0.0.127.a.example": "ESERVFAIL", "2.0.0.127.a.example": "ESERVFAIL" });
    await lookout.pass(HOUR);
    expect(await lookout.verdict("connect")).toBe("pass");
    become(good);
    await lookout.pass(HOUR);
    expect(await lookout.verdict("connect")).toBe(`${BLOCKED} a.example`);
  });

  test("a sound zone is left in peace for an hour", async () => {
    const { lookout, asked } = changing(good);
    await lookout.setUp();
    const first = asked().length;
    for (let minutes = 0; minutes < 55; minutes += 5) await lookout.pass(300_000);
    expect(asked().length).toBe(first);
    await lookout.pass(300_000);
    expect(asked().length).toBe(2 * first);
  });
});

describe("while the first test is under way", () => {
  test("a client waits for it, and is not refused by a zone that fails it", async () => {
    const lists = { [at("a.example")]: "127.0.0.2", "1.0.0.127.a.example": "127.0.0.2" };
    const delayed = (known: Dns): Dns => ({
      resolve: (name, type) =>
        name.startsWith("1.0.0.127")
          ? new Promise((resolve) => setTimeout(() => resolve(known.resolve(name, type)), 700))
          : known.resolve(name, type),
    });
    const lookout = new Lookout(lists, { sites: "a.example" }, { dns: delayed });
    await lookout.setUp();
    expect(await lookout.time("connect")).toBe(700);
    expect(lookout.counted("dnsbl_skipped")).toEqual({ 'zone="a.example"': 1 });
    expect(lookout.finding()?.score).toBe(0);
  });

  test("a client waits no longer than for the zone itself", async () => {
    const lists: Lists = {
      ...sound("a.example"),
      "1.0.0.127.a.example": "never",
      [at("a.example")]: "127.0.0.2",
    };
    const lookout = new Lookout(lists, { sites: [{ zone: "a.example", timeout: 500 }], reasonTimeout: 0 });
    await lookout.setUp();
    expect(await lookout.time("connect")).toBe(500);
    expect(lookout.finding()?.score).toBe(1);
  });
});

test("a DNS that breaks in another way is a fault of the plugin, and costs what onError says", async () => {
  const dns: Dns = { resolve: () => Promise.reject(new TypeError("broken")) };
  const answers = ["pass", "defer"] as const;
  for (const onError of answers) {
    const answer = await ask(dnsbl({ sites: "a.example", onError }), "connect", factsAt("connect"), {
      effects: { dns },
      after: (ms, callback) => atOnce(ms, callback),
    });
    expect((answer.failure as Error).message).toBe("broken");
    expect(answer.verdict?.kind).toBe(onError === "pass" ? undefined : "defer");
  }
});

test("a client that leaves takes its questions with it", async () => {
  const timers = new FakeTimers();
  await withTimers(timers, async () => {
    const leaves = new AbortController();
    const asked = ask(dnsbl({ sites: "a.example" }), "connect", factsAt("connect"), {
      effects: { dns: dnsOf({ [at("a.example")]: { A: "never" } }), now: () => timers.now },
      clientLeaves: leaves.signal,
    });
    leaves.abort();
    expect((await asked).failed).toBe(false);
  });
});

test("a DnsError is what makes a zone's failure temporary, whatever it says", async () => {
  const dns: Dns = {
    resolve: () => Promise.reject(new DnsError("ECONNREFUSED", "A of x", "nobody is there")),
  };
  const answer = await ask(dnsbl({ sites: "a.example" }), "connect", factsAt("connect"), {
    effects: { dns },
  });
  expect([answer.failed, answer.verdict]).toEqual([false, undefined]);
  expect(answer.log).toEqual([
    "warn: DNS list a.example was left out: the name servers failed (ECONNREFUSED)",
  ]);
});
