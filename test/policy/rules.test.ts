/**
 * What rules come to, however they are nested and whoever answers first: the engine beside a model of it that knows no
 * time, no promises and no hearings.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import { atRcpt, parallel, type Rule, unless, when } from "../../src/policy/rule.ts";
import {
  accept,
  defer,
  delay,
  disconnect,
  reject,
  severity,
  type Verdict,
} from "../../src/policy/verdict.ts";
import { SessionChain } from "../support/session_chain.ts";

type Early = "mail" | "rcpt";

interface Answer {
  readonly said: readonly Verdict["kind"][];
  /** Milliseconds; undefined: at once, and no promise. */
  readonly after: number | undefined;
}

interface Asks {
  readonly group: undefined;
  readonly answers: { readonly [S in Early]: Answer | undefined };
}

interface Grouped {
  readonly group: "parallel" | "at-rcpt" | "when" | "unless" | "never";
  readonly rules: readonly Spec[];
}

type Spec = Asks | Grouped;

// ---- any rules ----

const answer: fc.Arbitrary<Answer> = fc.record({
  said: fc.oneof(
    fc.constant([]),
    fc.subarray(["accept", "delay", "defer", "reject", "disconnect"] as const, { maxLength: 2 }),
  ),
  after: fc.constantFrom(undefined, undefined, 0, 1, 2),
});

const { spec } = fc.letrec<{ spec: Spec; group: Grouped; asks: Asks }>((tie) => ({
  spec: fc.oneof({ depthSize: "small", withCrossShrink: true }, tie("asks"), tie("group")),
  asks: fc.record({
    group: fc.constant(undefined),
    answers: fc.record({
      mail: fc.option(answer, { nil: undefined }),
      rcpt: fc.option(answer, { nil: undefined }),
    }),
  }),
  group: fc.record({
    group: fc.constantFrom("parallel", "parallel", "at-rcpt", "when", "unless", "never"),
    rules: fc.array(tie("spec"), { minLength: 1, maxLength: 3 }),
  }),
}));

// ---- as the engine has them ----

function verdictOf(kind: Verdict["kind"], order: number): Verdict {
  switch (kind) {
    case "accept":
      return accept();
    case "delay":
      return delay(100 * order);
    case "defer":
      return defer("4.7.1", `p${order}`);
    case "reject":
      return reject("5.7.1", `p${order}`);
    case "disconnect":
      return disconnect("4.7.0", `p${order}`);
  }
}

function pluginOf({ answers }: Asks, order: number): Plugin {
  const handler =
    ({ said, after }: Answer) =>
    (_session: unknown, io: { after: SessionChain["chain"]["engine"]["after"] }) => {
      const verdicts = said.map((kind) => verdictOf(kind, order));
      if (after === undefined) return verdicts;
      return new Promise<Verdict[]>((resolve) => void io.after(after, () => resolve(verdicts)));
    };
  const { mail, rcpt } = answers;
  return definePlugin(`p${order}`, () => ({
    onError: "pass",
    ...(mail && { mail: handler(mail) }),
    ...(rcpt && { rcpt: handler(rcpt) }),
  }))();
}

/** A list of rules, whose plugins are numbered in their order. */
function rulesOf(specs: readonly Spec[]): readonly Rule[] {
  let order = 0;
  const one = (spec: Spec): Rule => {
    if (spec.group === undefined) return pluginOf(spec, order++);
    const rules = spec.rules.map(one);
    switch (spec.group) {
      case "parallel":
        return parallel(...rules);
      case "at-rcpt":
        return atRcpt(...rules);
      case "when":
        return when(() => true, ...rules);
      case "unless":
        return unless(() => false, ...rules);
      case "never":
        return when(() => false, ...rules);
    }
  };
  return specs.map(one);
}

// ---- as the model has them ----

interface Ruling {
  verdict: { readonly kind: Verdict["kind"]; readonly order: number; readonly by: number } | undefined;
  delay: number;
  accepted: boolean;
}

class Model {
  readonly asked: string[] = [];
  readonly #held = new Map<Grouped, Ruling["verdict"]>();
  readonly #orders = new Map<Spec, number>();

