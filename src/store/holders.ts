/** The places of the memory driver: who holds one, by key. */
import { Recent } from "./recent.ts";
import type { Places } from "./shelf.ts";

/** The holders of one key's places, and until when. */
class Holders {
  readonly #until = new Map<string, number>();
  /** No place is given up before this time. */
  #soonest = Infinity;
  latest = 0;

  count(now: number): number {
    if (now >= this.#soonest) this.#drop(now);
    return this.#until.size;
  }

  holds(holder: string, now: number): boolean {
    return (this.#until.get(holder) ?? 0) > now;
  }

  take(holder: string, expires: number): void {
    this.#until.set(holder, expires);
    this.#soonest = Math.min(this.#soonest, expires);
    this.latest = Math.max(this.latest, expires);
  }

  release(holder: string): void {
    this.#until.delete(holder);
  }

  /** Looks at all of them, but only when one of them may have expired. */
  #drop(now: number): void {
    this.#soonest = Infinity;
    for (const [holder, expires] of this.#until) {
      if (expires <= now) this.#until.delete(holder);
      else this.#soonest = Math.min(this.#soonest, expires);
    }
  }
}

/** Places of up to `bound` keys. */
export class RecentPlaces implements Places {
  readonly #keys: Recent<Holders>;

  constructor(bound: number) {
    this.#keys = new Recent(bound);
  }

  count(key: string, now: number): number {
    return this.#keys.get(key, now)?.value.count(now) ?? 0;
  }

  holds(key: string, holder: string, now: number): boolean {
    return this.#keys.get(key, now)?.value.holds(holder, now) ?? false;
  }

  take(key: string, holder: string, expires: number, now: number): void {
    const holders = this.#keys.get(key, now)?.value ?? new Holders();
    holders.take(holder, expires);
    this.#keys.set(key, holders, holders.latest, now);
  }

  release(key: string, holder: string): void {
    this.#keys.get(key, -Infinity)?.value.release(holder);
  }

  clear(): void {
    this.#keys.clear();
  }
}
