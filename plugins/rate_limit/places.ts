/**
 * Places: how many may be there at the same time. A place is held until its session, transaction or recipient is over, and
 * is renewed meanwhile; a process that dies leaves it behind for `ttl` at the most. One that the store may have granted after
 * nobody waited for its answer any more is given back.
 */
import type { Io, Known, Stage, Store } from "sallyport";
import { Keyed, type Networks } from "./key.ts";
import type { PlacesTerms } from "./options.ts";
import { firstStage } from "./stage.ts";
import type { Stores } from "./stores.ts";

/** One kind of place. */
export class Places {
  readonly name: string;
  readonly stage: Stage;
  readonly #wanted: Keyed<Wanted>;

  constructor(terms: PlacesTerms, networks: Networks) {
    this.name = terms.name ?? String(terms.per);
    this.stage = firstStage(terms.per);
    this.#wanted = new Keyed({ ...terms, name: this.name }, networks, ({ group, key, factor }) => ({
      places: this,
      key: `${group}:${key}`,
      most: Math.floor(terms.most * factor),
    }));
  }

  wanted(session: Known, now: number): readonly Wanted[] {
    return this.#wanted.of(session, now);
  }
}

/** A place that a session needs. */
export interface Wanted {
  readonly places: Places;
  readonly key: string;
  readonly most: number;
}

/** A place in a store, by the name that is its holder's alone and is never used again. */
interface Place {
  readonly store: Store;
  readonly key: string;
  readonly holder: string;
}

/** A place that is held. */
interface Held extends Wanted, Place {}

/** A place that is to be given up, and when it ends by itself. */
interface Owed extends Place {
  readonly until: number;
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
/** Places that are owed at the most: the others end by themselves. */
const OWED = 10_000;

type Effects = Pick<Io, "store" | "local" | "now" | "log" | "count">;

/** The places that this process holds. */
export class Holding {
  readonly #ttl: number;
  readonly #stores: Stores;
  readonly #held = new Set<Held>();
  /** What could not be given up; it is when the store answers again. */
  #owed: Owed[] = [];
  #taken = 0;

  constructor(ttl: number, stores: Stores) {
    this.#ttl = ttl;
    this.#stores = stores;
  }

  /** Takes all places or none. */
  async take(wanted: readonly Wanted[], id: string, io: Io): Promise<Seats> {
    // One session may hold a place for its next transaction before it has given up that of the last.
    const holder = `${id}-${++this.#taken}`;
    const [only] = wanted;
    const asked = only !== undefined && wanted.length === 1
      ? [await this.#ask(only, holder, io)]
      : await Promise.all(wanted.map((one) => this.#ask(one, holder, io)));
    const held = asked.filter((each) => typeof each === "object");
    for (const each of held) this.#held.add(each);
    const unknown = asked.includes("unknown");
    const full = wanted.find((_, i) => asked[i] === "full")?.places;
    if (full === undefined && !(unknown && this.#stores.fallback === "defer")) return { held, full, unknown };
    await this.giveUp(held, io);
    return { held: [], full, unknown };
  }

  #ask({ places, key, most }: Wanted, holder: string, io: Io): Promise<Held | "full" | "unknown"> {
    return this.#stores.ask(
      io,
      (store) => store.lease(key, holder, most, this.#ttl),
      // It may be granted all the same, and nobody would know of it. Not waited for: it may take as long once more.
      (store) => void this.#release({ store, key, holder }, io),
    ).then((told) => {
      if (told === undefined) return "unknown";
      const { store, answer } = told;
      if (this.#owed.length > 0 && store === io.store) void this.#settle(io);
      return answer.held ? { places, key, most, store, holder } : "full";
    });
  }

  async giveUp(held: readonly Held[], io: Effects): Promise<void> {
    for (const each of held) this.#held.delete(each);
    if (held.length === 1) await this.#release(held[0]!, io);
    else await Promise.all(held.map((each) => this.#release(each, io)));
  }

  #release(place: Place, io: Effects, until = io.now() + this.#ttl): Promise<void> {
    const { store, key, holder } = place;
    return this.#stores.done(io, () => store.release(key, holder)).then((done) => {
      if (done) return;
      if (this.#owed.length < OWED) this.#owed.push({ store, key, holder, until });
      else this.#stores.leave(io);
    });
  }

  /**
   * Gives up what is owed, so that who comes first after a store was away finds room. One tries whether it answers, for all
   * the others.
   */
  async settle(io: Effects): Promise<void> {
    const first = this.#owed.pop();
    if (first === undefined) return;
    const before = this.#owed.length;
    await this.#settleOne(first, io);
    if (this.#owed.length <= before) await this.#settle(io);
  }

  async #settle(io: Effects): Promise<void> {
    const owed = this.#owed;
    this.#owed = [];
    await Promise.all(owed.map((each) => this.#settleOne(each, io)));
  }

  async #settleOne(owed: Owed, io: Effects): Promise<void> {
    if (owed.until > io.now()) await this.#release(owed, io, owed.until);
    else this.#stores.leave(io);
  }

  /** Extends the time of all that are held. */
  async renew(io: Effects): Promise<void> {
    const all = [...this.#held];
    for (let from = 0; from < all.length; from += BATCH) {
      await Promise.all(all.slice(from, from + BATCH).map((each) => this.#renewOne(each, io)));
    }
    await this.#settle(io);
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
