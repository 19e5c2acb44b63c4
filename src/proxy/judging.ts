/**
 * Puts a stage to the policy's plugins for one session, and turns what they say into a reply.
 */
import type { Judgement } from "../policy/chain.ts";
import type { Dossier, Ears } from "../policy/dossier.ts";
import type { Findings } from "../policy/finding.ts";
import type { Fate, Sent } from "../policy/layer.ts";
import type { Stage, Stages } from "../policy/stages.ts";
import type { Refusal as RefusalVerdict } from "../policy/verdict.ts";
import type { Refusal } from "../smtp/commands.ts";
import type { Surroundings } from "./surroundings.ts";

/** The session, as far as judging needs it. */
export interface Judged {
  readonly id: string;
  readonly client: string;
  /** The client has spoken before it was greeted. */
  readonly spokeEarly: boolean;
  readonly greeted: boolean;
  /** Sends a first line of the greeting. */
  tease(line: string): void;
  /** Runs what comes of a plugin that took its time, unless the session is over by then. */
  later(work: () => void): void;
  /** What it waits to have answered. */
  readonly event: unknown;
  /** A fault of the program's own: the session ends. */
  broken(cause: unknown): void;
}

export class Judging implements Ears {
  readonly #session: Judged;
  readonly #around: Surroundings;
  readonly #dossier: Dossier;
  readonly #listeners = new Set<() => void>();
  #stopWaiting: (() => void) | undefined;
  #refuser: string | undefined;

  constructor(session: Judged, around: Surroundings) {
    this.#session = session;
    this.#around = around;
    this.#dossier = around.chain.dossier(session.id, session.client, this);
  }

  /**
   * Calls `proceed`, or `refuse` with what a plugin said; at once, unless a plugin takes its time.
   * @param facts what the plugins are told
   */
  judge<S extends Stage>(
    stage: S,
    facts: Stages[S],
    proceed: () => void,
    refuse: (refusal: Refusal) => void,
  ): void {
    const judgement = this.#around.chain.judge(stage, facts, this.#dossier);
    if (judgement === undefined) return this.#dossier.left ? undefined : proceed();
    const { event } = this.#session;
    const rule = (settled: Judgement | undefined) => {
      if (this.#session.event === event && !this.#dossier.left) this.#rule(stage, settled, proceed, refuse);
    };
    if (judgement instanceof Promise) {
      judgement.then((settled) => this.#later(settled, rule), (cause) => this.#session.broken(cause));
    } else if (judgement.delay > 0) this.#later(judgement, rule);
    else rule(judgement);
  }

  /** Once the client has waited for as long as it is to. */
  #later(judgement: Judgement | undefined, rule: (judgement: Judgement | undefined) => void): void {
    if (this.#dossier.left) return;
    const act = () => this.#session.later(() => rule(judgement));
    if (judgement === undefined || judgement.delay === 0) return act();
    this.#stopWaiting = this.#around.chain.engine.wait(judgement.delay, act);
  }

  #rule(
    stage: Stage,
    judgement: Judgement | undefined,
    proceed: () => void,
    refuse: (refusal: Refusal) => void,
  ): void {
    const verdict = judgement?.verdict;
    if (verdict === undefined) return proceed();
    this.#refuser = judgement!.plugin;
    refuse([replyCode(stage, verdict), verdict.enhanced, verdict.text]);
    this.#refuser = undefined;
  }

  /** What the plugins of a stage have found out. */
  findings(stage: Stage): Findings {
    return this.#dossier.findings(stage);
  }

  /** Whose refusal is being told just now. */
  get refuser(): string | undefined {
    return this.#refuser;
  }

  // ---- the session tells ----

  /** HELO or EHLO was judged and answered. */
  heloAnswered(accepted: boolean): void {
    this.#dossier.greeted(accepted);
  }

  /** TLS has begun: what was known of the greeting is forgotten. */
  secured(): void {
    this.#dossier.greetingOver();
  }

  recipientOver(accepted: boolean): void {
    this.#dossier.recipientOver(accepted);
  }

  transactionOver(fate: Fate): void {
    this.#dossier.transactionOver(fate);
  }

  /** The client has left: a plugin that is thinking is told so, and nobody waits any more. */
  abandon(): void {
    this.#stopWaiting?.();
    this.#dossier.leave();
  }

  over(): void {
    this.#dossier.over();
  }

  /** The client has spoken before it was greeted. */
  spokeEarly(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** The fields that plugins want before the message. */
  get headers(): string {
    return this.#dossier.headers;
  }

  /** Where plugins have sent the mail at hand. */
  get sent(): Sent | undefined {
    return this.#dossier.sent;
  }

  takeTrail(): readonly string[] {
    return this.#dossier.takeTrail();
  }

  // ---- the plugins ask ----

  get spoke(): boolean {
    return this.#session.spokeEarly;
  }

  get greeted(): boolean {
    return this.#session.greeted;
  }

  tease(line: string): void {
    this.#session.tease(line);
  }

  onSpeech(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }
}

/** A greeting may only be 220, 421 or 554 (RFC 5321 §4.3.2). */
export function replyCode(stage: Stage, verdict: RefusalVerdict): number {
  if (verdict.kind === "disconnect") return 421;
  if (stage !== "connect") return verdict.code;
  return verdict.kind === "reject" ? 554 : 421;
}
