/**
 * `fcrdns`: a name counts where it points back, and what the DNS cannot say is no fault of the client's.
 */
import { describe, expect, test } from "bun:test";
import { fcrdns, type FcrdnsOptions, GENERIC_NAME } from "../../plugins/fcrdns/mod.ts";
import { ALLOWED, type Dns, REVERSE, type ReverseFinding } from "../../src/mod.ts";
import { type Answer, ask, type DnsMap, dnsOf, factsAt, findingsOf } from "../../src/testing.ts";
import { FakeTimers, promisesSettle, withTimers } from "../support/fake_timers.ts";

const PTR = "7.113.0.203.in-addr.arpa";
const SIX = "2001:db8:1:2:3:4:567:89ab";
const PTR6 = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";

interface Asked {
  readonly reverse: ReverseFinding | undefined;
  readonly generic: string | undefined;
  readonly answer: Answer;
  readonly questions: readonly string[];
  readonly score: number;
}

async function asked(map: DnsMap, options: FcrdnsOptions = {}, host = "203.0.113.7"): Promise<Asked> {
  const dns = dnsOf(map);
  const facts = factsAt("connect", { client: { host, port: 50_000 } });
  const answer = await ask(fcrdns(options), "connect", facts, { effects: { dns } });
  expect(answer.failure).toBeUndefined();
  const { findings } = answer;
  return {
    reverse: findings.get(REVERSE),
    generic: findings.get(GENERIC_NAME),
    answer,
    questions: dns.questions,
    score: findings.score,
  };
}

describe("what the DNS says of the client:", () => {
  const cases: readonly (readonly [string, DnsMap, ReverseFinding])[] = [
    ["a name that points back", {
      [PTR]: { PTR: ["mail.client.example"] },
      "mail.client.example": { A: ["198.51.100.1", "203.0.113.7"] },
    }, { status: "pass", names: ["mail.client.example"], name: "mail.client.example" }],
    ["a name that points elsewhere", {
      [PTR]: { PTR: ["mail.client.example"] },
      "mail.client.example": { A: ["198.51.100.1"] },
    }, { status: "fail", names: ["mail.client.example"], name: undefined }],
    ["a name that does not exist", {
      [PTR]: { PTR: ["mail.client.example"] },
    }, { status: "fail", names: ["mail.client.example"], name: undefined }],
    ["one of several points back", {
      [PTR]: { PTR: ["b.example", "c.example", "a.example"] },
      "a.example": { A: ["192.0.2.1"] },
      "c.example": { A: ["203.0.113.7"] },
    }, { status: "pass", names: ["a.example", "b.example", "c.example"], name: "c.example" }],
    ["one points back, and another cannot be looked up", {
      [PTR]: { PTR: ["a.example", "b.example"] },
      "a.example": { A: "ESERVFAIL" },
      "b.example": { A: ["203.0.113.7"] },
    }, { status: "pass", names: ["a.example", "b.example"], name: "b.example" }],
    ["none points back, and one cannot be looked up", {
      [PTR]: { PTR: ["a.example", "b.example"] },
      "a.example": { A: ["192.0.2.1"] },
      "b.example": { A: "ESERVFAIL" },
    }, { status: "temperror", names: ["a.example", "b.example"], name: undefined }],
    ["no name", {}, { status: "none", names: [], name: undefined }],
    ["records, and none of this type", { [PTR]: { TXT: [["x"]] } }, {
      status: "none",
      names: [],
      name: undefined,
    }],
    ["names that are none", {
      [PTR]: {
        PTR: ["", "localhost", "a b.example", "x".repeat(64) + ".example", "203.0.113.7", "\xff.example"],
      },
    }, { status: "fail", names: [], name: undefined }],
    ["servers that fail", { [PTR]: { PTR: "ESERVFAIL" } }, {
      status: "temperror",
      names: [],
      name: undefined,
    }],
  ];
  for (const [name, map, finding] of cases) {
    test(name, async () => expect((await asked(map)).reverse).toEqual(finding));
  }

  test("an IPv6 client is asked for by its nibbles, and met in any spelling of its address", async () => {
    const { reverse, questions } = await asked(
      {
        [PTR6]: { PTR: ["mail.client.example"] },
        "mail.client.example": { AAAA: ["2001:0DB8:0001:0002:0003:0004:0567:89AB"], A: ["203.0.113.7"] },
      },
      {},
      SIX,
    );
    expect(reverse?.status).toBe("pass");
    expect(questions).toEqual([`PTR ${PTR6}`, "AAAA mail.client.example"]);
  });

  test.each(
    [
      ["no name", {}, "temperror"],
      ["a name that pointed elsewhere", {
        [PTR]: { PTR: ["mail.client.example"] },
        "mail.client.example": { A: ["192.0.2.1"] },
      }, "temperror"],
      ["a name without an address", { [PTR]: { PTR: ["mail.client.example"] } }, "temperror"],
      ["a name that pointed back", {
        [PTR]: { PTR: ["mail.client.example"] },
        "mail.client.example": { A: ["203.0.113.7"] },
      }, "pass"],
    ] as const,
  )("%s in an answer past its time costs nothing", async (_, map: DnsMap, status) => {
    const fresh = dnsOf(map);
    const dns: Dns = { resolve: async (name, type) => ({ ...await fresh.resolve(name, type), stale: true }) };
    const facts = factsAt("connect", { client: { host: "203.0.113.7", port: 50_000 } });
    const { findings } = await ask(fcrdns(), "connect", facts, { effects: { dns } });
    expect(findings.get(REVERSE)?.status).toBe(status);
    expect(findings.score).toBe(0);
  });

  test("an IPv4 address is no IPv6 one", async () => {
    const { reverse } = await asked({
      [PTR]: { PTR: ["mail.client.example"] },
      "mail.client.example": { A: ["::ffff:cb00:7108", "nonsense", ""] },
    });
    expect(reverse?.status).toBe("fail");
  });
});

