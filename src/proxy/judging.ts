/**
 * Puts a stage to the policy's plugins for one session, and turns what they say into a reply.
 */
import type { Judgement, Scope } from "../policy/chain.ts";
import type { Stage, Stages } from "../policy/plugin.ts";
import type { Refusal } from "../smtp/commands.ts";
import type { Surroundings } from "./surroundings.ts";

export class Judging {
  readonly #id: string;
  readonly #around: Surroundings;
  readonly #later: (work: () => void) => void;
  readonly #scope: Scope = {};

  /** @param later runs what comes of a plugin that took its time, unless the session is over by then */
  constructor(id: string, around: Surroundings, later: (work: () => void) => void) {
    this.#id = id;
    this.#around = around;
    this.#later = later;
  }

  /**
   * Calls `proceed`, or `refuse` with what a plugin said; at once, unless a plugin takes its time.
   * @param told what the plugins are told
   */
  judge<S extends Stage>(
    stage: S,
    told: () => Stages[S],
    proceed: () => void,
    refuse: (refusal: Refusal) => void,
  ): void {
    const { chain } = this.#around;
    const ruled = (judgement: Judgement | undefined) => {
      if (judgement === undefined) return proceed();
      const { verdict, plugin } = judgement;
      this.#around.log.info("refused", {
        id: this.#id,
        stage,
        plugin,
        verdict: verdict.kind,
        text: verdict.text,
      });
      refuse([replyCode(stage, verdict), verdict.enhanced, verdict.text]);
    };
    const judgement = chain.judge(stage, told(), this.#scope);
    if (!(judgement instanceof Promise)) return ruled(judgement);
    judgement.then((settled) => this.#later(() => ruled(settled)));
  }

  /** The client has left: a plugin that is thinking is told so. */
  abandon(): void {
    this.#scope.abort?.abort();
  }
}

/** A greeting may only be 220, 421 or 554 (RFC 5321 §4.3.2). */
function replyCode(stage: Stage, verdict: Judgement["verdict"]): number {
  if (verdict.kind === "disconnect") return 421;
  if (stage !== "connect") return verdict.code;
  return verdict.kind === "reject" ? 554 : 421;
}
