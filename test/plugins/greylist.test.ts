/**
 * The greylist over whole transactions: who waits, who passes, what is remembered of mail that was taken, and what a
 * shadowed one says it would cost.
 */
import { describe, expect, test } from "bun:test";
import { Memory } from "../../plugins/greylist/memory.ts";
import { greylist, type GreylistOptions } from "../../plugins/greylist/mod.ts";
import { ALLOWED, REVERSE, shadow, SPF, type SpfResult, type Store, StoreError } from "../../src/mod.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { RcptFacts } from "../../src/policy/stages.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { ask, factsAt, findingsOf, path } from "../../src/testing.ts";
import { promisesSettle } from "../support/fake_timers.ts";
import { SessionChain, shortly } from "../support/session_chain.ts";

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

interface Mail {
  readonly client?: string;
  readonly from?: string;
  readonly to?: string;
  readonly helo?: string;
  /** SPF of the sender's domain, or of the given one. */
  readonly spf?: SpfResult;
  readonly spfDomain?: string;
  /** The client's confirmed name. */
  readonly name?: string;
  /** What the backend says to the message; it is taken unless given. */
  readonly refused?: boolean;
  readonly facts?: Partial<RcptFacts>;
}

/** A store that counts what it is asked. */
function counting(store: Store, asked: string[]): Store {
  return new Proxy(store, {
    get(target, name: keyof Store) {
      return (...words: unknown[]) => {
        asked.push(`${name} ${String(words[0])}`);
        return (target[name] as (...words: unknown[]) => unknown)(...words);
      };
    },
  });
}

/** Clients that come to a greylist, with a clock that the test moves. */
class Door {
  now = 1_800_000_000_000;
  /** Calls of the store, with their keys. */
  readonly asked: string[] = [];
  readonly store: Store;
  readonly sessions: SessionChain;

  constructor(given: GreylistOptions | Rule = {}, store?: Store) {
    const now = () => this.now;
    this.store = store ?? counting(memoryStore({ now }), this.asked);
    const rule = "group" in given ? given : greylist(given as GreylistOptions);
    this.sessions = new SessionChain([rule], { effects: { store: this.store, now } });
  }

  /** One session with one mail: the first refusal of RCPT and DATA in short, or "taken". */
  async send({ client = "203.0.113.7", from = "a@client.example", to = "b@mx.example", ...mail }: Mail = {}) {
    const { chain } = this.sessions;
    const dossier = this.sessions.newDossier(client);
    const facts = this.#facts(client, from, to, mail);
    const atRcpt = shortly(await chain.judge("rcpt", facts, dossier));
    // The backend is asked now, which takes longer than what is shadowed.
    await promisesSettle();
    dossier.recipientOver(atRcpt === "pass");
    let answer = atRcpt;
    if (atRcpt === "pass") {
      const { forwardPath, accepted: _, ...rest } = facts;
      answer = shortly(await chain.judge("data", { ...rest, recipients: [forwardPath] }, dossier));
      dossier.transactionOver(answer === "pass" && !mail.refused);
    }
    dossier.over();
    await chain.settled();
    return answer === "pass" ? "taken" : answer;
  }

  #facts(client: string, from: string, to: string, mail: Mail): RcptFacts {
    const { helo = "client.example", spf, spfDomain, name, facts } = mail;
    const reversePath = path(from);
    const findings = findingsOf(
      ...(spf === undefined ? [] : [
        [SPF, {
          result: spf,
          scope: from === "" ? "helo" : "mailfrom",
          domain: spfDomain ?? (from === "" ? helo : reversePath.domain),
        }] as const,
      ]),
      ...(name === undefined ? [] : [[REVERSE, { status: "pass", names: [name], name }] as const]),
    );
    return factsAt("rcpt", {
      client: { host: client, port: 50_000 },
      helo,
      reversePath,
      forwardPath: path(to),
      findings,
      ...facts,
    });
  }

  /** Comes, waits, comes again. */
  async sendTwice(mail: Mail = {}, wait = 5 * MINUTE) {
    const first = await this.send(mail);
    this.now += wait;
    return [first, await this.send(mail)];
  }

  count(metric: string, ...labels: string[]): number {
    const names = { greylist: ["plugin", "state"], greylist_delayed: ["plugin", "up_to"] }[metric] ??
      ["plugin"];
    return this.sessions.metrics.counter(`sallyport_plugin_${metric}_total`, "", names).get(
      "greylist",
      ...labels,
    );
  }
}