describe("whoever owns the address cannot make us work:", () => {
  test("of many names only some are asked for, the same ones each time", async () => {
    const names = Array.from({ length: 60 }, (_, i) => `h${String(i).padStart(2, "0")}.example`);
    for (const order of [names, names.toReversed()]) {
      const { reverse, questions } = await asked({
        [PTR]: { PTR: order },
        "h59.example": { A: ["203.0.113.7"] },
      });
      expect(reverse).toEqual({ status: "fail", names: names.slice(0, 5), name: undefined });
      expect(questions).toHaveLength(6);
    }
    const two = await asked({ [PTR]: { PTR: names } }, { names: 2 });
    expect(two.questions).toHaveLength(3);
  });

  test("a name is asked for once", async () => {
    const { questions } = await asked({ [PTR]: { PTR: ["a.example", "A.Example", "a.example"] } });
    expect(questions).toEqual([`PTR ${PTR}`, "A a.example"]);
  });

  const silent: readonly (readonly [string, DnsMap, ReverseFinding])[] = [
    ["the names", { [PTR]: { PTR: "never" } }, { status: "temperror", names: [], name: undefined }],
    ["their addresses", { [PTR]: { PTR: ["a.example"] }, "a.example": { A: "never" } }, {
      status: "temperror",
      names: ["a.example"],
      name: undefined,
    }],
    ["those of one name, while another points back", {
      [PTR]: { PTR: ["a.example", "b.example"] },
      "a.example": { A: "never" },
      "b.example": { A: ["203.0.113.7"] },
    }, { status: "pass", names: ["a.example", "b.example"], name: "b.example" }],
  ];
  for (const [name, map, finding] of silent) {
    test(`servers that never say ${name} cost three seconds, and are a finding`, async () => {
      const timers = new FakeTimers();
      await withTimers(timers, async () => {
        let reverse: ReverseFinding | undefined;
        const done = asked(map).then((given) => reverse = given.reverse);
        await promisesSettle();
        timers.advance(2999);
        await promisesSettle();
        expect(reverse).toBeUndefined();
        timers.advance(1);
        await done;
        expect(reverse).toEqual(finding);
      });
    });
  }

  test("a client that is answered leaves no timer behind", async () => {
    const timers = new FakeTimers();
    await withTimers(timers, async () => {
      await asked({});
      await promisesSettle();
      expect(timers.advance(60_000)).toBe(false);
    });
  });
});

