/**
 * `early-talker`: who does not wait to be greeted is refused, who waits goes on in the same session, and is not held again.
 */
import { describe, expect, test } from "bun:test";
import { earlyTalker, type EarlyTalkerOptions } from "../../plugins/early_talker/mod.ts";
import {
  ALLOWED,
  atRcpt,
  definePlugin,
  DNSBL,
  found,
  parallel,
  REVERSE,
  type Rule,
  type Store,
  StoreError,
} from "../../src/mod.ts";
import {
  ask,
  delivery,
  factsAt,
  memoryStore,
  type Played,
  transcript,
  type TranscriptOptions,
} from "../../src/testing.ts";

const DAY = 86_400_000;
const KEY = "early:203.0.113.7";

/** A client that is held, is silent, and is greeted. */
const HELD = `
  S: 220-mx.example ESMTP
  (3 seconds pass)
  S: 220 mx.example …
`;
const GREETED = `
  S: 220 mx.example …
`;
const HELLO = `
  C: EHLO client.example
  S: 250-mx.example …
`;
const QUIT = `
  C: QUIT
  S: 221 …
  S: <close>
`;

function play(options: EarlyTalkerOptions, text: string, terms: TranscriptOptions = {}): Promise<Played> {
  return transcript(earlyTalker(options), terms, text);
}

/** What a metric of the plugin has come to. */
const counted = ({ metric }: Played, name: string, labels = {}) =>
  metric(`sallyport_plugin_early_talker_${name}_total`, labels);

describe("an unknown client", () => {
  test("is held for three seconds, and then goes on in the same session", async () => {
    const played = await play({}, HELD + HELLO + delivery() + QUIT);
    expect(played.mails).toHaveLength(1);
    expect(played.verdicts).toEqual(["early-talker@connect:held=3000"]);
    expect(counted(played, "holds", { outcome: "silent" })).toBe(1);
  });

  test("is not greeted any sooner", async () => {
    await play(
      {},
      `
      S: 220-mx.example ESMTP
      (2999 milliseconds pass)
      (1 millisecond passes)
      S: 220 mx.example …
    `,
    );
  });

  test("waits as long as is set, with the teaser that is set", async () => {
    await play(
      { wait: 6_000, teaser: "mx.example, one moment" },
      `
      S: 220-mx.example, one moment
      (6 seconds pass)
      S: 220 mx.example …
    `,
    );
  });

  test("is told nothing where there is no teaser", async () => {
    await play(
      { teaser: "" },
      `
      (3 seconds pass)
      S: 220 mx.example …
    `,
    );
  });

  test("is greeted at once where nobody is to wait", async () => {
    const played = await play({ wait: 0 }, GREETED + HELLO + delivery());
    expect(await played.store.get(KEY)).toBeUndefined();
  });
});

describe("a client that speaks before it is greeted", () => {
  const SPEAKS = `
    S: 220-mx.example ESMTP
    (1 second passes)
    C: EHLO client.example
  `;

  test("is refused at once", async () => {
    const played = await play(
      {},
      `${SPEAKS}
      S: 554 5.5.1 Protocol error: you spoke before you were greeted…
      S: <close>
    `,
    );
    expect(counted(played, "holds", { outcome: "spoke" })).toBe(1);
    expect(counted(played, "misconduct", { misdeed: "pregreet" })).toBe(1);
    expect(played.verdicts).toEqual([
      "early-talker@connect:misconduct=pregreet",
      "early-talker@connect:reject",
    ]);
  });

  test("is sent away, where that is set", async () => {
    await play(
      { pregreet: "disconnect" },
      `${SPEAKS}
      S: 421 4.7.0 Protocol error: you spoke before you were greeted…
      S: <close>
    `,
    );
  });

  test("has its points once, where they are set", async () => {
    const played = await play(
      { pregreet: { score: 5 } },
      `${SPEAKS}
      S: 220 mx.example …
      S: 250-mx.example …
      ${delivery()}`,
    );
    expect(played.scores).toEqual([
      { plugin: "early-talker", points: 5, reason: "Protocol error: you spoke before you were greeted" },
    ]);
    expect(await played.store.get(KEY)).toBeUndefined();
  });

  test("is refused at RCPT, where refusals are held until then", async () => {
    await transcript(
      atRcpt(earlyTalker()),
      `${SPEAKS}
      S: 220 mx.example …
      S: 250-mx.example …
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<b@mx.example>
      S: 554 5.5.1 Protocol error: you spoke before you were greeted…
      C: RCPT TO:<postmaster@mx.example>
      S: 250 …
      C: RCPT TO:<c@mx.example>
      S: 554 5.5.1 …
    `,
    );
  });

  test("is let be, where that is set", async () => {
    const played = await play(
      { pregreet: "off" },
      `${SPEAKS}
      S: 220 mx.example …
      S: 250-mx.example …
      ${delivery()}`,
    );
    expect(played.scores).toEqual([]);
    expect(await played.store.get(KEY)).toBeUndefined();
  });

  test("and is not held is judged when it greets", async () => {
    const slow = definePlugin("slow", () => ({
      onError: "pass",
      connect: async (_session, io) => void await io.silence(1_000),
    }))();
    const played = await transcript(
      [slow, earlyTalker({ wait: 0 })],
      `
      C: EHLO client.example
      S: 220 mx.example …
      S: 554 5.5.1 Protocol error: you spoke before you were greeted…
    `,
    );
    expect(counted(played, "misconduct")).toBe(1);
  });
});

