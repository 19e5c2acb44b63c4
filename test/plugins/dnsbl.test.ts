/**
 * `dnsbl`: what lists say is weighed, and what is no listing never counts.
 */
import { describe, expect, test } from "bun:test";
import {
  ALLOWED,
  atRcpt,
  definePlugin,
  DNSBL,
  found,
  note,
  reject,
  REVERSE,
  threshold,
} from "../../src/mod.ts";
import { ask, dnsOf, factsAt, findingsOf, path } from "../../src/testing.ts";
import { dnsbl, type DnsblOptions } from "../../plugins/dnsbl/mod.ts";
import { type Lists, Lookout, recordsOf } from "./dnsbl_scene.ts";

/** The client of the tests, 203.0.113.7, in a zone. */
const at = (zone: string) => `7.113.0.203.${zone}`;

function connect(lists: Lists, options: DnsblOptions | string): Promise<string> {
  return new Lookout(lists, typeof options === "string" ? { sites: options } : options).verdict("connect");
}

const BLOCKED = "550 Client host blocked using";

describe("a listed client is refused, another is not:", () => {
  const cases: readonly (readonly [string, Lists, string, string])[] = [
    ["on the list", { [at("a.example")]: "127.0.0.2" }, "a.example", `${BLOCKED} a.example`],
    ["on no list", {}, "a.example b.example", "pass"],
    ["on one of two", { [at("b.example")]: "127.0.0.2" }, "a.example b.example", `${BLOCKED} b.example`],
    [
      "the weights reach the threshold",
      {
        [at("a.example")]: "127.0.0.2",
        [at("b.example")]: "127.0.0.2",
      },
      "a.example*1 b.example*2",
      `${BLOCKED} b.example, a.example`,
    ],
    [
      "an allow list outweighs it",
      {
        [at("a.example")]: "127.0.0.2",
        [at("wl.example")]: "127.0.5.1",
      },
      "a.example*2 wl.example*-2",
      "pass",
    ],
    [
      "an answer that the filter does not name",
      { [at("a.example")]: "127.0.0.12" },
      "a.example=127.0.0.[2..11]",
      "pass",
    ],
    [
      "one of several answers is named",
      {
        [at("a.example")]: ["127.0.0.12", "127.0.0.4"],
      },
      "a.example=127.0.0.[2..11]",
      `${BLOCKED} a.example`,
    ],
    ["a weight of 0", { [at("a.example")]: "127.0.0.2" }, "a.example*0", "pass"],
  ];
  for (const [name, lists, sites, verdict] of cases) {
    test(name, async () => expect(await connect(lists, sites)).toBe(verdict));
  }

  test("an IPv6 client is asked for by its nibbles (RFC 5782 §2.4)", async () => {
    const name = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example";
    const lookout = new Lookout({ [name]: "127.0.0.2" }, { sites: "ugly.example" }, {
      client: "2001:db8:1:2:3:4:567:89ab",
    });
    expect(await lookout.verdict("connect")).toBe(`${BLOCKED} ugly.example`);
  });
});

describe("a pattern counts once, and each for itself:", () => {
  const answers = { [at("a.example")]: ["127.0.0.2", "127.0.0.3", "127.0.0.10"] };
  const cases: readonly (readonly [string, number, readonly string[]])[] = [
    ["a.example=127.0.0.[2..3]*5", 5, ["127.0.0.2", "127.0.0.3"]],
    ["a.example=127.0.0.2*5 a.example=127.0.0.3*7", 12, ["127.0.0.2", "127.0.0.3"]],
    ["a.example=127.0.0.2*5 a.example*1", 6, ["127.0.0.2", "127.0.0.3", "127.0.0.10"]],
    ["a.example=127.0.0.2*5 a.example=127.0.0.[2..255]*-2", 3, ["127.0.0.2", "127.0.0.3", "127.0.0.10"]],
  ];
  for (const [sites, points, counted] of cases) {
    test(sites, async () => {
      const lookout = new Lookout(answers, { sites, reasonTimeout: 0 });
      await lookout.verdict("connect");
      expect(lookout.finding()).toEqual({
        score: points,
        lists: [{ zone: "a.example", answers: counted, weight: points, reason: undefined }],
      });
      expect(lookout.dns.questions).toEqual(["A 7.113.0.203.a.example"]);
    });
  }
});

