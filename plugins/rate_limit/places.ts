/**
 * Places: how many may be there at the same time. A place is held until its session, transaction or recipient is over, and
 * is renewed meanwhile; a process that dies leaves it behind for `ttl` at the most.
 */
import type { Io, Known, Stage, Store } from "sallyport";
import { type Key, keysOf, type Networks } from "./key.ts";
import type { PlacesTerms } from "./options.ts";
import { firstStage } from "./stage.ts";
import type { Stores } from "./stores.ts";

/** One kind of place. */
export class Places {
  readonly name: string;
  readonly stage: Stage;
  readonly #most: number;
  readonly #keys: (session: Known) => readonly Key[];

  constructor(terms: PlacesTerms, networks: Networks) {
    this.name = terms.name ?? String(terms.per);
    this.stage = firstStage(terms.per);
    this.#most = terms.most;
    this.#keys = keysOf({ ...terms, name: this.name }, networks);
  }

  wanted(session: Known): Wanted[] {
    return this.#keys(session).map(({ group, key, factor }) => ({
      places: this,
      key: `${group}:${key}`,
      most: Math.floor(this.#most * factor),
    }));
  }
}

/** A place that a session needs. */
export interface Wanted {
  readonly places: Places;
  readonly key: string;
  readonly most: number;
}

/** A place that is held. */
interface Held extends Wanted {
  readonly store: Store;
  readonly holder: string;
}

/** What asking for places came to. */
export interface Seats {
  readonly held: readonly Held[];
  /** Whose places are all taken. */
  readonly full: Places | undefined;
  /** True: somebody could not be asked. */
  readonly unknown: boolean;
}

export const NO_SEATS: Seats = { held: [], full: undefined, unknown: false };

/** Places that are renewed at the same time. */
const BATCH = 100;

type Effects = Pick<Io, "store" | "local" | "now" | "log" | "count">;

/** The places that this process holds. */
export class Holding {
  readonly #ttl: number;
  readonly #stores: Stores;
  readonly #held = new Set<Held>();
  #taken = 0;

  constructor(ttl: number, stores: Stores) {
    this.#ttl = ttl;
    this.#stores = stores;
  }

  /** Takes all places or none. */
  async take(wanted: readonly Wanted[], id: string, io: Io): Promise<Seats> {
    // One session may hold a place for its next transaction before it has given up that of the last.
    const holder = `${id}-${++this.#taken}`;
    const asked = await Promise.all(wanted.map(async (one) => {
      const told = await this.#stores.ask(io, (store) => store.lease(one.key, holder, one.most, this.#ttl));
      return { one, told };
    }));
    const unknown = asked.some(({ told }) => told === undefined);
    const full = asked.find(({ told }) => told?.answer.held === false)?.one.places;
    const held = asked.flatMap(({ one, told }) =>
      told?.answer.held ? [{ ...one, store: told.store, holder }] : []
    );
    for (const each of held) this.#held.add(each);
    if (full === undefined && !(unknown && this.#stores.fallback === "defer")) return { held, full, unknown };
    await this.giveUp(held, io);
    return { held: [], full, unknown };
  }

  async giveUp(held: readonly Held[], io: Effects): Promise<void> {
    for (const each of held) this.#held.delete(each);
    await Promise.all(
      held.map(({ store, key, holder }) => this.#stores.attempt(io, () => store.release(key, holder))),
    );
  }

  /** Extends the time of all that are held. */
  async renew(io: Effects): Promise<void> {
    const all = [...this.#held];
    for (let from = 0; from < all.length; from += BATCH) {
      await Promise.all(all.slice(from, from + BATCH).map((each) => this.#renewOne(each, io)));
    }
  }

  async #renewOne(each: Held, io: Effects): Promise<void> {
    const { store, key, holder, most } = each;
    if (!this.#held.has(each)) return;
    await this.#stores.attempt(io, async () => {
      await store.lease(key, holder, most, this.#ttl);
      // It was given up meanwhile, and this has taken it again.
      if (!this.#held.has(each)) await store.release(key, holder);
    });
  }
}
