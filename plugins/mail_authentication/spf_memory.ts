/**
 * Decisions that were made lately, for clients that send one message after another.
 */
import { Remembered } from "sallyport";
import type { SpfDecision } from "./mailauth.ts";
import type { SpfIdentity } from "./spf_identity.ts";
import type { SpfLookups } from "./spf_lookups.ts";

/** Decisions of either sort: to make one takes longer than all the other checks. */
const MOST = 10_000;

export class SpfMemory {
  /** What holds for every sender of a domain. */
  readonly #byDomain = new Remembered<SpfDecision>(MOST);
  /**
   * What was found out with the help of macros, which see the local part and the HELO name. Apart, so that a domain
   * that makes a sender of its own for each message pushes out none of the others. Undefined until there is one.
   */
  #bySender: Remembered<SpfDecision> | undefined;

  get(identity: SpfIdentity, now: number): SpfDecision | undefined {
    return this.#byDomain.get(domainKey(identity), now) ?? this.#bySender?.get(senderKey(identity), now);
  }

  /** Keeps a decision for as long as its answers hold; what came of a failed look-up is not kept. */
  keep(identity: SpfIdentity, decision: SpfDecision, lookups: SpfLookups, now: number): void {
    const { ttl, failed, macros } = lookups;
    if (failed || decision.result === "temperror") return;
    if (macros) (this.#bySender ??= new Remembered(MOST)).keep(senderKey(identity), decision, ttl, now);
    else this.#byDomain.keep(domainKey(identity), decision, ttl, now);
  }
}

// None of the parts can hold a line end.
function domainKey({ client, domain }: SpfIdentity): string {
  return `${client}\n${domain}`;
}

function senderKey({ client, sender, helo }: SpfIdentity): string {
  return `${client}\n${sender}\n${helo}`;
}