describe("what is no listing never counts, and is told of:", () => {
  const cases: readonly (readonly [string, Lists, string, string, string])[] = [
    ["an error code", { [at("a.example")]: "127.255.255.254" }, "a.example", "refused", "127.255.255.254"],
    [
      "an error code that a filter names",
      { [at("a.example")]: "127.255.255.254" },
      "a.example=127.255.255.[0..255]",
      "refused",
      "127.255.255.254",
    ],
    [
      "an error code beside a listing",
      { [at("a.example")]: ["127.0.0.2", "127.255.255.252"] },
      "a.example",
      "refused",
      "127.255.255.252",
    ],
    ["127.0.0.1", { [at("a.example")]: "127.0.0.1" }, "a.example", "refused", "127.0.0.1"],
    ["a parked zone", { [at("a.example")]: "192.0.2.80" }, "a.example", "stray", "192.0.2.80"],
  ];
  for (const [name, lists, sites, error, answer] of cases) {
    test(name, async () => {
      const lookout = new Lookout(lists, { sites });
      expect(await lookout.verdict("connect")).toBe("pass");
      expect(lookout.finding()).toEqual({ score: 0, lists: [] });
      expect(lookout.counted("dnsbl_errors")).toEqual({ [`zone="a.example",error="${error}"`]: 1 });
      expect(lookout.counted("dnsbl_listed")).toEqual({});
      expect(lookout.log).toHaveLength(1);
      expect(lookout.log[0]).toContain(`DNS list a.example was left out: it answered ${answer}`);
    });
  }

  test("127.0.0.1 counts for who asks for it", async () => {
    expect(await connect({ [at("a.example")]: "127.0.0.1" }, "a.example=127.0.0.[1..2]"))
      .toBe(`${BLOCKED} a.example`);
  });

  test("a listing past its time", async () => {
    const lookout = new Lookout({}, { sites: "a.example" }, {
      dns: () => ({
        resolve: () =>
          Promise.resolve({ status: "ok", records: ["127.0.0.2"] as never, ttl: 0, stale: true }),
      }),
    });
    expect(await lookout.verdict("connect")).toBe("pass");
    expect(lookout.counted("dnsbl_errors")).toEqual({ 'zone="a.example",error="stale"': 1 });
  });
});

