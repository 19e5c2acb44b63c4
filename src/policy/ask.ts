/**
 * Asks one plugin at one stage. One of the two places where a fault is caught: what a plugin does wrong (it throws,
 * hangs or returns what is no verdict) costs what its `onError` says, and nothing else.
 */
import type { Opinion, Plugin, Stage, Stages } from "./plugin.ts";
import { defer, isVerdict, reject, type Verdict } from "./verdict.ts";

/** Milliseconds a stage's handler may take. */
export const DEADLINES: Readonly<Record<Stage, number>> = {
  connect: 5_000,
  helo: 5_000,
  mail: 5_000,
  rcpt: 5_000,
  data: 5_000,
  message: 30_000,
};

/** Runs `callback` once `ms` milliseconds have passed, unless what it returns is called before. */
export type After = (ms: number, callback: () => void) => () => void;

/** By the runtime's own timer. */
export function timer(ms: number, callback: () => void): () => void {
  const running = setTimeout(callback, ms);
  return () => clearTimeout(running);
}

/** What the asking session can stop a thinking handler by, when its client leaves. */
export interface Scope {
  abort?: AbortController | undefined;
}

/** What one question comes with. */
export interface Terms {
  readonly scope: Scope;
  readonly after: After;
  /** Told once of a failure; what it costs is in the verdict. */
  failed(cause: unknown): void;
}

/** The plugin's verdict, or what its failure costs. Only a plugin that waits makes it a promise. */
export function askPlugin<S extends Stage>(
  plugin: Plugin,
  stage: S,
  facts: Stages[S],
  terms: Terms,
): Verdict | undefined | Promise<Verdict | undefined> {
  const handler = plugin[stage] as (facts: Stages[S], signal: AbortSignal) => Opinion | Promise<Opinion>;
  const abort = new AbortController();
  try {
    const opinion = handler.call(plugin, facts, abort.signal);
    if (typeof (opinion as PromiseLike<Opinion> | undefined)?.then !== "function") {
      return checked(plugin, opinion, terms);
    }
    terms.scope.abort = abort;
    return settled(plugin, stage, Promise.resolve(opinion), abort, terms);
  } catch (cause) {
    return failure(plugin, cause, terms);
  }
}

/** The first of three counts: the plugin answers, its time is over, its client leaves. */
function settled(
  plugin: Plugin,
  stage: Stage,
  opinion: Promise<Opinion>,
  abort: AbortController,
  terms: Terms,
): Promise<Verdict | undefined> {
  return new Promise((resolve) => {
    let open = true;
    const settle = (verdict: () => Verdict | undefined) => {
      if (!open) return;
      open = false;
      cancel();
      resolve(verdict());
    };
    const cancel = terms.after(DEADLINES[stage], () => {
      const cause = new Error(`no verdict within ${DEADLINES[stage]} ms`);
      settle(() => failure(plugin, cause, terms));
      abort.abort(cause);
    });
    // Nobody hears this verdict. It is a refusal all the same: what nobody judged must not go on.
    abort.signal.addEventListener("abort", () => settle(() => defer("4.4.2", "The client has left")));
    opinion.then(
      (given) => settle(() => checked(plugin, given, terms)),
      (cause) => settle(() => failure(plugin, cause, terms)),
    );
  });
}

function checked(plugin: Plugin, opinion: unknown, terms: Terms): Verdict | undefined {
  try {
    if (opinion === undefined || isVerdict(opinion)) return opinion;
  } catch (cause) {
    return failure(plugin, cause, terms);
  }
  return failure(plugin, new TypeError("the handler returned what is no verdict"), terms);
}

function failure({ onError }: Plugin, cause: unknown, { failed }: Terms): Verdict | undefined {
  failed(cause);
  if (onError === "pass") return undefined;
  if (onError === "reject") return reject("5.3.0", "A check of this server failed");
  return defer("4.3.0", "A check of this server failed, try again later", 451);
}