  constructor(specs: readonly Spec[]) {
    let order = 0;
    const number = (spec: Spec): void => {
      this.#orders.set(spec, order);
      if (spec.group === undefined) order++;
      else spec.rules.forEach(number);
    };
    specs.forEach(number);
  }

  judge(specs: readonly Spec[], stage: Early, own: Ruling = nothing()): Ruling {
    for (const spec of this.#laidOut(specs, stage)) {
      if (own.accepted || own.verdict?.kind === "reject" || own.verdict?.kind === "disconnect") break;
      this.#ask(spec, stage, own);
    }
    return own;
  }

  #ask(spec: Spec, stage: Early, own: Ruling): void {
    const order = this.#orders.get(spec)!;
    switch (spec.group) {
      case undefined:
        return this.#plugin(spec.answers[stage], order, stage, own);
      case "parallel": {
        const parts = this.#laidOut(spec.rules, stage).map((each) => {
          const part = nothing();
          this.#ask(each, stage, part);
          return part;
        });
        return parts.forEach((part) => add(own, part));
      }
      case "at-rcpt": {
        const held = this.#held.get(spec);
        if (held !== undefined) return add(own, { ...nothing(), verdict: { ...held, order } });
        if (stage === "rcpt") return void this.judge(spec.rules, stage, own);
        const part = this.judge(spec.rules, stage);
        this.#held.set(spec, part.verdict);
        return add(own, { ...part, verdict: undefined });
      }
      case "never":
        return;
      default:
        return void this.judge(spec.rules, stage, own);
    }
  }

  #plugin(answer: Answer | undefined, order: number, stage: Early, own: Ruling): void {
    if (answer === undefined) return;
    this.asked.push(`p${order}@${stage}`);
    for (const kind of answer.said) {
      if (kind === "accept") own.accepted = true;
      else if (kind === "delay") own.delay = Math.max(own.delay, 100 * order);
      else add(own, { ...nothing(), verdict: { kind, order, by: order } });
    }
  }

  /** Groups that hold nothing have no meaning at RCPT: their rules stand in their place. */
  #laidOut(specs: readonly Spec[], stage: Early): readonly Spec[] {
    return specs.flatMap((spec) =>
      stage === "rcpt" && spec.group === "at-rcpt" && !spec.rules.some(isAskedAtMail)
        ? this.#laidOut(spec.rules, stage)
        : [spec]
    );
  }
}

function isAskedAtMail(spec: Spec): boolean {
  return spec.group === undefined ? spec.answers.mail !== undefined : spec.rules.some(isAskedAtMail);
}

function nothing(): Ruling {
  return { verdict: undefined, delay: 0, accepted: false };
}

function add(own: Ruling, { verdict, delay, accepted }: Ruling): void {
  own.delay = Math.max(own.delay, delay);
  own.accepted ||= accepted;
  if (verdict === undefined) return;
  const before = own.verdict === undefined ? -1 : rank(own.verdict);
  if (rank(verdict) > before || (rank(verdict) === before && verdict.order < own.verdict!.order)) {
    own.verdict = verdict;
  }
}

function rank({ kind }: { readonly kind: Verdict["kind"] }): number {
  return severity({ kind } as Verdict);
}

// ---- beside each other ----

test("the strictest verdict counts, the earlier of two, the longest delay, and who need not be asked is not", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(spec, { minLength: 1, maxLength: 4 }), async (specs) => {
      const chain = new SessionChain(rulesOf(specs));
      const model = new Model(specs);
      for (const stage of ["mail", "rcpt"] as const) {
        let over = false;
        const judging = chain.judge(stage).finally(() => over = true);
        for (let ms = 0; !over; ms = 1) await chain.pass(ms);
        const judged = await judging;
        const { verdict, delay } = model.judge(specs, stage);
        expect([judged?.verdict?.kind, judged?.plugin, judged?.delay ?? 0]).toEqual([
          verdict?.kind,
          verdict && `p${verdict.by}`,
          delay,
        ]);
      }
      expect(chain.asked.map(({ plugin, stage }) => `${plugin}@${stage}`).toSorted())
        .toEqual(model.asked.toSorted());
    }),
    { numRuns: 300 },
  );
});
