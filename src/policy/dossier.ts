/**
 * What the policy knows of one session and owes it: findings, refusals held back, fields to add, effects that wait for
 * an outcome. Each is kept with what it is about (session, greeting, transaction, recipient) and goes with it.
 */
import { headerField } from "../mail/field.ts";
import type { Action, Effect } from "./action.ts";
import type { Mode } from "./engine.ts";
import { FindingLayer, type Findings } from "./finding.ts";
import type { Plugin } from "./plugin.ts";
import type { Group } from "./rule.ts";
import type { Stage } from "./stages.ts";
import { type Refusal, severity, type Verdict } from "./verdict.ts";

/** What is heard of a client before it is greeted. */
export interface Ears {
  /** It has spoken already. */
  readonly spoke: boolean;
  /** Sends a first line of the greeting. */
  tease(line: string): void;
  /** Calls once, when it speaks. Returns what ends the listening. */
  onSpeech(callback: () => void): () => void;
}

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

/** Carries an effect out. */
export type Run = (due: Due) => void;

/** What belongs to one session, greeting, transaction or recipient. */
export class Layer {
  readonly findings: FindingLayer;
  readonly held = new Map<Group, Held>();
  readonly #headers: { readonly order: number; readonly field: string }[] = [];
  #due: Due[] = [];
  /** A message was taken. */
  #taken = false;
  /** Set once this is over. */
  #ended: Run | undefined;
  /** The transaction that a recipient belongs to since it was accepted. */
  #joined: Layer | undefined;

  constructor(around?: FindingLayer) {
    this.findings = new FindingLayer(around);
  }