describe("a client that has passed", () => {
  const again = (pause: string, then: string, from = "203.0.113.7") => `
    ${HELD}${HELLO}${delivery()}${QUIT}
    ${pause}
    (a client connects from ${from})
    ${then}${HELLO}
  `;

  test("is not held for a day, and then again", async () => {
    for (const pause of ["", "(11 minutes pass)", "(23 hours pass)"]) {
      const played = await play({}, again(pause, GREETED));
      expect(counted(played, "holds")).toBe(1);
    }
    await play({}, again("(1 day passes)", HELD));
  });

  test("is remembered as long as is set", async () => {
    await play({ memory: 3_600_000 }, again("(59 minutes pass)", GREETED));
    await play({ memory: 3_600_000 }, again("(60 minutes pass)", HELD));
  });

  test("is one address, and no other", async () => {
    await play({}, again("", HELD, "203.0.113.8"));
  });

  test("costs the store one question in ten minutes", async () => {
    const asked: string[] = [];
    const store = listening(asked);
    await store.set(KEY, String(Date.UTC(2026, 2, 2, 9) + DAY), DAY);
    const visits = `
      ${GREETED}${QUIT}
      (a client connects)
      ${GREETED}${QUIT}
      (9 minutes pass)
      (a client connects)
      ${GREETED}${QUIT}`;
    await play({}, visits, { store });
    expect(asked.splice(0)).toEqual([`set ${KEY}`, `get ${KEY}`]);
    await play({}, `${visits}(1 minute passes)\n(a client connects)\n${GREETED}`, { store });
    expect(asked).toEqual([`get ${KEY}`, `get ${KEY}`]);
  });

  test("costs this process's own store one question in five minutes, however often it comes", async () => {
    const asked: string[] = [];
    const local = listening(asked);
    await local.set(KEY, String(600_000), 600_000);
    const plugin = earlyTalker();
    let now = 0;
    const come = () => ask(plugin, "connect", factsAt("connect"), { effects: { local, now: () => now } });
    for (now of [0, 1, 299_999, 300_000, 300_001]) {
      const { actions, failed } = await come();
      expect([actions, failed]).toEqual([[], false]);
    }
    expect(asked).toEqual([`set ${KEY}`, `get ${KEY}`, `get ${KEY}`]);
  });

  test("is not believed by this process for longer than the store does", async () => {
    const begin = Date.UTC(2026, 2, 2, 9);
    const store = memoryStore({ now: () => begin });
    await store.set(KEY, String(begin + 60_000), DAY);
    const visits = `
      ${GREETED}${QUIT}
      (the pass runs out)
      (59 seconds pass)
      (a client connects)
      ${GREETED}${QUIT}
      (1 second passes)
      (a client connects)
      ${HELD}`;
    const runsOut = { "the pass runs out": () => store.delete(KEY) };
    const played = await play({}, visits, { store, directions: runsOut });
    expect(counted(played, "holds")).toBe(1);
  });

  test("writes its pass once, however many messages it sends", async () => {
    const asked: string[] = [];
    await play({}, HELD + HELLO + delivery() + delivery() + delivery(), { store: listening(asked) });
    expect(asked).toEqual([`get ${KEY}`, `set ${KEY}`]);
  });
});

/** A store that tells what it is asked. */
function listening(asked: string[]): Store {
  const store = memoryStore({ now: () => 0 });
  return replaced(store, {
    get: (key) => (asked.push(`get ${key}`), store.get(key)),
    set: (key, value, ttl) => (asked.push(`set ${key}`), store.set(key, value, ttl)),
    delete: (key) => (asked.push(`delete ${key}`), store.delete(key)),
  });
}

function replaced(store: Store, own: Partial<Store>): Store {
  return new Proxy(store, {
    get: (_, name: keyof Store) => own[name] ?? (store[name] as () => unknown).bind(store),
  });
}

