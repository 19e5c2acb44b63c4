/**
 * Who this process knows to be let in, for a short while and bounded, so that busy senders cost the store nothing; and
 * whose time in the store was extended when, since that need not be done with every message.
 */

/** Entries at the most. */
const BOUND = 20_000;
/** Milliseconds between two extensions of the same entry in the store, at the most … */
const RENEWAL = 3_600_000;
/** … and as a share of how long the store remembers it. */
const SHARE = 1 / 24;

interface Entry {
  /** It is let in without a question until then. */
  until: number;
  /** When its time in the store was extended last. */
  renewed: number;
}

export class Memory {
  readonly #hold: number;
  readonly #renewal: number;
  readonly #entries = new Recent<Entry>(BOUND);

  /** @param hold milliseconds that the store need not be asked again; 0: it always is */
  constructor(hold: number, memory: number) {
    this.#hold = hold;
    this.#renewal = Math.min(RENEWAL, memory * SHARE);
  }

  /** The store has said that it is let in. */
  learn(key: string, now: number): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.until = now + this.#hold;
    else this.#entries.set(key, { until: now + this.#hold, renewed: -Infinity });
  }

  knows(key: string, now: number): boolean {
    return (this.#entries.get(key)?.until ?? 0) > now;
  }

  needsRenewal(key: string, now: number): boolean {
    return now - (this.#entries.get(key)?.renewed ?? -Infinity) >= this.#renewal;
  }

  renewed(key: string, now: number): void {
    this.#entries.set(key, { until: this.#entries.get(key)?.until ?? 0, renewed: now });
  }
}

/**
 * A bounded map in two generations: when the younger is full, the older goes. Who is asked about moves to the younger one,
 * so it is the unused that are forgotten, and forgetting costs nothing.
 */
class Recent<T> {
  readonly #half: number;
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  constructor(bound: number) {
    this.#half = bound / 2;
  }

  get(key: string): T | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: T): void {
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
