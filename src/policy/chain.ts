/**
 * Asks a policy's plugins, stage by stage. One of the two places where a fault is caught: what a plugin does wrong
 * costs what its `onError` says, and nothing else.
 */
import type { Opinion, Plugin, Stage, Stages } from "./plugin.ts";
import { defer, isVerdict, reject, type Verdict } from "./verdict.ts";

/** Milliseconds a stage's handler may take. */
const DEADLINES: Readonly<Record<Stage, number>> = {
  connect: 5_000,
  helo: 5_000,
  mail: 5_000,
  rcpt: 5_000,
  data: 5_000,
  message: 30_000,
};

/** What the asking session can stop a thinking handler by, when its client leaves. */
export interface Scope {
  abort?: AbortController | undefined;
}

/** What a stage came to. */
export interface Judgement {
  readonly verdict: Exclude<Verdict, { kind: "accept" }>;
  readonly plugin: string;
}

/** Told of every failing plugin. */
export type FaultLog = (plugin: string, stage: Stage, cause: unknown) => void;

export class Chain {
  readonly plugins: readonly Plugin[];
  readonly #stages: ReadonlyMap<Stage, readonly Plugin[]>;
  readonly #faultLog: FaultLog;

  constructor(plugins: readonly Plugin[], faultLog: FaultLog) {
    this.plugins = plugins;
    this.#faultLog = faultLog;
    const stages = Object.keys(DEADLINES) as Stage[];
    this.#stages = new Map(
      stages.map((stage) => [stage, plugins.filter((plugin) => plugin[stage] !== undefined)]),
    );
  }

  /** False: nobody need be asked, so what the stage would be told need not be put together. */
  asks(stage: Stage): boolean {
    return this.#stages.get(stage)!.length > 0;
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
    const plugins = this.#stages.get(stage)!;
    for (let i = first; i < plugins.length; i++) {
      const plugin = plugins[i]!;
      const opinion = this.#ask(plugin, stage, facts, scope);
      if (opinion instanceof Promise) {
        return opinion.then((settled) => {
          if (settled === undefined) return this.#from(i + 1, stage, facts, scope);
          return settled.kind === "accept" ? undefined : { verdict: settled, plugin: plugin.name };
        });
      }
      if (opinion !== undefined) {
        return opinion.kind === "accept" ? undefined : { verdict: opinion, plugin: plugin.name };
      }
    }
    return undefined;
  }

  #ask<S extends Stage>(
    plugin: Plugin,
    stage: S,
    facts: Stages[S],
    scope: Scope,
  ): Verdict | undefined | Promise<Verdict | undefined> {
    const handler = plugin[stage] as (facts: Stages[S], signal: AbortSignal) => Opinion | Promise<Opinion>;
    const abort = new AbortController();
    try {
      const opinion = handler.call(plugin, facts, abort.signal);
      if (typeof (opinion as PromiseLike<Opinion> | undefined)?.then !== "function") {
        return this.#checked(plugin, stage, opinion);
      }
      scope.abort = abort;
      return this.#timed(plugin, stage, Promise.resolve(opinion), abort);
    } catch (cause) {
      return this.#failed(plugin, stage, cause);
    }
  }

  #timed(
    plugin: Plugin,
    stage: Stage,
    opinion: Promise<Opinion>,
    abort: AbortController,
  ): Promise<Verdict | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const cause = new Error(`no verdict within ${DEADLINES[stage]} ms`);
        abort.abort(cause);
        resolve(this.#failed(plugin, stage, cause));
      }, DEADLINES[stage]);
      opinion
        .then(
          (settled) => this.#checked(plugin, stage, settled),
          (cause) => this.#failed(plugin, stage, cause),
        )
        .then((verdict) => (clearTimeout(timer), resolve(verdict)));
    });
  }

  #checked(plugin: Plugin, stage: Stage, opinion: unknown): Verdict | undefined {
    if (opinion === undefined || isVerdict(opinion)) return opinion;
    return this.#failed(plugin, stage, new TypeError("the handler returned what is no verdict"));
  }

  #failed(plugin: Plugin, stage: Stage, cause: unknown): Verdict | undefined {
    this.#faultLog(plugin.name, stage, cause);
    if (plugin.onError === "pass") return undefined;
    if (plugin.onError === "reject") return reject("5.3.0", "A check of this server failed");
    return defer("4.3.0", "A check of this server failed, try again later", 451);
  }
}
