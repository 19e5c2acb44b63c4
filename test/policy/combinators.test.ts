/**
 * Rules in groups: what is asked, and whose verdict counts.
 */
import { describe, expect, test } from "bun:test";
import { accept, defer, delay, disconnect, reject, type Verdict } from "../../src/policy/verdict.ts";
import { commit, found, note, type Opinion, rollback, score } from "../../src/policy/action.ts";
import { finding } from "../../src/policy/finding.ts";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import { atRcpt, parallel, type Rule, sample, shadow, unless, when } from "../../src/policy/rule.ts";
import type { Stage } from "../../src/policy/stages.ts";
import { threshold } from "../../src/policy/threshold.ts";
import { path } from "../../src/testing.ts";
import { SessionChain } from "../support/session_chain.ts";

/** A plugin that says this at this stage, at once or later. */
function says(name: string, opinion: Opinion, stage: Stage = "rcpt", later = false): Plugin {
  return definePlugin(name, () => ({
    onError: "defer",
    [stage]: () => (later ? Promise.resolve(opinion) : opinion),
  }))();
}

const VERDICTS: readonly Verdict[] = [
  disconnect("4.7.0", "strictest"),
  reject("5.7.1", "no"),
  defer("4.7.1", "later"),
];

describe("parallel:", () => {
  for (const later of [false, true]) {
    for (const [i, strict] of VERDICTS.entries()) {
      for (const mild of [...VERDICTS.slice(i + 1), accept(), undefined]) {
        const name = `${strict.kind} beside ${mild?.kind ?? "nothing"}${later ? ", later" : ""}`;
        test(`${name}: the strictest counts, in either order`, async () => {
          const [a, b] = [says("a", strict, "rcpt", later), says("b", mild)];
          const there = await new SessionChain([parallel(a, b)]).judge("rcpt");
          const back = await new SessionChain([parallel(b, a)]).judge("rcpt");
          expect([there?.verdict as Verdict, there?.plugin]).toEqual([strict, "a"]);
          expect([back?.verdict as Verdict, back?.plugin]).toEqual([strict, "a"]);
        });
      }
    }
  }

  test("of two equally strict the earlier in the policy counts, whoever answers first", async () => {
    const chain = new SessionChain([
      parallel(says("slow", reject("5.7.1", "slow"), "rcpt", true), says("quick", reject("5.7.1", "quick"))),
    ]);
    expect(await chain.verdict("rcpt")).toBe("550 slow");
  });

  test("all are asked at once, and one deadline is for all of them", async () => {
    let asked = 0;
    const hangs = (name: string) =>
      definePlugin(name, () => ({ onError: "pass", rcpt: () => (asked++, new Promise<void>(() => {})) }))();
    const chain = new SessionChain([parallel(hangs("a"), hangs("b"), says("c", undefined))]);
    const judged = chain.judge("rcpt");
    expect(asked).toBe(2);
    await chain.pass(5000);
    expect(await judged).toBeUndefined();
    expect(chain.told("plugin failed", "plugin", "kind")).toEqual(["a timeout", "b timeout"]);
  });

  test("acceptance of one ends the stage behind the group", async () => {
    const chain = new SessionChain([
      parallel(says("a", accept()), says("b", undefined)),
      says("c", VERDICTS[1]),
    ]);
    expect(await chain.verdict("rcpt")).toBe("pass");
  });

  test("every finding and every score is there for the next rule", async () => {
    const KEY = finding<number>("key");
    const chain = new SessionChain([
      parallel(says("a", [found(KEY, 7), score(4, "four")], "rcpt", true), says("b", score(3, "three"))),
      threshold({ reject: 7 }),
    ]);
    expect(await chain.verdict("rcpt")).toBe("550 Refused: score 7");
    expect(chain.dossier.findings("rcpt").get(KEY)).toBe(7);
  });
});