describe("no pass is given", () => {
  const none = async (text: string, options: EarlyTalkerOptions = {}, terms: TranscriptOptions = {}) => {
    const played = await play(options, HELD + text, terms);
    expect(counted(played, "holds", { outcome: "silent" })).toBe(1);
    expect(await played.store.get(KEY)).toBeUndefined();
    expect(await played.local.get(KEY)).toBeUndefined();
  };

  test("for silence alone", () => none(HELLO + QUIT));

  test("for mail that was not taken", async () => {
    await none(
      `${HELLO}
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<b@mx.example>
      S: 550 5.1.1 No such user…
    ` + QUIT,
      {},
      { backend: { RCPT: "550 5.1.1 No such user" } },
    );
  });

  test("to one that says nonsense, even if that only costs points", () =>
    none(`${HELLO}
      C: XYZZY
      S: 500 …
      ${delivery()}`));
});

test("no pass is given to one that says nonsense after its recipients", async () => {
  const played = await play(
    { nonsense: "off" },
    `
    ${HELD}${HELLO}
    C: MAIL FROM:<a@client.example>
    S: 250 …
    C: RCPT TO:<b@mx.example>
    S: 250 …
    C: XYZZY
    S: 500 …
    C: DATA
    S: 354 …
    C: .
    S: 250 …
  `,
  );
  expect(played.mails).toHaveLength(1);
  expect(await played.store.get(KEY)).toBeUndefined();
});

describe("in the session,", () => {
  test("commands sent ahead of EHLO's reply are refused", async () => {
    const played = await play(
      { wait: 0 },
      `
      S: 220 mx.example …
      C: EHLO client.example
      C: MAIL FROM:<a@client.example>
      S: 554 5.5.1 Protocol error: you sent commands ahead before PIPELINING was offered…
      S: 503 …
    `,
    );
    expect(counted(played, "misconduct", { misdeed: "pipelining" })).toBe(1);
  });

  test("commands sent ahead after it are not", async () => {
    const played = await play(
      { wait: 0 },
      `
      S: 220 mx.example …
      C: EHLO client.example
      S: 250-mx.example …
      C: MAIL FROM:<a@client.example>
      C: RCPT TO:<b@mx.example>
      C: DATA
      S: 250 …
      S: 250 …
      S: 354 …
    `,
    );
    expect(counted(played, "misconduct")).toBe(0);
  });

  test("commands sent ahead after HELO are refused, at MAIL or at RCPT", async () => {
    await play(
      { wait: 0 },
      `
      S: 220 mx.example …
      C: HELO client.example
      S: 250 …
      C: MAIL FROM:<a@client.example>
      C: RCPT TO:<b@mx.example>
      S: 554 5.5.1 …
      S: 503 …
    `,
    );
    await play(
      { wait: 0 },
      `
      S: 220 mx.example …
      C: HELO client.example
      S: 250 …
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<b@mx.example>
      C: DATA
      S: 554 5.5.1 …
      S: 554 5.5.1 No valid recipients…
    `,
    );
  });

  test("nonsense has its points once, in whatever stages it is seen", async () => {
    const played = await play(
      { wait: 0 },
      `
      S: 220 mx.example …
      C: X-FOLLOW: me
      S: 500 …
      C: EHLO client.example
      S: 250-mx.example …
      ${delivery()}${delivery()}`,
    );
    expect(played.scores).toEqual([
      { plugin: "early-talker", points: 2, reason: "Protocol error: you say what is no SMTP" },
    ]);
    expect(counted(played, "misconduct", { misdeed: "nonsense" })).toBe(1);
  });

  test("nonsense is refused from as many lines on as are set", async () => {
    await play(
      { wait: 0, nonsense: "reject", nonsenseLines: 2 },
      `
      S: 220 mx.example …
      C: ONE
      S: 500 …
      C: EHLO client.example
      S: 250-mx.example …
      C: TWO
      S: 500 …
      C: MAIL FROM:<a@client.example>
      S: 554 5.5.1 Protocol error: you say what is no SMTP…
      C: MAIL FROM:<a@client.example>
      S: 554 5.5.1 …
    `,
    );
  });

  test("the first misdeed that refuses is told, and all are counted", async () => {
    const played = await play(
      { wait: 0, pipelining: "disconnect" },
      `
      S: 220 mx.example …
      C: XYZZY
      C: EHLO client.example
      S: 500 …
      S: 421 4.7.0 Protocol error: you sent commands ahead before PIPELINING was offered…
      S: <close>
    `,
    );
    expect(played.verdicts).toEqual([
      "early-talker@helo:misconduct=pipelining",
      "early-talker@helo:misconduct=nonsense",
      "early-talker@helo:disconnect",
    ]);
  });

  test("misconduct costs a client its pass", async () => {
    const played = await play(
      {},
      `
      ${HELD}${HELLO}${delivery()}${QUIT}
      (a client connects)
      ${GREETED}
      C: XYZZY
      S: 500 …
      ${HELLO}
      C: QUIT
      S: 221 …
      S: <close>
      (then)
      (a client connects)
      ${HELD}
    `,
    );
    expect(counted(played, "holds")).toBe(2);
  });
});

