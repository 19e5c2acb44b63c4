/**
 * A chain and one session of it, with a clock that a test moves and everything told remembered: for tests of the policy
 * engine alone.
 */
import { Chain, type Judgement } from "../../src/policy/chain.ts";
import type { Dossier } from "../../src/policy/dossier.ts";
import type { LogFields } from "../../src/policy/effects.ts";
import type { Asked, Effects } from "../../src/policy/engine.ts";
import { Metrics } from "../../src/policy/metrics.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { Stage, Stages } from "../../src/policy/stages.ts";
import { factsAt } from "../../src/testing.ts";
import { FakeTimers, promisesSettle } from "./fake_timers.ts";

export interface Line {
  readonly event: string;
  readonly fields: LogFields;
}

export class SessionChain {
  readonly timers = new FakeTimers();
  readonly metrics = new Metrics();
  readonly lines: Line[] = [];
  readonly asked: Asked[] = [];
  readonly teasers: string[] = [];
  readonly chain: Chain;
  readonly dossier: Dossier;
  readonly client: string;
  spoke = false;
  readonly #listeners = new Set<() => void>();

  constructor(rules: readonly Rule[], { effects = {}, client = "203.0.113.7" }: {
    readonly effects?: Partial<Effects>;
    readonly client?: string;
  } = {}) {
    this.client = client;
    this.chain = new Chain(rules, {
      effects,
      metrics: this.metrics,
      log: (_level, event, fields) => void this.lines.push({ event, fields }),
      asked: (asked) => void this.asked.push(asked),
      clock: () => this.timers.now,
      after: (ms, callback) => {
        const id = this.timers.set(callback, ms);
        return () => this.timers.clear(id);
      },
    });
    this.dossier = this.newDossier();
  }

  newDossier(client = this.client): Dossier {
    const spoke = () => this.spoke;
    return this.chain.dossier("7Q2M", client, {
      get spoke() {
        return spoke();
      },
      greeted: false,
      tease: (line) => void this.teasers.push(line),
      onSpeech: (callback) => {
        this.#listeners.add(callback);
        return () => this.#listeners.delete(callback);
      },
    });
  }

  /** The client says something. */
  speak(): void {
    this.spoke = true;
    for (const listener of [...this.#listeners]) listener();
  }

  judge<S extends Stage>(
    stage: S,
    given: Partial<Stages[S]> = {},
    dossier: Dossier = this.dossier,
  ): Promise<Judgement | undefined> {
    const facts = factsAt(stage, {
      client: { host: dossier.client, port: 50_000 },
      findings: dossier.findings(stage),
      ...given,
    } as Partial<Stages[S]>);
    return Promise.resolve(this.chain.judge(stage, facts, dossier));
  }

  /** The verdict of a stage in short: "pass", "450 text". */
  async verdict<S extends Stage>(
    stage: S,
    given: Partial<Stages[S]> = {},
    dossier: Dossier = this.dossier,
  ): Promise<string> {
    return shortly(await this.judge(stage, given, dossier));
  }

  /** Time passes while something is under way. */
  async pass(ms: number): Promise<void> {
    await promisesSettle();
    this.timers.advance(ms);
    await promisesSettle();
  }

  /** Lines of the log with this event, as text of these fields. */
  told(event: string, ...fields: readonly string[]): string[] {
    return this.lines.filter((line) => line.event === event).map((line) =>
      fields.map((field) => String(line.fields[field])).join(" ")
    );
  }
}

export function shortly(judgement: Judgement | undefined): string {
  const verdict = judgement?.verdict;
  if (verdict === undefined) return "pass";
  return verdict.kind === "disconnect" ? `421 ${verdict.text}` : `${verdict.code} ${verdict.text}`;
}