const WAIT = "450 Greylisted, try again in 300 seconds";

describe("a stranger", () => {
  test("is told to come again, how long it lasts, and is let in then", async () => {
    const door = new Door();
    expect(await door.send()).toBe(WAIT);
    door.now += 100 * SECOND + 1;
    expect(await door.send()).toBe("450 Greylisted, try again in 200 seconds");
    door.now += 199 * SECOND - 1;
    expect(await door.send()).toBe("450 Greylisted, try again in 1 second");
    door.now += SECOND;
    expect(await door.send()).toBe("taken");
  });

  test("has two days to come again", async () => {
    expect(await new Door().sendTwice({}, 2 * DAY - 1)).toEqual([WAIT, "taken"]);
    expect(await new Door().sendTwice({}, 2 * DAY)).toEqual([WAIT, WAIT]);
  });

  test("of the same network may come again from another address", async () => {
    for (const [one, other] of [["203.0.113.7", "203.0.113.200"], ["2001:db8::1", "2001:db8::ffff:1"]]) {
      const door = new Door();
      expect(await door.send({ client: one! })).toBe(WAIT);
      door.now += 5 * MINUTE;
      expect(await door.send({ client: other! })).toBe("taken");
    }
  });

  test("of another network, with another sender or for another recipient is another", async () => {
    const door = new Door();
    await door.sendTwice();
    for (
      const other of [
        { client: "203.0.114.7" },
        { from: "c@client.example" },
        { from: "a@other.example" },
        { to: "c@mx.example" },
        { to: "Postmaster" },
      ]
    ) expect(await door.send(other)).toBe(WAIT);
  });

  test("that the backend refuses has not passed, and need not wait again", async () => {
    const door = new Door();
    await door.send();
    door.now += 5 * MINUTE;
    expect(await door.send({ refused: true })).toBe("taken");
    expect(door.count("greylist_delayed", "10 min")).toBe(0);
    door.now += 2 * DAY;
    expect(await door.send()).toBe(WAIT);
  });
});

describe("who has passed", () => {
  test("is remembered for 35 days after the last message", async () => {
    const door = new Door({ passes: 0 });
    await door.sendTwice();
    for (let i = 0; i < 3; i++) {
      door.now += 34 * DAY;
      expect(await door.send()).toBe("taken");
    }
    door.now += 35 * DAY;
    expect(await door.send()).toBe(WAIT);
  });

  test("costs the store nothing for a minute", async () => {
    const door = new Door();
    await door.sendTwice();
    door.asked.length = 0;
    door.now += MINUTE - 1;
    expect(await door.send()).toBe("taken");
    expect(door.asked).toEqual([]);
    door.now += 1;
    await door.send();
    expect(door.asked).toEqual(["greylist greylist:203.0.113.0/24"]);
  });

  test("is asked about each time with cache 0", async () => {
    const door = new Door({ cache: 0 });
    await door.sendTwice();
    door.asked.length = 0;
    await door.send();
    await door.send();
    expect(door.asked).toEqual(Array(2).fill("greylist greylist:203.0.113.0/24"));
  });

  test("has the time in the store extended once an hour", async () => {
    const door = new Door();
    await door.sendTwice();
    const renewals = () => door.asked.filter((call) => call.startsWith("greylistPass")).length;
    expect(renewals()).toBe(1);
    for (let i = 0; i < 59; i++) {
      door.now += MINUTE;
      await door.send();
    }
    expect(renewals()).toBe(1);
    door.now += MINUTE;
    await door.send();
    await door.send();
    expect(renewals()).toBe(2);
  });

  test("is not extended by mail that the backend refuses", async () => {
    const door = new Door({ passes: 0 });
    await door.sendTwice();
    door.now += 34 * DAY;
    await door.send({ refused: true });
    door.now += DAY;
    expect(await door.send()).toBe(WAIT);
  });
});

