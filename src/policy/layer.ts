/**
 * What the policy knows of one session, greeting, transaction or recipient, and owes it: findings, refusals held back,
 * fields to add, effects that wait for an outcome.
 */
import { type Action, type Effect, fieldOf } from "./action.ts";
import type { Mode } from "./engine.ts";
import { FindingLayer } from "./finding.ts";
import type { Plugin } from "./plugin.ts";
import type { RouteTarget } from "./route.ts";
import type { Group } from "./rule.ts";
import { type Refusal, severity } from "./verdict.ts";

/** An effect that waits for its outcome. */
export interface Due {
  readonly when: "commit" | "rollback" | "afterwards";
  readonly effect: Effect;
  readonly plugin: Plugin;
  readonly mode: Mode;
}

/** A refusal that `atRcpt` holds. */
export interface Held {
  readonly verdict: Refusal;
  readonly plugin: string;
}

/** Who has sent mail somewhere, and when: places among the stages and among the plugins. */
export interface Sender {
  readonly stage: number;
  readonly order: number;
  readonly plugin: string;
}

/** Where a plugin has sent mail. */
export interface Sent extends Sender {
  readonly target: RouteTarget;
}

/** Carries an effect out. */
export type Run = (due: Due) => void;

/** What became of the mail. `unknown`: the backend has it and did not say. */
export type Fate = "taken" | "not taken" | "unknown";

export class Layer {
  readonly findings: FindingLayer;
  readonly #around: Layer | undefined;
  #held: Map<Group, Held> | undefined;
  #sent: Sent | undefined;
  #headers: { readonly order: number; readonly field: string }[] | undefined;
  #due: Due[] | undefined;
  #fate: Fate | undefined;
  /** Set once it is known what became of the mail. */
  #run: Run | undefined;
  #over = false;
  /** The transaction that a recipient belongs to since it was accepted. */
  #joined: Layer | undefined;

  /** @param around what this is part of: a greeting is of a session, and so on */
  constructor(around?: Layer) {
    this.#around = around;
    this.findings = new FindingLayer(around?.findings);
  }

  /** @param order the plugin's place in the policy: fields stand in that order, whoever was quicker */
  take(action: Action, plugin: Plugin, mode: Mode, order: number): void {
    switch (action.kind) {
      case "header":
        (this.#headers ??= []).push({ order, field: fieldOf(action) });
        return;
      case "finding":
        return this.findings.leave(action.key, action.value);
      case "score":
        return this.findings.addScore({ plugin: plugin.name, points: action.points, reason: action.reason });
      case "commit":
      case "rollback":
      case "afterwards":
        this.#owe({ when: action.kind, effect: action.effect, plugin, mode });
    }
  }

  /** Sends the mail at hand somewhere: the later stage counts, and within one the earlier plugin. */
  send(target: RouteTarget, by: Sender): void {
    const before = this.#sent;
    if (before !== undefined && before.stage > by.stage) return;
    if (before !== undefined && before.stage === by.stage && before.order <= by.order) return;
    this.#sent = { target, ...by };
  }

  /** Where plugins have sent the mail at hand, here or around. */
  get sent(): Sent | undefined {
    return this.#sent ?? this.#around?.sent;
  }

  /** A shadowed rule may answer when it is known already what became of the mail. */
  #owe(due: Due): void {
    if (this.#joined !== undefined) return this.#joined.#owe(due);
    const waits = due.when === "afterwards" ? !this.#over : this.#fate === undefined;
    if (waits) (this.#due ??= []).push(due);
    else if (isDue(due, this.#fate)) this.#run!(due);
  }

  hold(group: Group, held: Held): void {
    (this.#held ??= new Map()).set(group, held);
  }

  /** The strictest refusal that a group holds, here and around; of equally strict ones the first. */
  held(group: Group): Held | undefined {
    const before = this.#around?.held(group);
    const own = this.#held?.get(group);
    if (before === undefined || own === undefined) return before ?? own;
    return severity(own.verdict) > severity(before.verdict) ? own : before;
  }

  /** The fields to put before the message. */
  get headers(): string {
    const headers = this.#headers;
    if (headers === undefined) return "";
    if (headers.length === 1) return headers[0]!.field;
    return headers.toSorted((a, b) => a.order - b.order).map(({ field }) => field).join("");
  }

  /** What became of the mail is known: what waited for that is done, and what waited for the opposite is dropped. */
  decided(fate: Fate, run: Run): void {
    const due = this.#due;
    this.#fate = fate;
    this.#run = run;
    if (due === undefined) return;
    this.#due = due.filter(({ when }) => when === "afterwards");
    for (const one of due) if (one.when !== "afterwards" && isDue(one, fate)) run(one);
  }

  /** What this is about is over; where nothing was decided, no mail was taken. */
  over(run: Run): void {
    if (this.#fate === undefined) this.decided("not taken", run);
    const due = this.#due;
    this.#due = undefined;
    this.#over = true;
    if (due !== undefined) { for (const one of due) run(one); }
  }

  /** Takes over what a recipient brought, who belongs to the transaction now. */
  join(recipient: Layer): void {
    recipient.#joined = this;
    if (recipient.#headers !== undefined) (this.#headers ??= []).push(...recipient.#headers);
    if (recipient.#due !== undefined) (this.#due ??= []).push(...recipient.#due);
  }
}

/** Of an outcome that nobody knows, neither its commits nor its rollbacks are due. */
function isDue({ when }: Due, fate: Fate | undefined): boolean {
  return when === "afterwards" || fate === (when === "commit" ? "taken" : "not taken");
}