describe("in sequence:", () => {
  test("a deferral does not keep a later rejection from counting", async () => {
    const chain = new SessionChain([says("a", VERDICTS[2]), says("b", VERDICTS[1])]);
    expect(await chain.verdict("rcpt")).toBe("550 no");
  });

  test("the longest delay counts, beside whatever verdict", async () => {
    const chain = new SessionChain([says("a", delay(3000)), says("b", [delay(2000), VERDICTS[2]])]);
    const judged = await chain.judge("rcpt");
    expect([judged?.delay, judged?.verdict?.kind]).toEqual([3000, "defer"]);
  });

  test("whose time is over before they are asked, have failed by their own policy", async () => {
    const hangs = definePlugin(
      "hangs",
      () => ({ onError: "pass", rcpt: () => new Promise<void>(() => {}) }),
    )();
    const chain = new SessionChain([hangs, says("next", undefined)]);
    const judged = chain.verdict("rcpt");
    await chain.pass(5000);
    expect(await judged).toBe("451 A check of this server failed, try again later");
    expect(chain.told("plugin failed", "plugin", "cause")).toEqual([
      "hangs no verdict within 5000 ms",
      "next not asked: the stage's time was over",
    ]);
  });
});

describe("when and unless", () => {
  const no = says("no", reject("5.7.1", "no"));
  const isLocal = ({ client }: { readonly client: { readonly host: string } }) =>
    client.host.startsWith("203.0.113.");
  test("ask by what the test says", async () => {
    expect(await new SessionChain([when(isLocal, no)]).verdict("rcpt")).toBe("550 no");
    expect(await new SessionChain([unless(isLocal, no)]).verdict("rcpt")).toBe("pass");
    expect(await new SessionChain([when(isLocal, no)], { client: "192.0.2.1" }).verdict("rcpt")).toBe("pass");
  });

  test("see undefined where something is not known yet", async () => {
    const seen: unknown[] = [];
    const early = says("early", undefined, "connect");
    const chain = new SessionChain([
      when(({ helo, forwardPath }) => seen.push(helo, forwardPath) < 0, early),
    ]);
    await chain.judge("connect");
    expect(seen).toEqual([undefined, undefined]);
  });

  test("a test that throws costs what the plugins behind it would", async () => {
    const broken = () => {
      throw new Error("broken test");
    };
    const chain = new SessionChain([when(broken, says("inner", undefined))]);
    expect(await chain.verdict("rcpt")).toBe("451 A check of this server failed, try again later");
    expect(chain.told("plugin failed", "plugin", "kind", "cause")).toEqual(["inner crash broken test"]);
  });
});