describe("after five passes", () => {
  const five = async (door: Door, mail: (i: number) => Mail, passes = 5) => {
    for (let i = 0; i < passes; i++) expect((await door.sendTwice(mail(i))).at(-1)).toBe("taken");
  };

  test("a network is let through, whatever it sends", async () => {
    const door = new Door();
    await five(door, (i) => ({ client: `203.0.113.${i}`, to: `b${"abcde"[i]}@mx.example` }));
    expect(await door.send({ from: "new@other.example", to: "new@mx.example" })).toBe("taken");
    expect(await door.send({ client: "203.0.114.1" })).toBe(WAIT);
  });

  test("four are not enough, nor are five messages of one triplet", async () => {
    const door = new Door({ cache: 0 });
    await five(door, (i) => ({ to: `b${"abcde"[i]}@mx.example` }), 4);
    for (let i = 0; i < 5; i++) await door.send({ to: "ba@mx.example" });
    expect(await door.send({ to: "new@mx.example" })).toBe(WAIT);
  });

  test("a network's time is extended by what it sends", async () => {
    const door = new Door();
    await five(door, (i) => ({ to: `b${"abcde"[i]}@mx.example` }));
    for (const to of ["x@mx.example", "y@mx.example", "z@mx.example"]) {
      door.now += 34 * DAY;
      expect(await door.send({ to })).toBe("taken");
    }
    door.now += 35 * DAY;
    expect(await door.send({ to: "b@mx.example" })).toBe(WAIT);
  });

  for (
    const [how, mail] of [
      ["SPF passes for", { from: "a@mail.provider.example", spf: "pass" }],
      ["SPF passes for a subdomain of", {
        from: "a@provider.example",
        spf: "pass",
        spfDomain: "spf.provider.example",
      }],
      ["the client's name is in", { from: "a@provider.example", name: "out7.mail.provider.example" }],
      ["the client, which sends a bounce, says and proves that it is of", {
        from: "",
        helo: "out7.provider.example",
        spf: "pass",
      }],
    ] as const
  ) {
    test(`a domain that ${how} is let through from wherever it sends`, async () => {
      const door = new Door();
      await five(door, (i) => ({ ...mail, client: `198.51.${i}.1` }));
      expect(await door.send({ ...mail, client: "192.0.2.1", to: "new@mx.example" })).toBe("taken");
      // What the pool has earned is not given to the network.
      expect(await door.send({ client: "192.0.2.1", to: "new@mx.example" })).toBe(WAIT);
    });
  }

  for (
    const [how, mail] of [
      ["SPF fails for", { from: "a@provider.example", spf: "softfail" }],
      ["another domain passes for", { from: "a@provider.example", spf: "pass", spfDomain: "spam.example" }],
      ["another domain's client sends for", { from: "a@provider.example", name: "host.spam.example" }],
      ["is no organization's but a registry's", { from: "a@co.uk", name: "co.uk" }],
      ["shares nothing but a host's suffix with", { from: "a@one.github.io", name: "two.github.io" }],
      ["nobody can own", { from: "a@[192.0.2.1]", name: "192.0.2.1" }],
    ] as const
  ) {
    test(`not a domain that ${how}`, async () => {
      const door = new Door();
      await five(door, (i) => ({ ...mail, client: `198.51.${i}.1` }));
      expect(await door.send({ ...mail, client: "192.0.2.1" })).toBe(WAIT);
      expect(door.asked.filter((call) => call.includes("greylist-domain"))).toEqual([]);
    });
  }

  test("a domain that is let through costs the store nothing for a minute, and slides", async () => {
    const door = new Door();
    const mail = { from: "a@provider.example", spf: "pass" } as const;
    await five(door, (i) => ({ ...mail, client: `198.51.${i}.1` }));
    for (let i = 0; i < 3; i++) {
      door.now += 34 * DAY;
      expect(await door.send({ ...mail, client: `192.0.${i}.1` })).toBe("taken");
    }
    door.asked.length = 0;
    expect(await door.send({ ...mail, client: "192.0.100.1", to: "c@mx.example" })).toBe("taken");
    expect(door.asked).toEqual([]);
    door.now += 35 * DAY;
    expect(await door.send({ ...mail, client: "192.0.101.1" })).toBe(WAIT);
  });

  test("a domain's passes are those of triplets: sessions side by side make one of the same", async () => {
    const door = new Door();
    const mail = { from: "a@provider.example", spf: "pass" } as const;
    await door.send(mail);
    door.now += 5 * MINUTE;
    await Promise.all(Array.from({ length: 20 }, () => door.send(mail)));
    expect(await door.store.count("greylist-domain:provider.example", 0, DAY)).toBe(1);
    expect(door.count("greylist_delayed", "10 min")).toBe(1);
  });

  test("with passes 0 nobody is let through", async () => {
    const door = new Door({ passes: 0 });
    const mail = { from: "a@provider.example", spf: "pass" } as const;
    await five(door, (i) => ({ ...mail, to: `b${"abcde"[i]}@mx.example` }));
    expect(await door.send({ ...mail, to: "new@mx.example" })).toBe(WAIT);
  });
});

