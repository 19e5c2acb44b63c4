/**
 * What look-ups came to, for as long as their answers hold. A plugin that is asked about the same client again says the
 * same at once: without a question, a promise and a timer.
 */
import type { Dns, DnsAnswer, RecordType } from "./effects.ts";

/** Milliseconds for which anything is remembered at the most. */
const LONGEST = 300_000;

/** Characters of a key at the most: clients write keys, and a number of entries alone would be no bound. */
const LONGEST_KEY = 1_000;

interface Entry<T> {
  readonly value: T;
  readonly from: number;
  readonly until: number;
}

/**
 * Values by key, each for its own time and five minutes at the most. Bounded, in two generations: when the younger is full
 * the older goes, so that it is the unused that are forgotten, and forgetting costs nothing. Times are milliseconds.
 */
export class Remembered<T> {
  readonly #half: number;
  #young = new Map<string, Entry<T>>();
  #old = new Map<string, Entry<T>>();

  /**
   * @param entries how many are remembered at the most, and half as many in any case; 2,000 unless given: to keep more of
   *   clients that never come again costs more than it saves
   */
  constructor(entries = 2_000) {
    this.#half = Math.ceil(entries / 2);
  }

  /** Undefined where it is not known, or does not hold any more. */
  get(key: string, now: number): T | undefined {
    const entry = this.#young.get(key) ?? this.#moved(key);
    // A clock that was put back makes nothing hold for longer.
    return entry !== undefined && now < entry.until && now >= entry.from ? entry.value : undefined;
  }

  /** What is known, or is made now: for what is dear to make, and is always the same for a key. */
  of(key: string, now: number, make: () => T): T {
    const known = this.get(key, now);
    if (known !== undefined) return known;
    const made = make();
    this.keep(key, made, Infinity, now);
    return made;
  }

  /** @param ttl how long it holds from `now` on; nothing is kept where that is 0 */
  keep(key: string, value: T, ttl: number, now: number): void {
    if (!(ttl > 0) || key.length > LONGEST_KEY) return this.forget(key);
    this.#put(key, { value, from: now, until: now + Math.min(ttl, LONGEST) });
  }

  forget(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Who is asked about again is young again. */
  #moved(key: string): Entry<T> | undefined {
    const entry = this.#old.get(key);
    if (entry !== undefined) this.#put(key, entry);
    return entry;
  }

  #put(key: string, entry: Entry<T>): void {
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, entry);
  }
}

/** A DNS that is listened to: how long does all hold that it has said? */
export class TimedDns implements Dns {
  readonly #dns: Dns;
  #shortest = Infinity;
  /** Questions without an answer to rely on: it has not come yet, is past its time, or was an error. */
  #open = 0;

  constructor(dns: Dns) {
    this.#dns = dns;
  }

  /** Milliseconds for which every answer so far holds: Infinity where nothing was asked, 0 while one is missing. */
  get ttl(): number {
    return this.#open === 0 ? this.#shortest : 0;
  }

  resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    this.#open++;
    const asked = this.#dns.resolve(name, type);
    asked.then(this.#take, ignore);
    return asked;
  }

  readonly #take = ({ ttl, stale }: DnsAnswer): void => {
    if (stale) return;
    this.#open--;
    if (ttl < this.#shortest) this.#shortest = ttl;
  };
}

/** Whoever asked hears of the error; here the question stays open. */
function ignore(): void {}
