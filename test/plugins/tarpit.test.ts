/**
 * `tarpit`: who waits how long, who never does, and how many at the same time.
 */
import { describe, expect, test } from "bun:test";
import { tarpit, type TarpitOptions } from "../../plugins/tarpit/mod.ts";
import {
  ALLOWED,
  definePlugin,
  DNSBL,
  found,
  type MailFacts,
  type Opinion,
  score,
  type Stage,
  type Stages,
} from "../../src/mod.ts";
import { SessionChain } from "../support/session_chain.ts";

/** A session whose clock stands, of a policy that has found this out at the greeting. */
function session(options: TarpitOptions, opinion: Opinion = undefined, clock = { now: 0 }) {
  const before = definePlugin("before", () => ({ onError: "pass", connect: () => opinion }))();
  return new SessionChain([before, tarpit(options)], { effects: { now: () => clock.now } });
}

async function waited<S extends Stage>(
  chain: SessionChain,
  stage: S,
  given: Partial<Stages[S]> = {},
  dossier = chain.dossier,
): Promise<number> {
  const judged = await chain.judge(stage, given, dossier);
  expect(chain.told("plugin failed", "cause")).toEqual([]);
  return judged?.delay ?? 0;
}

/** What a client waits at MAIL. */
async function atMail(options: TarpitOptions, opinion?: Opinion, given: Partial<MailFacts> = {}) {
  const chain = session(options, opinion);
  expect(await waited(chain, "connect")).toBe(0);
  expect(await waited(chain, "helo")).toBe(0);
  return waited(chain, "mail", given);
}

const conduct = { spokeEarly: false, pipelinedEarly: false, unknownCommands: 3, refusedRecipients: 0 };
const listing = (points: number) => found(DNSBL, { score: points, lists: [] });

describe("a client waits at MAIL:", () => {
  const cases: readonly (readonly [
    why: string,
    ms: number,
    options: TarpitOptions,
    opinion?: Opinion,
    given?: Partial<MailFacts>,
  ])[] = [
    ["nothing against it", 0, {}],
    ["a second for each point", 4500, {}, score(4.5, "bad")],
    ["as long as the policy says for each point", 900, { perPoint: 200 }, score(4.5, "bad")],
    ["a score below 0", 0, {}, score(-3, "good")],
    ["a score below 0 takes nothing off the rest", 500, { constant: 500 }, score(-3, "good")],
    ["20 seconds at most", 20_000, {}, score(50, "bad")],
    ["at most what the policy says", 120_000, { most: 120_000 }, score(5000, "bad")],
    ["a second for each line that was no command", 3000, {}, undefined, { conduct }],
    ["on a DNS list, where the policy says so", 7000, { listed: 7000 }, listing(1)],
    ["on a DNS list, by its points alone", 0, {}, listing(1)],
    ["on a list that speaks for it", 0, { listed: 7000 }, listing(-1)],
    ["all of it together", 13_000, { constant: 1000, listed: 7000 }, [score(2, "bad"), listing(1)], {
      conduct,
    }],
    ["allowed", 0, { constant: 1000 }, [score(9, "bad"), found(ALLOWED, "access: clients 203.0.113.7")]],
    ["authenticated", 0, { constant: 1000 }, score(9, "bad"), { user: "ann" }],
    ["fractions of a millisecond", 334, { perPoint: 1000 }, score(1 / 3 + 0.0004, "bad")],
  ];
  for (const [why, ms, options, opinion, given] of cases) {
    test(`${why}: ${ms} ms`, async () => expect(await atMail(options, opinion, given)).toBe(ms));
  }
});

describe("stages:", () => {
  test("it waits where the policy says, and nowhere else", async () => {
    const stages = ["connect", "helo", "data"] as const;
    const chain = session({ constant: 100, stages }, score(1, "bad"));
    const waits = [await waited(chain, "connect")];
    for (const stage of ["helo", "mail", "rcpt", "data"] as const) {
      waits.push(await waited(chain, stage, { conduct }));
    }
    expect(waits).toEqual([1100, 4100, 0, 0, 4100]);
  });

  test("without refused recipients only the given stages are asked", () => {
    const asked = (options: TarpitOptions) =>
      ["connect", "helo", "mail", "rcpt", "data"].filter((name) => name in tarpit(options));
    expect(asked({ perRefusedRecipient: 0 })).toEqual(["mail"]);
    expect(asked({})).toEqual(["mail", "rcpt"]);
  });

  test("the note says how long, and the verdict is counted", async () => {
    const chain = session({ constant: 100 });
    await waited(chain, "mail");
    expect(chain.dossier.takeTrail()).toEqual(["tarpit@mail:delay", "tarpit@mail:ms=100"]);
  });
});