describe("senders are the same but for", () => {
  const same: readonly (readonly [what: string, one: string, other: string])[] = [
    ["upper case", "News@Client.example", "news@client.EXAMPLE"],
    ["the number of a message", "bounce-1234-77@l.example", "bounce-1235-9@l.example"],
    [
      "the recipient in VERP",
      "list-return-12-b=mx.example@l.example",
      "list-return-13-b=mx.example@l.example",
    ],
    ["an extension", "list-bounces+b=mx.example@l.example", "list-bounces+other=mx.example@l.example"],
    ["BATV", "prvs=1234abcdef=a@l.example", "prvs=52f0e1d2c3=a@l.example"],
    ["BATV or none", "prvs=1234abcdef=a@l.example", "a@l.example"],
    ["BATV in its older order", "prvs=a/1234abcdef@l.example", "prvs=a/52f0e1d2c3@l.example"],
    ["another maker's BATV", "btv1==02ab3==a@l.example", "btv1==99zz==a@l.example"],
    ["SRS0", "SRS0=Ab3d=X7=home.example=anna@f.example", "SRS0=q9Zz=Y1=home.example=anna@f.example"],
    [
      "SRS1",
      "SRS1=Ab3=g.example==HH1=X7=h.example=anna@f.example",
      "SRS1=zz9=g.example==KK2=Y2=h.example=anna@f.example",
    ],
    [
      "a UUID",
      "550e8400-e29b-41d4-a716-446655440000@l.example",
      "660e8400-f39b-51d4-b716-556655440000@l.example",
    ],
    [
      "an identifier in hexadecimal",
      "0102018c1f2b3c4d-550e8400-e29b-41d4-a716-446655440000-000000@l.example",
      "0102019d2e3f4a5b-111e8400-e29b-41d4-a716-446655440111-000000@l.example",
    ],
    ["an identifier drawn by lot", "bounces-x7q2mz0k4bt9a@l.example", "bounces-k3j1hz8k4cq7e@l.example"],
  ];
  for (const [what, from, other] of same) {
    test(what, async () => {
      const door = new Door();
      await door.send({ from });
      door.now += 5 * MINUTE;
      expect(await door.send({ from: other })).toBe("taken");
    });
  }

  const different: readonly (readonly [one: string, other: string])[] = [
    ["anna@l.example", "berta@l.example"],
    ["bounce-12@l.example", "return-12@l.example"],
    ["SRS0=Ab3d=X7=home.example=anna@f.example", "SRS0=Ab3d=X7=home.example=berta@f.example"],
    ["SRS0=Ab3d=X7=home.example=anna@f.example", "SRS0=Ab3d=X7=house.example=anna@f.example"],
    ["prvs=1234abcdef=a@l.example", "prvs=1234abcdef=b@l.example"],
    ["+a@l.example", "+b@l.example"],
    ["ünsal@l.example", "önsal@l.example"],
    ['"a\\"b"@l.example', '"a\\"c"@l.example'],
  ];
  for (const [from, other] of different) {
    test(`not ${from} and ${other}`, async () => {
      const door = new Door();
      await door.sendTwice({ from });
      expect(await door.send({ from: other })).toBe(WAIT);
    });
  }
});

