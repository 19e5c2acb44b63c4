/**
 * A policy's plugins, asked stage by stage and in order, until one decides.
 */
import { type After, askPlugin, type Scope, timer } from "./ask.ts";
import { type Plugin, type Stage, STAGES, type Stages } from "./plugin.ts";
import type { Verdict } from "./verdict.ts";

export type { Scope } from "./ask.ts";

/** What a stage came to. */
export interface Judgement {
  readonly verdict: Exclude<Verdict, { kind: "accept" }>;
  readonly plugin: string;
}

/** Told once of every failure of a plugin. */
type FaultLog = (plugin: string, stage: Stage, cause: unknown) => void;

export class Chain {
  readonly plugins: readonly Plugin[];
  readonly #stages: ReadonlyMap<Stage, readonly Plugin[]>;
  readonly #faultLog: FaultLog;
  readonly #after: After;

  /** @param after measures the deadlines */
  constructor(plugins: readonly Plugin[], faultLog: FaultLog, after: After = timer) {
    this.plugins = plugins;
    this.#faultLog = faultLog;
    this.#after = after;
    this.#stages = new Map(
      STAGES.map((stage) => [stage, plugins.filter((plugin) => plugin[stage] !== undefined)]),
    );
  }

  /** Those that are asked at a stage, in order. */
  asked(stage: Stage): readonly Plugin[] {
    return this.#stages.get(stage)!;
  }

  /** False: nobody need be asked, so what the stage would be told need not be put together. */
  asks(stage: Stage): boolean {
    return this.asked(stage).length > 0;
  }

  /** The first refusal, or undefined when nobody objects. Only a plugin that waits makes it a promise. */
  judge<S extends Stage>(
    stage: S,
    facts: Stages[S],
    scope: Scope,
  ): Judgement | undefined | Promise<Judgement | undefined> {
    return this.#from(0, stage, facts, scope);
  }

  #from<S extends Stage>(
    first: number,
    stage: S,
    facts: Stages[S],
    scope: Scope,
  ): Judgement | undefined | Promise<Judgement | undefined> {
    const plugins = this.asked(stage);
    for (let i = first; i < plugins.length; i++) {
      const plugin = plugins[i]!;
      const opinion = askPlugin(plugin, stage, facts, {
        scope,
        after: this.#after,
        failed: (cause) => this.#faultLog(plugin.name, stage, cause),
      });
      if (opinion instanceof Promise) {
        return opinion.then((settled) =>
          settled === undefined ? this.#from(i + 1, stage, facts, scope) : judgement(settled, plugin)
        );
      }
      if (opinion !== undefined) return judgement(opinion, plugin);
    }
    return undefined;
  }
}

function judgement(verdict: Verdict, { name }: Plugin): Judgement | undefined {
  return verdict.kind === "accept" ? undefined : { verdict, plugin: name };
}