  /** @param order the plugin's place in the policy: fields stand in that order, whoever was quicker */
  take(action: Action, plugin: Plugin, mode: Mode, order: number): void {
    switch (action.kind) {
      case "header":
        this.#headers.push({ order, field: headerField(action.name, action.value) });
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

  /** A shadowed rule may answer when what it was asked about is over: its effects find out how that ended. */
  #owe(due: Due): void {
    if (this.#joined !== undefined) this.#joined.#owe(due);
    else if (this.#ended === undefined) this.#due.push(due);
    else if (due.when === "afterwards" || (due.when === "commit") === this.#taken) this.#ended(due);
  }

  /** The fields to put before the message. */
  get headers(): string {
    return this.#headers.toSorted((a, b) => a.order - b.order).map(({ field }) => field).join("");
  }

  /** A message was taken: what waited for that is done, and what waited for the opposite is dropped. */
  taken(run: Run): void {
    const due = this.#due;
    this.#taken = true;
    this.#due = due.filter(({ when }) => when === "afterwards");
    for (const one of due) if (one.when === "commit") run(one);
  }

  /** What this is about is over. */
  over(run: Run): void {
    const due = this.#due;
    this.#due = [];
    this.#ended = run;
    for (const one of due) if (one.when !== "commit") run(one);
  }

  /** Takes over what a recipient brought, who belongs to the transaction now. */
  join(recipient: Layer): void {
    recipient.#joined = this;
    this.#headers.push(...recipient.#headers);
    this.#due.push(...recipient.#due);
  }
}

/** The layers of a session, from the widest to the narrowest. */
export class Scopes {
  readonly session = new Layer();
  #greeting: Layer | undefined;
  /** A greeting that is being judged: what it brings counts once it is accepted. */
  #next: Layer | undefined;
  #transaction: Layer | undefined;
  #recipient: Layer | undefined;

  /** Where a stage's findings and effects belong. */
  of(stage: Stage): Layer {
    if (stage === "connect") return this.session;
    if (stage === "helo") return this.#next ??= new Layer(this.session.findings);
    const greeting = this.#greeting ??= new Layer(this.session.findings);
    const transaction = this.#transaction ??= new Layer(greeting.findings);
    if (stage !== "rcpt") return transaction;
    return this.#recipient ??= new Layer(transaction.findings);
  }

  /** The strictest refusal that a group holds; of equally strict ones the first. */
  held(group: Group): Held | undefined {
    let strictest: Held | undefined;
    for (const layer of [this.session, this.#greeting, this.#transaction]) {
      const held = layer?.held.get(group);
      if (held === undefined) continue;
      if (strictest === undefined || severity(held.verdict) > severity(strictest.verdict)) strictest = held;
    }
    return strictest;
  }

  get headers(): string {
    return this.session.headers + (this.#greeting?.headers ?? "") + (this.#transaction?.headers ?? "");
  }

  /** A greeting was answered: an accepted one takes the place of the last, and ends its transaction. */
  greeted(accepted: boolean, run: Run): void {
    const next = this.#next;
    this.#next = undefined;
    if (!accepted) return next?.over(run);
    this.greetingOver(run);
    this.#greeting = next;
  }

  greetingOver(run: Run): void {
    this.transactionOver(false, run);
    this.#greeting?.over(run);
    this.#greeting = undefined;
  }

  recipientOver(accepted: boolean, run: Run): void {
    const recipient = this.#recipient;
    this.#recipient = undefined;
    if (recipient === undefined) return;
    if (accepted) this.#transaction!.join(recipient);
    else recipient.over(run);
  }

  transactionOver(taken: boolean, run: Run): void {
    this.recipientOver(false, run);
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (taken) { for (const layer of [this.session, this.#greeting, transaction]) layer?.taken(run); }
    transaction?.over(run);
  }

  over(run: Run): void {
    this.greeted(false, run);
    this.greetingOver(run);
    this.session.over(run);
  }
}

/** One verdict or note on the way, for the log. */
export interface TrailEntry {
  readonly stage: Stage;
  readonly plugin: string;
  readonly mode: Mode;
  readonly said: Verdict["kind"] | `${string}=${string}`;
}

/** Entries of a session's trail that are kept between two lines of the log. */
const LONGEST_TRAIL = 100;

/** A question that is being thought about. */
export interface Open {
  /** Its client has left. */
  abandon(): void;
}

export class Dossier {
  readonly id: string;
  /** The client's address. */
  readonly client: string;
  readonly ears: Ears;
  readonly scopes = new Scopes();
  readonly open = new Set<Open>();
  /** Set once the client has left: nobody is asked any more. */
  left = false;
  readonly #run: Run;
  readonly #shadows = new Map<Group, { readonly scopes: Scopes; last: Promise<void> | undefined }>();
  #trail: TrailEntry[] = [];

  constructor(id: string, client: string, ears: Ears, run: Run) {
    this.id = id;
    this.client = client;
    this.ears = ears;
    this.#run = run;
  }

  /** The findings as the plugins of a stage see them. */
  findings(stage: Stage): Findings {
    return this.scopes.of(stage).findings;
  }

  /** What a shadowed group keeps to itself, and the stage that it still thinks about. */
  shadow(group: Group): { readonly scopes: Scopes; last: Promise<void> | undefined } {
    let own = this.#shadows.get(group);
    if (own === undefined) this.#shadows.set(group, own = { scopes: new Scopes(), last: undefined });
    return own;
  }

  note(entry: TrailEntry): void {
    if (this.#trail.length < LONGEST_TRAIL) this.#trail.push(entry);
  }

  /** The trail since the last call: `"dnsbl@connect:reject"`, those in shadow in brackets. */
  takeTrail(): readonly string[] {
    if (this.#trail.length === 0) return [];
    const trail = this.#trail;
    this.#trail = [];
    return trail.map(({ stage, plugin, mode, said }) =>
      mode === "shadow" ? `(${plugin}@${stage}:${said})` : `${plugin}@${stage}:${said}`
    );
  }

  /** The fields that plugins want before the message. */
  get headers(): string {
    return this.scopes.headers;
  }

  greeted(accepted: boolean): void {
    this.#each((scopes) => scopes.greeted(accepted, this.#run));
  }

  /** TLS has begun: what was known of the greeting is forgotten. */
  greetingOver(): void {
    this.#each((scopes) => scopes.greetingOver(this.#run));
  }

  recipientOver(accepted: boolean): void {
    this.#each((scopes) => scopes.recipientOver(accepted, this.#run));
  }

  transactionOver(taken: boolean): void {
    this.#each((scopes) => scopes.transactionOver(taken, this.#run));
  }

  /** The client has left: plugins that are thinking are told so. */
  leave(): void {
    this.left = true;
    for (const open of [...this.open]) open.abandon();
  }

  over(): void {
    this.#each((scopes) => scopes.over(this.#run));
  }

  #each(tell: (scopes: Scopes) => void): void {
    tell(this.scopes);
    for (const { scopes } of this.#shadows.values()) tell(scopes);
  }
}