describe("the null sender", () => {
  test("waits at DATA: who asks whether a mailbox is there is answered", async () => {
    const door = new Door();
    const plugin = greylist();
    const facts = factsAt("rcpt", { reversePath: path("") });
    expect((await ask(plugin, "rcpt", facts)).verdict).toBeUndefined();
    expect(await door.sendTwice({ from: "" })).toEqual([WAIT, "taken"]);
    expect(door.asked[0]).toBe("greylist greylist:203.0.113.0/24");
  });

  test("has no triplet in common with other senders", async () => {
    const door = new Door();
    await door.sendTwice({ from: "" });
    expect(await door.send()).toBe(WAIT);
    expect(await door.send({ from: "", to: "c@mx.example" })).toBe(WAIT);
  });

  test("waits at RCPT, or nowhere, where told so", async () => {
    const { verdict } = await ask(
      greylist({ nullSender: "rcpt" }),
      "rcpt",
      factsAt("rcpt", { reversePath: path("") }),
      { effects: { store: memoryStore({ now: () => 0 }), now: () => 0 } },
    );
    expect(verdict).toMatchObject({ kind: "defer", text: WAIT.slice(4) });
    expect(await new Door({ nullSender: "exempt" }).send({ from: "" })).toBe("taken");
  });
});

describe("exempt", () => {
  const cases: readonly (readonly [who: string, GreylistOptions, Mail])[] = [
    ["who has authenticated", {}, { facts: { user: "anna" } }],
    ["who is on an allow list", {}, { facts: { findings: findingsOf([ALLOWED, "a list"]) } }],
    ["SPF pass, where told so", { spfPass: "exempt" }, { spf: "pass" }],
    ["whom a test of one's own says", { exempt: ({ helo }) => helo === "friend.example" }, {
      helo: "friend.example",
    }],
  ];
  for (const [who, options, mail] of cases) {
    test(who, async () => {
      const door = new Door(options);
      expect(await door.send(mail)).toBe("taken");
      expect(door.asked).toEqual([]);
      expect(await door.send()).toBe(WAIT);
    });
  }

  test("not SPF pass by itself, nor any other result with it", async () => {
    expect(await new Door().send({ spf: "pass" })).toBe(WAIT);
    for (const spf of ["none", "neutral", "fail", "softfail", "temperror", "permerror"] as const) {
      expect(await new Door({ spfPass: "exempt" }).send({ spf })).toBe(WAIT);
    }
  });
});