describe("the reply", () => {
  const reply = (lists: Lists, options: Partial<DnsblOptions> = {}, zone = "a.example") =>
    connect({ [at(zone)]: { A: ["127.0.0.2"] }, ...lists }, { sites: zone, ...options });
  const because = (...strings: readonly string[]) =>
    reply({ [at("a.example")]: { A: ["127.0.0.2"], TXT: [strings] } });

  test("says what the list says", async () => {
    expect(await because("Spam sent, see ", "https://a.example/?203.0.113.7"))
      .toBe(`${BLOCKED} a.example: Spam sent, see https://a.example/?203.0.113.7`);
  });

  const dirty: readonly (readonly [string, string, string])[] = [
    ["line ends and other control signs", "Spam\r\n250 Ok\0\x1b[31m", "Spam 250 Ok??[31m"],
    ["UTF-8", "g\xc3\xbcnstig \xf0\x9f\x98\x80", "g?nstig ?"],
    ["what is no UTF-8", "\xff\xfe!", "??!"],
    ["nothing but spaces", " \t ", ""],
  ];
  for (const [name, reason, clean] of dirty) {
    test(`holds printable ASCII alone: ${name}`, async () => {
      expect(await because(reason)).toBe(`${BLOCKED} a.example${clean && `: ${clean}`}`);
    });
  }

  test("is never too long to be one", async () => {
    const zone = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.io`;
    const text = await reply(
      { [at(zone)]: { A: ["127.0.0.2"], TXT: [["x".repeat(255), "x".repeat(255)]] } },
      {},
      zone,
    );
    expect(text).toMatch(/^550 Client host blocked using a+\.b+\.c+\.io: x+\.\.\.$/);
    expect(text.length).toBeLessThanOrEqual("550 ".length + 400);
  });

  test("has the zone's other name in the place of its key", async () => {
    const text = await reply(
      {},
      { zoneNames: { "S3cret.zen.example": "zen.example" } },
      "s3cret.zen.example",
    );
    expect(text).toBe(`${BLOCKED} zen.example`);
  });

  test("asks for the reason of the heaviest list alone, and only where it refuses", async () => {
    const lists = { [at("a.example")]: "127.0.0.2", [at("b.example")]: "127.0.0.2" };
    const refused = new Lookout(lists, { sites: "a.example*1 b.example*2" });
    await refused.verdict("connect");
    expect(refused.dns.questions).toEqual([
      `A ${at("a.example")}`,
      `A ${at("b.example")}`,
      `TXT ${at("b.example")}`,
    ]);
    const light = new Lookout(lists, { sites: "a.example b.example", threshold: 3 });
    expect(await light.verdict("connect")).toBe("pass");
    expect(light.dns.questions).toEqual([`A ${at("a.example")}`, `A ${at("b.example")}`]);
  });

  test("goes without a reason that cannot be had", async () => {
    for (const TXT of ["ESERVFAIL", []] as const) {
      expect(await reply({ [at("a.example")]: { A: ["127.0.0.2"], TXT } })).toBe(`${BLOCKED} a.example`);
    }
  });

  test("does not wait for a reason for longer than it may", async () => {
    const lists: Lists = { [at("a.example")]: { A: ["127.0.0.2"], TXT: "never" } };
    expect(await new Lookout(lists, { sites: "a.example" }).time("connect")).toBe(1000);
    expect(await new Lookout(lists, { sites: "a.example", reasonTimeout: 250 }).time("connect")).toBe(250);
    expect(await new Lookout(lists, { sites: "a.example", reasonTimeout: 0 }).time("connect")).toBe(0);
  });
});

describe("the sum decides:", () => {
  const lists = { [at("a.example")]: "127.0.0.2", [at("b.example")]: "127.0.0.2" };
  const sites = "a.example*2 b.example*2";
  const verdict = (options: Partial<DnsblOptions>) => connect(lists, { sites, ...options });

  test("from the threshold on it is a rejection", async () => {
    expect(await verdict({ threshold: 4 })).toBe(`${BLOCKED} a.example, b.example`);
    expect(await verdict({ threshold: 5 })).toBe("pass");
  });

  test("from defer on it is a deferral", async () => {
    expect(await verdict({ threshold: 5, defer: 4 })).toBe(
      "450 Client host blocked using a.example, b.example",
    );
    expect(await verdict({ threshold: 6, defer: 5 })).toBe("pass");
  });

  test("as a score it is left to the judge", async () => {
    const lookout = new Lookout(lists, { sites, mode: "score" }, {
      rules: (plugin) => [plugin, threshold({ reject: 4 })],
    });
    expect(await lookout.verdict("connect")).toBe("pass");
    expect(lookout.chain.dossier.findings("connect").scores).toEqual([
      { plugin: "dnsbl", points: 2, reason: "client is on a.example" },
      { plugin: "dnsbl", points: 2, reason: "client is on b.example" },
    ]);
    expect(await lookout.verdict("rcpt")).toBe("550 Refused: score 4");
    expect(lookout.dns.questions.filter((question) => question.startsWith("TXT"))).toEqual([]);
  });
});

describe("who is welcome:", () => {
  const lists = { [at("wl.example")]: "127.0.5.2", [at("a.example")]: "127.0.0.2" };
  const allowed = async (options: DnsblOptions) => {
    const lookout = new Lookout(lists, options);
    await lookout.verdict("connect");
    return lookout.chain.dossier.findings("connect").get(ALLOWED);
  };

  test("nobody, unless it is asked for", async () => {
    expect(await allowed({ sites: "wl.example*-5" })).toBeUndefined();
  });

  test("up to the threshold, and not above it", async () => {
    expect(await allowed({ sites: "wl.example*-5", allowThreshold: -5 })).toBe("on wl.example");
    expect(await allowed({ sites: "wl.example*-5 a.example*1", allowThreshold: -5 })).toBeUndefined();
  });

  test("not one of whom no list knows anything", async () => {
    expect(await allowed({ sites: "b.example", allowThreshold: -1 })).toBeUndefined();
  });
});

describe("a client whose address means another host everywhere is not asked about:", () => {
  const hosts = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.7.1",
    "172.31.0.1",
    "100.64.1.1",
    "169.254.0.9",
    "::1",
    "fd00::1",
  ];
  for (const host of [...hosts, "fe80::1", "/run/smtp.sock"]) {
    test(host, async () => {
      const lookout = new Lookout({}, { sites: "a.example" }, { client: host });
      expect(await lookout.verdict("connect")).toBe("pass");
      expect(lookout.dns.questions).toEqual([]);
    });
  }

  test("unless that is wanted", async () => {
    const lookout = new Lookout(
      { "3.2.1.10.a.example": "127.0.0.2" },
      { sites: "a.example", privateAddresses: "check" },
      {
        client: "10.1.2.3",
      },
    );
    expect(await lookout.verdict("connect")).toBe(`${BLOCKED} a.example`);
  });
});

describe("lists of names", () => {
  const of = (of: "helo" | "sender" | "reverse") => ({ sites: "dbl.example", of }) as const;

  test("are asked at the stage that knows the name, and at no other", () => {
    const stages = (options: DnsblOptions) =>
      Object.keys(dnsbl(options)).filter((key) => ["connect", "helo", "mail", "rcpt"].includes(key));
    expect(stages({ sites: "a.example" })).toEqual(["connect"]);
    expect(stages(of("helo"))).toEqual(["helo"]);
    expect(stages(of("reverse"))).toEqual(["helo"]);
    expect(stages(of("sender"))).toEqual(["mail"]);
    expect(stages({ sites: [{ zone: "a.example" }, { zone: "a.example", of: "sender" }] }))
      .toEqual(["connect", "mail"]);
  });

  test("know a HELO name", async () => {
    const lookout = new Lookout({ "spam.example.dbl.example": "127.0.1.2" }, of("helo"));
    expect(await lookout.verdict("helo", { helo: "Spam.Example." })).toBe(
      "550 HELO name blocked using dbl.example",
    );
    expect(await lookout.verdict("helo", { helo: "ham.example" })).toBe("pass");
  });

  test("know a sender's domain", async () => {
    const lookout = new Lookout({ "spam.example.dbl.example": "127.0.1.2" }, of("sender"));
    expect(await lookout.verdict("mail", { reversePath: path("a@SPAM.example") })).toBe(
      "550 Sender domain blocked using dbl.example",
    );
  });

  test("are asked for the ASCII form of an international name", async () => {
    const lookout = new Lookout({}, of("sender"));
    await lookout.verdict("mail", { reversePath: path("a@bücher.example") });
    expect(lookout.dns.questions).toEqual(["A xn--bcher-kva.example.dbl.example"]);
  });

  test("know the client's confirmed name, and are not asked for another", async () => {
    const lists = recordsOf({ "spam.example.dbl.example": "127.0.1.2" });
    const reverse = (name: string | undefined) =>
      ask(
        dnsbl({ ...of("reverse"), reasonTimeout: 0 }),
        "helo",
        factsAt("helo", {
          findings: findingsOf([REVERSE, { status: name ? "pass" : "fail", names: ["spam.example"], name }]),
        }),
        { effects: { dns: dnsOf(lists) } },
      );
    expect((await reverse("spam.example")).verdict).toEqual(
      reject("5.7.1", "Client name blocked using dbl.example"),
    );
    expect((await reverse(undefined)).verdict).toBeUndefined();
  });

  const nameless = [
    "[203.0.113.7]",
    "203.0.113.7",
    "localhost",
    "-",
    "a..b",
    "a b.example",
    "\xff.example",
    "",
  ];
  for (const helo of [...nameless, `${"a".repeat(64)}.example`, `${"a.".repeat(127)}example`]) {
    test(`are not asked for what is no name: ${JSON.stringify(helo.slice(0, 20))}`, async () => {
      const lookout = new Lookout({}, of("helo"));
      expect(await lookout.verdict("helo", { helo })).toBe("pass");
      expect(lookout.dns.questions).toEqual([]);
    });
  }

  test("are not asked for the null sender", async () => {
    const lookout = new Lookout({}, of("sender"));
    expect(await lookout.verdict("mail", { reversePath: path("") })).toBe("pass");
    expect(lookout.dns.questions).toEqual([]);
  });
});

describe("over the stages", () => {
  const sites = [{ zone: "a.example" }, { zone: "h.example", of: "helo" }, {
    zone: "s.example",
    of: "sender",
  }] as const;
  const lists: Lists = {
    [at("a.example")]: "127.0.0.2",
    "client.example.h.example": "127.0.0.2",
    "client.example.s.example": "127.0.0.2",
  };

  test("light listings add up, and the refusal names them all", async () => {
    const lookout = new Lookout(lists, { sites, threshold: 3 });
    expect(await lookout.verdict("connect")).toBe("pass");
    expect(await lookout.verdict("helo")).toBe("pass");
    lookout.chain.dossier.greeted(true);
    expect(await lookout.verdict("mail")).toBe(`${BLOCKED} a.example, h.example, s.example`);
    expect(lookout.finding("mail")?.score).toBe(3);
  });

  test("what a greeting has added goes with it", async () => {
    const lookout = new Lookout(lists, { sites, threshold: 3 });
    await lookout.verdict("connect");
    await lookout.verdict("helo");
    lookout.chain.dossier.greeted(true);
    await lookout.verdict("helo", { helo: "other.example" });
    lookout.chain.dossier.greeted(true);
    expect(await lookout.verdict("mail")).toBe("pass");
    expect(lookout.finding("mail")?.score).toBe(2);
  });

  test("a refusal is held until RCPT, and is not made twice", async () => {
    const lookout = new Lookout({ [at("a.example")]: "127.0.0.2" }, { sites }, {
      rules: (plugin) => [atRcpt(plugin)],
    });
    for (const stage of ["connect", "helo"] as const) expect(await lookout.verdict(stage)).toBe("pass");
    lookout.chain.dossier.greeted(true);
    expect(await lookout.verdict("mail")).toBe("pass");
    expect(await lookout.verdict("rcpt")).toBe(`${BLOCKED} a.example`);
    expect(lookout.dns.questions.filter((question) => question.startsWith("TXT"))).toHaveLength(1);
  });
});

test("a stage that adds nothing against the client does not refuse it again", async () => {
  const sites = [{ zone: "a.example", weight: 5 }, {
    zone: "wl.example",
    weight: -1,
    of: "reverse",
  }] as const;
  const named = definePlugin("named", () => ({
    onError: "pass",
    connect: () => found(REVERSE, { status: "pass", names: ["a.name.example"], name: "a.name.example" }),
  }))();
  const lookout = new Lookout(
    {
      [at("a.example")]: "127.0.0.2",
      "a.name.example.wl.example": "127.0.0.2",
    },
    { sites, threshold: 3 },
    { rules: (plugin) => [named, atRcpt(plugin)] },
  );
  await lookout.verdict("connect");
  await lookout.verdict("helo");
  expect(lookout.finding("helo")?.score).toBe(4);
  const refusals = lookout.chain.asked.filter(({ parts }) => parts.some(({ kind }) => kind === "reject"));
  expect(refusals.map(({ stage }) => stage)).toEqual(["connect"]);
});

describe("nobody is asked about", () => {
  const silent = async (stage: "connect" | "mail", given: object) => {
    const dns = dnsOf({});
    const sites = [{ zone: "a.example" }, { zone: "a.example", of: "sender" }] as const;
    const answer = await ask(dnsbl({ sites }), stage, factsAt(stage, given), { effects: { dns } });
    expect([answer.failure, answer.actions, dns.questions]).toEqual([undefined, [], []]);
  };

  test("an allowed client", () => silent("connect", { findings: findingsOf([ALLOWED, "by a list"]) }));
  test("the sender of an allowed client", () =>
    silent("mail", { findings: findingsOf([ALLOWED, "by a list"]) }));
  test("the sender of a user", () => silent("mail", { user: "a" }));
});

test("a listing is noted, counted, and left as a finding", async () => {
  const answer = await ask(dnsbl({ sites: "a.example*3" }), "connect", factsAt("connect"), {
    effects: {
      dns: dnsOf({ [at("a.example")]: { A: ["127.0.0.2", "127.0.0.9"], TXT: [["Why"]] } }),
    },
  });
  expect(answer.failure).toBeUndefined();
  expect(answer.actions[0]).toEqual(note("a.example", "127.0.0.2 127.0.0.9"));
  const lists = [{ zone: "a.example", answers: ["127.0.0.2", "127.0.0.9"], weight: 3, reason: "Why" }];
  expect(answer.actions).toContainEqual(expect.objectContaining({ value: { score: 3, lists } }));
  const lookout = new Lookout({ [at("a.example")]: "127.0.0.2" }, { sites: "a.example b.example" });
  await lookout.verdict("connect");
  expect(lookout.counted("dnsbl_listed")).toEqual({ 'zone="a.example"': 1 });
});

test("what another plugin has found on lists stays in the shared finding, and does not count here", async () => {
  const other = {
    score: 9,
    lists: [{ zone: "o.example", answers: ["127.0.0.2"], weight: 9, reason: undefined }],
  };
  const answer = await ask(
    dnsbl({ sites: "a.example*1", threshold: 5 }),
    "connect",
    factsAt("connect", { findings: findingsOf([DNSBL, other]) }),
    { effects: { dns: dnsOf(recordsOf({ [at("a.example")]: "127.0.0.2" })) } },
  );
  expect(answer.verdict).toBeUndefined();
  expect(answer.findings.get(DNSBL)).toMatchObject({
    score: 10,
    lists: [{ zone: "o.example" }, { zone: "a.example" }],
  });
});
