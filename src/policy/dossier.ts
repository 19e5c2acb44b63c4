/**
 * What the policy knows of one session and owes it, in layers by what it is about; and what the session's plugins are
 * thinking about just now.
 */
import type { Mode } from "./engine.ts";
import type { Findings } from "./finding.ts";
import type { Fate, Run, Sent } from "./layer.ts";
import type { Group } from "./rule.ts";
import { Scopes } from "./scopes.ts";
import type { Stage } from "./stages.ts";
import type { Verdict } from "./verdict.ts";

/** What is heard of a client before it is greeted. */
export interface Ears {
  /** It has spoken already. */
  readonly spoke: boolean;
  /** It is too late: whoever speaks for it has been greeted (XCLIENT). */
  readonly greeted: boolean;
  /** Sends a first line of the greeting. */
  tease(line: string): void;
  /** Calls once, when it speaks. Returns what ends the listening. */
  onSpeech(callback: () => void): () => void;
}

/** What a shadowed group keeps to itself, and what it still thinks about. */
export interface Shadow {
  readonly scopes: Scopes;
  last: Promise<void> | undefined;
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

const NOTHING_SAID: readonly string[] = [];

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
  #shadows: Map<Group, Shadow> | undefined;
  #trail: TrailEntry[] | undefined;

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

  shadow(group: Group): Shadow {
    const shadows = this.#shadows ??= new Map();
    let own = shadows.get(group);
    if (own === undefined) shadows.set(group, own = { scopes: new Scopes(), last: undefined });
    return own;
  }

  note(entry: TrailEntry): void {
    const trail = this.#trail ??= [];
    if (trail.length < LONGEST_TRAIL) trail.push(entry);
  }

  /** The trail since the last call: `"dnsbl@connect:reject"`, those in shadow in brackets. */
  takeTrail(): readonly string[] {
    const trail = this.#trail;
    if (trail === undefined) return NOTHING_SAID;
    this.#trail = undefined;
    return trail.map(({ stage, plugin, mode, said }) =>
      mode === "shadow" ? `(${plugin}@${stage}:${said})` : `${plugin}@${stage}:${said}`
    );
  }

  /** The fields that plugins want before the message. */
  get headers(): string {
    return this.scopes.headers;
  }

  /** Where plugins have sent the mail at hand. */
  get sent(): Sent | undefined {
    return this.scopes.sent;
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

  transactionOver(fate: Fate): void {
    this.#each((scopes) => scopes.transactionOver(fate, this.#run));
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
    if (this.#shadows !== undefined) { for (const { scopes } of this.#shadows.values()) tell(scopes); }
  }
}
