/**
 * Who may ask next, so that no owner of a zone can switch the DNS off for everybody: whoever makes us ask for a thousand
 * names of a zone that never answers holds that zone's share of the questions on their way, and no more. Shares shrink as
 * room does, so that a hundred such zones leave some to all others. A zone that is silent is remembered as such and asked by
 * one question at a time (RFC 9520 §3.2).
 */

import { type Failure, failure } from "./query.ts";

/**
 * Questions of one zone that may be on their way. A silent one holds each for 4.5 seconds; a DNS list under load that
 * takes 200 ms still answers 1,000 in a second with these, one that takes 1 ms more than anybody asks.
 */
const SHARE = 200;
/**
 * They are no more than this part of what is free, either. With 10,000 in all, ten zones that fall silent at once have 200
 * each; of fifty the last has 75, and as many are left to any other; to fill all of it takes some 250.
 */
const PART = 1 / 40;

/** Questions in a row without an answer that make a zone silent, and milliseconds since the last for which it is. */
const TIMEOUTS = 5;
const SILENCE = 30_000;
/** Zones whose timeouts are remembered. */
const REMEMBERED = 10_000;

interface Timeouts {
  readonly count: number;
  readonly until: number;
}

export class Zones {
  readonly #limit: number;
  readonly #now: () => number;
  /** Questions on their way, by zone; only zones that have some. */
  readonly #waiting = new Map<string, number>();
  #total = 0;
  /** Since a zone's last answer; the one that timed out last is at the end. */
  readonly #timeouts = new Map<string, Timeouts>();

  /** @param limit how many questions may be on their way in all */
  constructor(limit: number, now: () => number) {
    this.#limit = limit;
    this.#now = now;
  }

  /**
   * Why a question of this zone may not be asked now. It is refused at once: in a queue it would only grow too old for
   * whoever asks, and what the servers cannot keep up with would be asked later and by more.
   */
  obstacle(zone: string): Failure | undefined {
    const free = this.#limit - this.#total;
    if (free <= 0) {
      return failure("ETIMEOUT", `${this.#total} other questions wait for their answers`);
    }
    const waiting = this.#waiting.get(zone) ?? 0;
    if (waiting === 0) return undefined;
    if (this.#isSilent(zone)) return failure("ETIMEOUT", `${zone} does not answer, and is being tried`);
    if (waiting < Math.min(SHARE, Math.ceil(free * PART))) return undefined;
    return failure("ETIMEOUT", `${waiting} other questions of ${zone} wait for their answers`);
  }

  /** A question is on its way. */
  asked(zone: string): void {
    this.#total++;
    this.#waiting.set(zone, (this.#waiting.get(zone) ?? 0) + 1);
  }

  /** It has come to its end, whichever. */
  ended(zone: string): void {
    this.#total--;
    const waiting = (this.#waiting.get(zone) ?? 1) - 1;
    if (waiting === 0) this.#waiting.delete(zone);
    else this.#waiting.set(zone, waiting);
  }

  /** A question came to something in time, be it SERVFAIL: what nobody waits for takes no room. */
  answered(zone: string): void {
    this.#timeouts.delete(zone);
  }

  /** Nothing came of a question. */
  timedOut(zone: string): void {
    const now = this.#now();
    const count = this.#lately(zone, now) + 1;
    this.#timeouts.delete(zone);
    this.#forget(now);
    this.#timeouts.set(zone, { count, until: now + SILENCE });
  }

  #isSilent(zone: string): boolean {
    return this.#lately(zone, this.#now()) >= TIMEOUTS;
  }

  /** Timeouts in a row. */
  #lately(zone: string, now: number): number {
    const timeouts = this.#timeouts.get(zone);
    return timeouts !== undefined && now < timeouts.until ? timeouts.count : 0;
  }

  /** Makes room for one more. */
  #forget(now: number): void {
    for (const [zone, { until }] of this.#timeouts) {
      if (now < until && this.#timeouts.size < REMEMBERED) return;
      this.#timeouts.delete(zone);
    }
  }
}
