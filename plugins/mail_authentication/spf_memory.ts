/**
 * Decisions that were made lately, for clients that send one message after another.
 */
import type { SpfDecision } from "./mailauth.ts";
import type { SpfIdentity } from "./spf_identity.ts";
import type { SpfLookups } from "./spf_lookups.ts";

/** Milliseconds. */
const LONGEST = 300_000;

/** Entries, of either sort. When it is full, the oldest goes. */
const MOST = 10_000;

interface Remembered {
  readonly decision: SpfDecision;
  readonly until: number;
}

export class SpfMemory {
  /** What holds for every sender of a domain. */
  readonly #byDomain = new Map<string, Remembered>();
  /**
   * What was found out with the help of macros, which see the local part and the HELO name. Apart, so that a domain
   * that makes a sender of its own for each message pushes out none of the others.
   */
  readonly #bySender = new Map<string, Remembered>();

  get(identity: SpfIdentity, now: number): SpfDecision | undefined {
    return fresh(this.#byDomain, domainKey(identity), now) ??
      (this.#bySender.size === 0 ? undefined : fresh(this.#bySender, senderKey(identity), now));
  }

  /** Keeps a decision for as long as its answers hold; what came of a failed look-up is not kept. */
  keep(identity: SpfIdentity, decision: SpfDecision, lookups: SpfLookups, now: number): void {
    const { ttl, failed, macros } = lookups;
    if (failed || decision.result === "temperror" || !(ttl > 0)) return;
    const remembered = { decision, until: now + Math.min(ttl, LONGEST) };
    if (macros) keep(this.#bySender, senderKey(identity), remembered);
    else keep(this.#byDomain, domainKey(identity), remembered);
  }
}

function fresh(entries: Map<string, Remembered>, key: string, now: number): SpfDecision | undefined {
  const found = entries.get(key);
  if (found === undefined || now < found.until) return found?.decision;
  entries.delete(key);
  return undefined;
}

function keep(entries: Map<string, Remembered>, key: string, remembered: Remembered): void {
  entries.delete(key);
  if (entries.size >= MOST) entries.delete(entries.keys().next().value!);
  entries.set(key, remembered);
}

// None of the parts can hold a line end.
function domainKey({ client, domain }: SpfIdentity): string {
  return `${client}\n${domain}`;
}

function senderKey({ client, sender, helo }: SpfIdentity): string {
  return `${client}\n${sender}\n${helo}`;
}