describe("refused recipients:", () => {
  const refused = (count: number) => ({
    conduct: { ...conduct, unknownCommands: 0, refusedRecipients: count },
  });

  test("the first three cost nothing, then each makes the wait a second longer", async () => {
    const chain = session({});
    const waits: number[] = [];
    for (let count = 0; count < 7; count++) waits.push(await waited(chain, "rcpt", refused(count)));
    expect(waits).toEqual([0, 0, 0, 0, 1000, 2000, 3000]);
  });

  test("they cost users and allowed clients nothing", async () => {
    const chain = session({});
    expect(await waited(chain, "rcpt", { ...refused(9), user: "ann" })).toBe(0);
    chain.dossier.scopes.session.findings.leave(ALLOWED, "access: clients 203.0.113.7");
    expect(await waited(chain, "rcpt", refused(9))).toBe(0);
  });

  test("at RCPT they add to what else is counted there, and nowhere else", async () => {
    const chain = session({ forgiven: 0, constant: 300, stages: ["mail", "rcpt"] });
    expect(await waited(chain, "rcpt", refused(1))).toBe(1300);
    expect(await waited(chain, "mail", refused(1))).toBe(300);
  });
});

describe("places:", () => {
  /** One policy with two places, and clients of it. */
  function crowd() {
    const clock = { now: 1_000_000 };
    const chain = session({ constant: 5000, sessions: 2 }, undefined, clock);
    const comes = (id: string) => {
      const dossier = chain.newDossier();
      return { dossier, mail: () => waited(chain, "mail", { id }, dossier) };
    };
    return { clock, chain, comes };
  }

  test("when all are taken nobody else waits, which is counted and noted", async () => {
    const { chain, comes } = crowd();
    const clients = [comes("A"), comes("B"), comes("C")];
    expect([await clients[0]!.mail(), await clients[1]!.mail(), await clients[2]!.mail()]).toEqual([
      5000,
      5000,
      0,
    ]);
    expect(clients[2]!.dossier.takeTrail()).toEqual(["tarpit@mail:full=true"]);
    expect(chain.metrics.text()).toContain('sallyport_plugin_tarpit_full_total{plugin="tarpit"} 1');
  });

  test("a place is free again when its time is over", async () => {
    const { clock, comes } = crowd();
    await comes("A").mail();
    await comes("B").mail();
    clock.now += 4999;
    expect(await comes("C").mail()).toBe(0);
    clock.now += 1;
    expect(await comes("D").mail()).toBe(5000);
  });

  test("a place is free again when its client leaves", async () => {
    const { comes } = crowd();
    const left = comes("A");
    await left.mail();
    await comes("B").mail();
    left.dossier.leave();
    left.dossier.over();
    expect(await comes("C").mail()).toBe(5000);
  });

  test("one session holds one place, however often it waits", async () => {
    const { comes } = crowd();
    const one = comes("A");
    for (let i = 0; i < 5; i++) expect(await one.mail()).toBe(5000);
    expect(await comes("B").mail()).toBe(5000);
  });
});

describe("mistakes in the options are named:", () => {
  const TIME = "allowed is a whole number of milliseconds from 0 to 120000";
  const cases: readonly (readonly [given: unknown, mistake: string])[] = [
    [{ perPoint: 0.5 }, `options.perPoint: 0.5 was given; ${TIME}`],
    [{ most: 120_001 }, `options.most: 120001 was given; ${TIME}`],
    [{ sessions: 0 }, "options.sessions: 0 was given; allowed is a whole number from 1"],
    [
      { stages: ["message"] },
      'options.stages[0]: "message" was given; allowed are connect, helo, mail, rcpt, data',
    ],
  ];
  for (const [given, mistake] of cases) {
    test(mistake, () => expect(tarpit(given as TarpitOptions).mistakes).toEqual([mistake]));
  }
});