describe("nothing is asked of", () => {
  const with_ = (key: { readonly name: string }, value: unknown): Rule =>
    definePlugin("knowing", () => ({ onError: "pass", connect: () => found(key, value) }))();
  const rude = `
    S: 220 mx.example …
    C: XYZZY
    C: EHLO client.example
    S: 500 …
    S: 250-mx.example …
  `;
  const reverse = { status: "pass", names: ["a.example"], name: "a.example" };
  const cases: readonly (readonly [string, Rule, EarlyTalkerOptions])[] = [
    ["who is allowed", with_(ALLOWED, "by a list"), {}],
    ["whom DNS lists speak for", with_(DNSBL, { score: -1, lists: [] }), {}],
    ["whose name points back, where that is set", with_(REVERSE, reverse), { skip: ["reverse"] }],
  ];
  for (const [name, rule, options] of cases) {
    test(name, async () => {
      const played = await transcript([rule, earlyTalker(options)], rude);
      expect([played.scores, played.verdicts]).toEqual([[], []]);
    });
  }

  const held: readonly (readonly [string, Rule, EarlyTalkerOptions])[] = [
    ["who is allowed is held where that is not set", with_(ALLOWED, "by a list"), { skip: [] }],
    ["whom no DNS list knows is held", with_(DNSBL, { score: 0, lists: [] }), {}],
    ["whose name points back is held", with_(REVERSE, reverse), {}],
    ["whose name does not is held", with_(REVERSE, { ...reverse, status: "fail" }), { skip: ["reverse"] }],
  ];
  for (const [name, rule, options] of held) {
    test(name, async () => void await transcript([rule, earlyTalker(options)], HELD));
  }
});

describe("a store that is away", () => {
  test("stops nobody: clients are held, and known by this process alone", async () => {
    const visits = `
      ${HELD}${QUIT}
      (the store is away)
      (a client connects)
      ${HELD}${HELLO}${delivery()}${QUIT}
      (a client connects)
      ${GREETED}${QUIT}
      (11 minutes pass)
      (a client connects)
      ${HELD}`;
    const played = await play({}, visits);
    expect(played.mails).toHaveLength(1);
    expect(played.metric("sallyport_plugin_failures_total")).toBe(0);
  });

  test("is told of once a minute, and counted each time", async () => {
    const away = replaced(memoryStore({ now: () => 0 }), {
      get: () => Promise.reject(new StoreError("get a value", "nobody answers")),
    });
    const visit = `${HELD}(a client connects)\n`;
    const played = await play(
      {},
      visit.repeat(5) + HELD + "(1 minute passes)\n(a client connects)\n" + HELD,
      {
        store: away,
      },
    );
    expect(counted(played, "store_errors")).toBe(7);
    expect(played.log.filter(({ event }) => event === "plugin").map(({ fields }) => fields["text"])).toEqual([
      "clients that pass are not remembered by the store: Cannot get a value: nobody answers",
      "clients that pass are not remembered by the store: Cannot get a value: nobody answers",
    ]);
  });
});

test("others are asked while the client is held", async () => {
  const asked: string[] = [];
  const other = definePlugin("other", () => ({ onError: "pass", connect: () => void asked.push("asked") }))();
  const played = await transcript([parallel(earlyTalker(), other)], HELD);
  expect([asked, played.asked.map(({ plugin }) => plugin)]).toEqual([["asked"], ["other", "early-talker"]]);
});

test("a mistake in the options is told with what is allowed", () => {
  const options = {
    wait: 60_000,
    teaser: "a\nb",
    pregreet: "score",
    skip: ["all"],
    nonsenseLines: 0,
    memory: 1,
  };
  expect(earlyTalker(options as unknown as EarlyTalkerOptions).mistakes).toEqual([
    "options.wait: 60000 was given; allowed is a whole number of milliseconds from 0 to 30000",
    'options.teaser: "a\\nb" was given; allowed are up to 400 characters of printable ASCII',
    'options.pregreet: "score" was given; allowed are "off", "reject", "disconnect" and { score: number }',
    "options.nonsenseLines: 0 was given; allowed is a whole number from 1 to 1000",
    "options.memory: 1 was given; allowed is a whole number of milliseconds from 60000 to 31536000000",
    'options.skip[0]: "all" was given; allowed is a list of allowed, dnswl, reverse',
  ]);
});
