/**
 * A bounded map of what was used most recently, whose entries expire. Every operation takes the same time however
 * many entries there are: they hang in a ring in order of use, because a Map that looks for its own oldest key walks
 * over all those that were deleted before it.
 */
import type { Kept, Shelf } from "./shelf.ts";

interface Entry<T> extends Kept<T> {
  readonly key: string;
  value: T;
  expires: number;
  older: Entry<T>;
  newer: Entry<T>;
}

/** Entries that one `set` looks at for expired ones: as it adds one at the most, none stay for ever. */
const SWEPT = 2;

/** Keeps up to `bound` entries; for one more, the one that has not been used for longest is forgotten. */
export class Recent<T> implements Shelf<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #bound: number;
  /** Closes the ring: `newer` is the entry used longest ago, `older` the one used last. */
  readonly #end: Entry<T>;
  /** Where the sweep goes on. */
  #hand: Entry<T>;

  constructor(bound: number) {
    this.#bound = bound;
    // It is never looked at as an entry.
    const end = { key: "", value: undefined as T, expires: Infinity } as Entry<T>;
    this.#end = end.older = end.newer = end;
    this.#hand = end;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, now: number): Kept<T> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expires <= now) {
      this.#forget(entry);
      return undefined;
    }
    this.#unlink(entry);
    this.#link(entry);
    return entry;
  }

  set(key: string, value: T, expires: number, now: number): void {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { key, value, expires, older: this.#end, newer: this.#end };
      this.#entries.set(key, entry);
    } else {
      entry.value = value;
      entry.expires = expires;
      this.#unlink(entry);
    }
    this.#link(entry);
    this.#sweep(now);
    if (this.#entries.size > this.#bound) this.#forget(this.#end.newer);
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#forget(entry);
  }

  clear(): void {
    this.#entries.clear();
    this.#hand = this.#end.older = this.#end.newer = this.#end;
  }

  #sweep(now: number): void {
    for (let looked = 0; looked < SWEPT; looked++) {
      const entry = this.#hand;
      this.#hand = entry.newer;
      if (entry.expires <= now) this.#forget(entry);
    }
  }

  #forget(entry: Entry<T>): void {
    this.#unlink(entry);
    this.#entries.delete(entry.key);
  }

  #unlink(entry: Entry<T>): void {
    if (this.#hand === entry) this.#hand = entry.newer;
    entry.older.newer = entry.newer;
    entry.newer.older = entry.older;
  }

  /** As the one used last. */
  #link(entry: Entry<T>): void {
    entry.older = this.#end.older;
    entry.newer = this.#end;
    entry.older.newer = entry;
    this.#end.older = entry;
  }
}