describe("what an outcome brings about:", () => {
  const PASS: DnsMap = {
    [PTR]: { PTR: ["mail.client.example"] },
    "mail.client.example": { A: ["203.0.113.7"] },
  };
  const FAIL: DnsMap = { [PTR]: { PTR: ["mail.client.example"] } };
  const GENERIC: DnsMap = {
    [PTR]: { PTR: ["dsl-7.isp.example.net"] },
    "dsl-7.isp.example.net": { A: ["203.0.113.7"] },
  };
  const BROKEN: DnsMap = { [PTR]: { PTR: "ESERVFAIL" } };

  const scores: readonly (readonly [string, DnsMap, FcrdnsOptions, number])[] = [
    ["pass", PASS, {}, 0],
    ["fail", FAIL, {}, 1],
    ["none", {}, {}, 2],
    ["temperror", BROKEN, {}, 0],
    ["a generic name that points back", GENERIC, {}, 1],
    ["a generic name that does not", { [PTR]: { PTR: ["dsl-7.isp.example.net"] } }, {}, 2],
    ["pass, set", PASS, { pass: { score: -1 } }, -1],
    ["temperror, set", BROKEN, { temperror: { score: 0.5 } }, 0.5],
    ["nothing at all", { [PTR]: { PTR: ["dsl-7.isp.example.net"] } }, { fail: "off", generic: "off" }, 0],
  ];
  for (const [name, map, options, points] of scores) {
    test(`${name}: ${points} points and no verdict`, async () => {
      const { score, answer } = await asked(map, options);
      expect([score, answer.verdict]).toEqual([points, undefined]);
    });
  }

  const verdicts: readonly (readonly [string, DnsMap, FcrdnsOptions, string])[] = [
    ["none", {}, { none: "reject" }, "reject 550 7.25 Your address has no name in the DNS"],
    ["none", {}, { none: "defer" }, "defer 450 7.25 Your address has no name in the DNS"],
    ["fail", FAIL, { fail: "reject" }, "reject 550 7.25 No name of your address points back to it"],
    [
      "temperror",
      BROKEN,
      { temperror: "defer" },
      "defer 450 7.25 The name of your address cannot be looked up now",
    ],
    [
      "generic",
      GENERIC,
      { generic: "reject" },
      "reject 550 7.1 The name of your address looks like that of a dynamic one: use your provider's relay",
    ],
  ];
  for (const [name, map, options, expected] of verdicts) {
    test(`${name}: ${expected.split(" ")[0]}`, async () => {
      const { verdict } = (await asked(map, options)).answer;
      if (verdict?.kind !== "reject" && verdict?.kind !== "defer") throw new Error("no refusal");
      expect(`${verdict.kind} ${verdict.code} ${verdict.enhanced} ${verdict.text}`).toBe(expected);
    });
  }

  test("what may be our own doubt is never refused for good", () => {
    const options = { temperror: "reject" } as unknown as FcrdnsOptions;
    expect(fcrdns(options).mistakes).toEqual([
      'options.temperror: "reject" was given; allowed are "off", "defer" and { score: number }',
    ]);
  });
});

test("an allowed client is named, and nothing comes of it", async () => {
  const facts = factsAt("connect", { findings: findingsOf([ALLOWED, "by a list"]) });
  const dns = dnsOf({ [PTR]: { PTR: ["dsl-7.isp.example.net"] } });
  const answer = await ask(fcrdns({ fail: "reject", generic: "reject" }), "connect", facts, {
    effects: { dns },
  });
  expect([answer.verdict, answer.findings.score]).toEqual([undefined, 0]);
  expect(answer.findings.get(REVERSE)?.status).toBe("fail");
});

test("the name and the outcome are noted", async () => {
  const { answer } = await asked({ [PTR]: { PTR: ["dsl-7.isp.example.net"] } });
  expect(answer.actions.filter(({ kind }) => kind === "note")).toEqual([
    { kind: "note", name: "reverse", value: "fail dsl-7.isp.example.net" },
    { kind: "note", name: "generic", value: 'it holds "dsl"' },
  ]);
});

describe("a client whose address means another host everywhere is not asked about:", () => {
  for (const host of ["127.0.0.1", "10.1.2.3", "::1", "fd00::1", "/run/smtp.sock"]) {
    test(host, async () => {
      const { reverse, questions } = await asked({}, {}, host);
      expect([reverse, questions]).toEqual([undefined, []]);
    });
  }

  test("unless that is wanted", async () => {
    const { reverse } = await asked({}, { privateAddresses: "check" }, "10.1.2.3");
    expect(reverse?.status).toBe("none");
  });
});

test("a DNS that breaks in another way is a fault of the plugin", async () => {
  const dns: Dns = { resolve: () => Promise.reject(new TypeError("broken")) };
  const answer = await ask(fcrdns(), "connect", factsAt("connect"), { effects: { dns } });
  expect((answer.failure as Error).message).toBe("broken");
  expect(answer.verdict).toBeUndefined();
});
