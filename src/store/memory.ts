/**
 * The memory driver: this process's own, gone with it.
 *
 * It is bounded: of each kind of state it keeps `entries`, and for one more it forgets the one that was not used for
 * longest. What is forgotten so begins anew before its time, and nobody is told: a value is gone, a rate has its whole
 * burst again, a triplet waits again, the holders of a key's places no longer count. The kinds do not share their
 * bound, nor do triplets that wait share theirs with those that have passed: a flood of new clients pushes out neither
 * leases nor those who have passed.
 */
import { StoreError } from "../policy/effects.ts";
import type { Store } from "../policy/effects.ts";
import type { Triplet } from "./greylist.ts";
import { RecentPlaces } from "./holders.ts";
import type { Level } from "./rate.ts";
import { Recent } from "./recent.ts";
import type { Kept, Shelf, Shelves } from "./shelf.ts";
import { type Keeper, ShelvedStore } from "./shelved.ts";

/** What the memory driver is given. */
export interface MemoryOptions {
  /** Milliseconds since 1970. */
  now(): number;
  /** How many of each kind are kept: 100,000 unless given. One takes some 0.3 kB, a key with a lease 0.6 kB. */
  readonly entries?: number;
}

/** Opens a store that only this process sees. */
export function memoryStore({ now, entries = 100_000 }: MemoryOptions): Store {
  return new ShelvedStore(new Memory(now, entries));
}

class Memory implements Keeper {
  readonly #now: () => number;
  readonly shelves: Shelves & { readonly [kind in keyof Shelves]: { clear(): void } };
  #closed = false;

  constructor(now: () => number, entries: number) {
    this.#now = now;
    this.shelves = {
      values: new Recent<string>(entries),
      levels: new Recent<Level>(entries),
      triplets: new RecentTriplets(entries),
      passes: new Recent<number>(entries),
      strangers: new Recent<number>(entries),
      places: new RecentPlaces(entries),
    };
  }

  // deno-lint-ignore require-await -- what is thrown becomes a rejection
  async atomically<T>(deed: string, work: (now: number) => T): Promise<T> {
    if (this.#closed) throw new StoreError(deed, "it is closed");
    try {
      return work(this.#now());
    } catch (error) {
      throw new StoreError(deed, error);
    }
  }

  close(): void {
    this.#closed = true;
    for (const shelf of Object.values(this.shelves)) shelf.clear();
  }
}

/** Those that have passed are few and precious, those that wait may be a flood: the former have their own places. */
class RecentTriplets implements Shelf<Triplet> {
  readonly #waiting: Recent<Triplet>;
  readonly #passed: Recent<Triplet>;

  constructor(bound: number) {
    this.#waiting = new Recent(bound);
    this.#passed = new Recent(bound);
  }

  get(key: string, now: number): Kept<Triplet> | undefined {
    return this.#passed.get(key, now) ?? this.#waiting.get(key, now);
  }

  set(key: string, triplet: Triplet, expires: number, now: number): void {
    const waits = triplet.passed === undefined;
    const [to, from] = waits ? [this.#waiting, this.#passed] : [this.#passed, this.#waiting];
    from.delete(key);
    to.set(key, triplet, expires, now);
  }

  delete(key: string): void {
    this.#passed.delete(key);
    this.#waiting.delete(key);
  }

  clear(): void {
    this.#passed.clear();
    this.#waiting.clear();
  }
}