describe("shadowed, it", () => {
  test("lets all in, says what would have waited, and lets those pass who would have come again", async () => {
    const door = new Door(shadow(greylist()));
    expect(await door.send()).toBe("taken");
    expect(door.count("greylist", "new")).toBe(1);
    expect(door.count("greylist_would_delay")).toBe(1);
    expect(await door.send()).toBe("taken");
    expect(door.count("greylist_would_delay")).toBe(1);
    expect(door.count("greylist", "remembered")).toBe(1);
  });

  test("counts no mail that the backend refuses", async () => {
    const door = new Door(shadow(greylist()));
    await door.send({ refused: true });
    expect(door.count("greylist", "new")).toBe(1);
    expect(door.count("greylist_would_delay")).toBe(0);
  });

  test("remembers nothing for the one that counts", async () => {
    const plugin = greylist();
    const door = new Door(shadow(plugin));
    await door.sendTwice();
    const serious = new Door({}, door.store);
    serious.now = door.now;
    expect(await serious.send()).toBe(WAIT);
  });
});

test("what it costs is counted: who waits, who comes again, and how long mail was delayed", async () => {
  const door = new Door();
  await door.sendTwice({ to: "x@mx.example" });
  await door.sendTwice({ to: "y@mx.example" }, 50 * MINUTE);
  await door.sendTwice({ to: "z@mx.example" }, 30 * HOUR);
  await door.send({ to: "never@mx.example" });
  expect(door.count("greylist", "new")).toBe(4);
  expect(door.count("greylist", "matured")).toBe(3);
  expect(["10 min", "30 min", "1 h", "4 h", "1 d", "longer"].map((up) => door.count("greylist_delayed", up)))
    .toEqual([1, 0, 1, 0, 0, 1]);
  expect(door.count("greylist_would_delay")).toBe(0);
});

describe("the store is away", () => {
  const away = new Proxy({} as Store, {
    get: () => () => Promise.reject(new StoreError("ask", "it is away")),
  });

  test("mail passes, or what onError says", async () => {
    expect(await new Door({}, away).send()).toBe("taken");
    expect(await new Door({ onError: "defer" }, away).send()).toMatch(/^451 /);
    expect(await new Door({ onError: { timeout: "pass", temporary: "reject", crash: "pass" } }, away).send())
      .toMatch(/^550 /);
  });
});

test("a client's address that is none is a network of its own", async () => {
  const door = new Door();
  expect(await door.sendTwice({ client: "" })).toEqual([WAIT, "taken"]);
});

test("mistakes are named", () => {
  const of = (options: unknown) => greylist(options as GreylistOptions).mistakes;
  expect(of({ delay: -1, passes: 1.5, nullSender: "mail", exempt: true, onError: "no", grey: 1 })).toEqual([
    "options.delay: -1 was given; allowed are milliseconds from 0 to 31536000000 (a year)",
    "options.passes: 1.5 was given; allowed is a whole number from 0 to 1000",
    'options.nullSender: "mail" was given; allowed are data, rcpt, exempt',
    "options.exempt: true was given; allowed is a function",
    'options.onError: "no" was given; allowed are pass, defer, reject, or one each for timeout, temporary, crash',
    expect.stringContaining("there is no option grey; allowed are cache, delay,"),
  ]);
  expect(of({ delay: 10, window: 10 })).toEqual([
    "options.window: 10 was given; allowed are milliseconds above the delay",
  ]);
  expect(of({})).toBeUndefined();
  expect(of(undefined)).toBeUndefined();
});

test("a flood of strangers pushes out those who are remembered and do not come, and no others", () => {
  const memory = new Memory(MINUTE, DAY);
  for (const key of ["busy", "idle"]) memory.learn(key, 0);
  for (let i = 0; i < 50_000; i++) {
    memory.learn(`stranger ${i}`, 0);
    if (i % 5000 === 0) expect(memory.knows("busy", 0)).toBe(true);
  }
  const known = Array.from({ length: 50_000 }, (_, i) => memory.knows(`stranger ${i}`, 0)).filter(Boolean);
  expect(known.length).toBeLessThanOrEqual(20_000);
  expect(memory.knows("idle", 0)).toBe(false);
});