describe("sample", () => {
  const no = says("no", reject("5.7.1", "no"));
  const refused = async (percent: number, clients: readonly string[]) => {
    const chain = new SessionChain([sample(percent, no)]);
    let count = 0;
    for (const client of clients) {
      count += await chain.verdict("rcpt", {}, chain.newDossier(client)) === "pass" ? 0 : 1;
    }
    return count;
  };
  const networks = Array.from({ length: 2000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);

  test("asks for about that share of the client networks, for none at 0 and all at 100", async () => {
    expect(await refused(0, networks)).toBe(0);
    expect(await refused(100, networks)).toBe(2000);
    const tenth = await refused(10, networks);
    expect(tenth).toBeGreaterThan(140);
    expect(tenth).toBeLessThan(260);
  });

  test("does the same for all addresses of one network", async () => {
    const ipv4 = Array.from({ length: 256 }, (_, i) => `198.51.100.${i}`);
    const ipv6 = Array.from({ length: 256 }, (_, i) => `2001:db8:7:7::${i.toString(16)}`);
    expect([0, 256]).toContain(await refused(50, ipv4));
    expect([0, 256]).toContain(await refused(50, ipv6));
  });
});

describe("atRcpt", () => {
  for (const stage of ["connect", "helo", "mail"] as const) {
    test(`holds what is refused at ${stage}, and lets postmaster through`, async () => {
      const chain = new SessionChain([atRcpt(says("early", reject("5.7.1", "no", 554), stage))]);
      expect(await chain.verdict(stage)).toBe("pass");
      if (stage === "helo") chain.dossier.greeted(true);
      expect(await chain.verdict("rcpt")).toBe("554 no");
      expect(await chain.verdict("rcpt", { forwardPath: path("Postmaster") })).toBe("pass");
      expect(await chain.verdict("rcpt", { forwardPath: path("postmaster@mx.example") })).toBe("pass");
    });
  }

  test("holds what was said, not what its author makes of the same object for the next session", async () => {
    const one = { kind: "reject", code: 550, enhanced: "7.1", text: "" };
    const reuses = definePlugin("reuses", () => ({
      onError: "pass",
      helo({ helo }): Verdict {
        one.text = `No ${helo}`;
        return one as Verdict;
      },
    }))();
    const chain = new SessionChain([atRcpt(reuses)]);
    await chain.judge("helo", { helo: "first.example" });
    chain.dossier.greeted(true);
    const next = chain.newDossier();
    await chain.judge("helo", { helo: "second.example" }, next);
    next.greeted(true);
    expect(await chain.verdict("rcpt")).toBe("550 No first.example");
    expect(await chain.verdict("rcpt", {}, next)).toBe("550 No second.example");
  });

  test("of several that are held the strictest counts, and of equally strict ones the first", async () => {
    const chain = (...verdicts: readonly Verdict[]) =>
      new SessionChain([
        atRcpt(...(["connect", "helo", "mail"] as const).map((stage, i) => says(stage, verdicts[i], stage))),
      ]);
    const judged = async (one: SessionChain) => {
      await one.judge("connect");
      await one.judge("helo");
      one.dossier.greeted(true);
      await one.judge("mail");
      return await one.verdict("rcpt");
    };
    const no = (text: string) => reject("5.7.1", text);
    expect(await judged(chain(no("first"), no("second"), no("third")))).toBe("550 first");
    expect(await judged(chain(defer("4.7.1", "mild"), no("second"), no("third")))).toBe("550 second");
  });

  test("what was held at MAIL is over with its transaction", async () => {
    const chain = new SessionChain([atRcpt(says("early", reject("5.7.1", "no"), "mail"))]);
    await chain.judge("mail");
    chain.dossier.transactionOver("not taken");
    expect(await chain.verdict("rcpt")).toBe("pass");
  });

  test("what was held of a greeting is over with the next one, not with a refused one", async () => {
    let verdict: Opinion = reject("5.7.1", "no");
    const helo = definePlugin("helo", () => ({ onError: "pass", helo: () => verdict }))();
    const chain = new SessionChain([atRcpt(helo)]);
    await chain.judge("helo");
    chain.dossier.greeted(true);
    verdict = undefined;
    await chain.judge("helo");
    chain.dossier.greeted(false);
    expect(await chain.verdict("rcpt")).toBe("550 no");
    await chain.judge("helo");
    chain.dossier.greeted(true);
    expect(await chain.verdict("rcpt")).toBe("pass");
  });

  test("asks its own rules at RCPT too where nothing was held", async () => {
    const chain = new SessionChain([
      atRcpt(says("early", undefined, "connect"), says("late", reject("5.7.1", "late"))),
    ]);
    await chain.judge("connect");
    expect(await chain.verdict("rcpt")).toBe("550 late");
  });
});

describe("shadow", () => {
  test("never decides, and counts what it would have done", async () => {
    const chain = new SessionChain([shadow(says("strict", reject("5.7.1", "no"))), says("mild", undefined)]);
    expect(await chain.verdict("rcpt")).toBe("pass");
    await chain.pass(0);
    expect(chain.told("shadow", "plugin", "stage", "would", "did")).toEqual(["strict rcpt reject pass"]);
    expect(chain.metrics.text()).toContain(
      'sallyport_shadow_differences_total{plugin="strict",stage="rcpt",would="reject",did="pass"} 1',
    );
    expect(chain.metrics.text()).toContain(
      'sallyport_verdicts_total{plugin="strict",stage="rcpt",mode="shadow",verdict="reject"} 1',
    );
  });

  test("counts no difference where the policy did the same", async () => {
    const chain = new SessionChain([
      shadow(says("strict", reject("5.7.1", "no"))),
      says("real", reject("5.7.1", "x")),
    ]);
    expect(await chain.verdict("rcpt")).toBe("550 x");
    await chain.pass(0);
    expect(chain.told("shadow", "plugin")).toEqual([]);
  });

  for (
    const [where, rules] of [
      [
        "before a rule that answers later",
        () => [shadow(says("s", reject("5.7.1", "s"))), says("r", reject("5.7.1", "r"), "rcpt", true)],
      ],
      [
        "within a group",
        () => [
          parallel(shadow(says("s", reject("5.7.1", "s"))), says("r", reject("5.7.1", "r"), "rcpt", true)),
        ],
      ],
      [
        "and answers after the stage",
        () => [shadow(says("s", reject("5.7.1", "s"), "rcpt", true)), says("r", reject("5.7.1", "r"))],
      ],
    ] as const
  ) {
    test(`is compared with what the stage came to: ${where}`, async () => {
      const chain = new SessionChain(rules());
      expect(await chain.verdict("rcpt")).toBe("550 r");
      await chain.pass(0);
      expect(chain.told("shadow", "plugin", "did")).toEqual([]);
    });
  }

  for (
    const [where, group] of [
      ["a parallel group", (rule: Rule) => parallel(rule, says("mild", undefined, "mail"))],
      [
        "a group within it",
        (rule: Rule) => parallel(unless(() => false, rule), says("mild", undefined, "mail")),
      ],
      ["what is held until RCPT", (rule: Rule) => atRcpt(rule)],
      ["another shadow", (rule: Rule) => shadow(rule)],
      [
        "a group within another shadow",
        (rule: Rule) => shadow(parallel(when(() => true, rule), says("stricter", undefined, "mail"))),
      ],
    ] as const
  ) {
    test(`counts what it would have done within ${where}`, async () => {
      const chain = new SessionChain([group(shadow(says("strict", reject("5.7.1", "no"), "mail")))]);
      expect(await chain.verdict("mail")).toBe("pass");
      await chain.pass(0);
      expect(chain.told("shadow", "plugin", "stage", "would", "did")).toEqual(["strict mail reject pass"]);
    });
  }

  test("within another shadow it is compared with what was done, not with what that would have done", async () => {
    const outer = says("outer", reject("5.7.1", "outer"));
    const chain = new SessionChain([
      shadow(shadow(says("inner", reject("5.7.1", "inner"))), outer),
      says("real", defer("4.7.1", "real")),
    ]);
    expect(await chain.verdict("rcpt")).toBe("450 real");
    await chain.pass(0);
    expect(chain.told("shadow", "plugin", "would", "did").toSorted()).toEqual([
      "inner reject defer",
      "outer reject defer",
    ]);
  });

  test("the time that it takes is not the next plugin's", async () => {
    const busy = definePlugin("busy", () => ({
      onError: "pass",
      rcpt: () => void (chain.timers.now += 1000),
    }))();
    const chain: SessionChain = new SessionChain([shadow(busy), says("next", undefined)]);
    expect(await chain.verdict("rcpt")).toBe("pass");
    expect(chain.told("plugin blocks", "plugin", "ms")).toEqual(["busy 1000"]);
  });

  test("its third stage waits for the second, which waits for the first", async () => {
    const order: string[] = [];
    const answers: (() => void)[] = [];
    const slow = (stage: string) => () => {
      order.push(`${stage} begins`);
      return new Promise<void>((resolve) => answers.push(resolve)).then(() =>
        void order.push(`${stage} ends`)
      );
    };
    const plugin = definePlugin("slow", () => ({
      onError: "pass",
      connect: slow("connect"),
      mail: slow("mail"),
      rcpt: slow("rcpt"),
    }))();
    const chain = new SessionChain([shadow(plugin)]);
    for (const stage of ["connect", "mail", "rcpt"] as const) await chain.judge(stage);
    for (let i = 0; i < 3; i++) {
      answers.shift()!();
      await chain.pass(0);
    }
    expect(order).toEqual([
      "connect begins",
      "connect ends",
      "mail begins",
      "mail ends",
      "rcpt begins",
      "rcpt ends",
    ]);
  });

  test("a stage that is asked late belongs to the transaction it was of", async () => {
    const done: string[] = [];
    let answer = (): void => {};
    let transaction = 0;
    const plugin = definePlugin("late", () => ({
      onError: "pass",
      connect: () => new Promise<void>((resolve) => (answer = resolve)),
      mail: () => {
        const mine = ++transaction;
        return [
          commit(() => void done.push(`commit ${mine}`)),
          rollback(() => void done.push(`rollback ${mine}`)),
        ];
      },
    }))();
    const chain = new SessionChain([shadow(plugin)]);
    await chain.judge("connect");
    await chain.judge("mail");
    chain.dossier.transactionOver("taken");
    await chain.judge("mail");
    chain.dossier.transactionOver("not taken");
    answer();
    await chain.pass(0);
    expect(done).toEqual(["commit 1", "rollback 2"]);
  });

  test("what atRcpt holds within it is held of its own transaction alone", async () => {
    let verdict: Opinion = reject("5.7.1", "held");
    const early = definePlugin("early", () => ({ onError: "pass", mail: () => Promise.resolve(verdict) }))();
    const chain = new SessionChain([shadow(atRcpt(early))]);
    await chain.judge("mail");
    chain.dossier.transactionOver("not taken");
    verdict = undefined;
    await chain.judge("mail");
    await chain.judge("rcpt");
    await chain.pass(0);
    expect(chain.told("shadow", "stage")).toEqual([]);
  });

  test("is waited for by nobody but its own next stage", async () => {
    const order: string[] = [];
    let answer = (): void => {};
    const slow = definePlugin("slow", () => ({
      onError: "pass",
      mail: () => new Promise<void>((resolve) => (answer = resolve)).then(() => void order.push("mail")),
      rcpt: () => void order.push("rcpt"),
    }))();
    const chain = new SessionChain([shadow(slow)]);
    expect(await chain.verdict("mail")).toBe("pass");
    expect(await chain.verdict("rcpt")).toBe("pass");
    expect(order).toEqual([]);
    answer();
    await chain.pass(0);
    expect(order).toEqual(["mail", "rcpt"]);
  });

  test("its scores are seen by itself alone, beside the real ones", async () => {
    const chain = new SessionChain([
      says("real", score(2, "real"), "mail"),
      shadow(says("shadowed", score(5, "shadowed"), "mail"), threshold({ reject: 7 })),
      threshold({ defer: 3 }),
    ].map((rule) => ("name" in rule && rule.name === "threshold" ? { ...rule, name: "judge" } : rule)));
    await chain.judge("mail");
    expect(await chain.verdict("rcpt")).toBe("pass");
    await chain.pass(0);
    expect(chain.told("shadow", "plugin", "would")).toEqual(["threshold reject"]);
    expect(chain.dossier.findings("rcpt").score).toBe(2);
  });

  test("its delays and its acceptance do nothing", async () => {
    const chain = new SessionChain([
      shadow(says("a", [delay(9000), accept()])),
      says("b", reject("5.7.1", "b")),
    ]);
    const judged = await chain.judge("rcpt");
    expect([judged?.delay, judged?.verdict?.kind]).toEqual([0, "reject"]);
  });
});

test("notes and verdicts are the trail, those of shadowed rules in brackets", async () => {
  const chain = new SessionChain([
    says("a", [note("zone", "x"), delay(5)], "mail"),
    shadow(says("b", reject("5.7.1", "no"))),
    says("c", VERDICTS[2]),
  ]);
  await chain.judge("mail");
  await chain.judge("rcpt");
  expect(chain.dossier.takeTrail()).toEqual([
    "a@mail:zone=x",
    "a@mail:delay",
    "(b@rcpt:reject)",
    "c@rcpt:defer",
  ]);
  expect(chain.dossier.takeTrail()).toEqual([]);
});

test("check is told who is asked, in order, and within which groups", () => {
  const chain = new SessionChain([
    atRcpt(parallel(says("a", undefined, "connect"), says("b", undefined, "connect"))),
    shadow(sample(10, says("c", undefined, "connect"))),
  ]).chain;
  expect(chain.asked("connect").map(({ plugin, mode, within }) => [plugin.name, mode, within.join("; ")]))
    .toEqual([
      ["a", "enforce", "held until RCPT; parallel"],
      ["b", "enforce", "held until RCPT; parallel"],
      ["c", "shadow", "shadow; sample 10 %"],
    ]);
  expect(chain.asked("mail")).toEqual([]);
});
