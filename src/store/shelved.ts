/**
 * A store over shelves. The driver brings the shelves and a way to work on them that nobody else's work can
 * interrupt; the rules are the same for all.
 */
import type {
  GreylistAnswer,
  GreylistTriplet,
  LeaseAnswer,
  Rate,
  RateAnswer,
  Store,
} from "../policy/effects.ts";
import { checkCount, checkLease, checkRates, checkTriplet, checkTtl, rejecting } from "./checked.ts";
import { DEEDS } from "./deeds.ts";
import { ask, pass } from "./greylist.ts";
import { draw, refund } from "./rate.ts";
import type { Shelf, Shelves } from "./shelf.ts";

/** What a driver brings. */
export interface Keeper {
  readonly shelves: Shelves;
  /** Does all of `work` or, where it throws, none of it. @throws StoreError (as a rejection) */
  atomically<T>(deed: string, work: (now: number) => T): Promise<T>;
  close(): void;
}

/** A store of the keeper's shelves. */
export class ShelvedStore implements Store {
  readonly #keeper: Keeper;
  readonly #shelves: Shelves;

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
    this.#shelves = keeper.shelves;
  }

  get(key: string): Promise<string | undefined> {
    return this.#keeper.atomically(DEEDS.get, (now) => this.#shelves.values.get(key, now)?.value);
  }

  async set(key: string, value: string, ttl: number): Promise<void> {
    checkTtl(DEEDS.set, ttl);
    await this.#keeper.atomically(DEEDS.set, (now) => this.#shelves.values.set(key, value, now + ttl, now));
  }

  delete(key: string): Promise<void> {
    return this.#keeper.atomically(DEEDS.delete, () => this.#shelves.values.delete(key));
  }

  async count(key: string, by: number, ttl: number, sliding = false): Promise<number> {
    checkCount(DEEDS.count, by, ttl);
    return await this.#keeper.atomically(
      DEEDS.count,
      (now) => count(this.#shelves.values, key, by, now + ttl, sliding, now),
    );
  }

  draw(group: string, rates: readonly Rate[]): Promise<RateAnswer> {
    return rejecting(() => {
      checkRates(DEEDS.draw, rates);
      return this.#keeper.atomically(DEEDS.draw, (now) => draw(this.#shelves.levels, group, rates, now));
    });
  }

  async refund(group: string, rates: readonly Rate[]): Promise<void> {
    checkRates(DEEDS.refund, rates);
    await this.#keeper.atomically(DEEDS.refund, (now) => refund(this.#shelves.levels, group, rates, now));
  }

  async greylist(group: string, triplet: GreylistTriplet): Promise<GreylistAnswer> {
    checkTriplet(DEEDS.greylist, triplet);
    return await this.#keeper.atomically(DEEDS.greylist, (now) => ask(this.#shelves, group, triplet, now));
  }

  async greylistPass(group: string, triplet: GreylistTriplet): Promise<number> {
    checkTriplet(DEEDS.greylistPass, triplet);
    return await this.#keeper.atomically(
      DEEDS.greylistPass,
      (now) => pass(this.#shelves, group, triplet, now),
    );
  }

  lease(key: string, holder: string, limit: number, ttl: number): Promise<LeaseAnswer> {
    return rejecting(() => {
      checkLease(DEEDS.lease, limit, ttl);
      const { places } = this.#shelves;
      return this.#keeper.atomically(DEEDS.lease, (now) => {
        const held = places.holds(key, holder, now) || places.count(key, now) < limit;
        if (held) places.take(key, holder, now + ttl, now);
        return { held, count: places.count(key, now) };
      });
    });
  }

  release(key: string, holder: string): Promise<void> {
    return this.#keeper.atomically(DEEDS.release, () => this.#shelves.places.release(key, holder));
  }

  // deno-lint-ignore require-await -- what cannot be closed is a rejection
  async close(): Promise<void> {
    this.#keeper.close();
  }
}

function count(
  values: Shelf<string>,
  key: string,
  by: number,
  expires: number,
  sliding: boolean,
  now: number,
): number {
  const kept = values.get(key, now);
  const before = kept === undefined ? 0 : counted(kept.value);
  if (by === 0) return before;
  const sum = before + by;
  if (!Number.isSafeInteger(sum)) throw new Error("the sum is too large");
  values.set(key, String(sum), kept === undefined || sliding ? expires : kept.expires, now);
  return sum;
}

function counted(value: string): number {
  const sum = /^(0|-?[1-9]\d{0,15})$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(sum)) throw new Error("the value is not a whole number");
  return sum;
}
