/**
 * Clients that have passed, by address: in the store for all, and for a while in this process, so that a busy client
 * costs no question. A store that is away forgets nobody whom this process knows, and stops nobody.
 */
import { type Io, Remembered, type Store, StoreError } from "sallyport";

/** Milliseconds for which this process believes what it knows. */
const LOCAL = 600_000;

/** Milliseconds between two lines of the log about the store. */
const PAUSE = 60_000;

export class Memory {
  readonly #ttl: number;
  #told = -Infinity;

  /** @param ttl milliseconds for which a client is remembered */
  constructor(ttl: number) {
    this.#ttl = ttl;
  }

  /** Whether a client has passed; at once where it came lately. */
  knows(client: string, io: Io): boolean | Promise<boolean> {
    return latelyKnown(io.local).get(client, io.now()) ?? this.#ask(client, io);
  }

  async #ask(client: string, io: Io): Promise<boolean> {
    const key = keyOf(client);
    const until = await io.local.get(key);
    if (until !== undefined) {
      const now = io.now();
      latelyKnown(io.local).keep(client, true, Number(until) - now, now);
      return true;
    }
    const passed = await this.#try(io, () => io.store.get(key));
    if (passed === undefined) return false;
    await this.#keepLocally(client, io, Number(passed) - io.now());
    return true;
  }

  /** It has passed. */
  async remember(client: string, io: Io): Promise<void> {
    const key = keyOf(client);
    // Of a session with several messages, and of sessions side by side, one says so.
    if (await io.local.get(key) !== undefined) return;
    await this.#keepLocally(client, io, this.#ttl);
    await this.#try(io, () => io.store.set(key, String(io.now() + this.#ttl), this.#ttl));
  }

  /** It has lost its pass, if it had one: whoever has is known here since it came. */
  async forget(client: string, io: Io): Promise<void> {
    const key = keyOf(client);
    if (await io.local.get(key) === undefined) return;
    await io.local.delete(key);
    latelyKnown(io.local).forget(client);
    await this.#try(io, () => io.store.delete(key));
  }

  /** Until when, and not for longer than the pass itself holds. */
  async #keepLocally(client: string, io: Io, left: number): Promise<void> {
    const ms = Math.min(LOCAL, left);
    if (ms > 0) await io.local.set(keyOf(client), String(io.now() + ms), ms);
  }

  async #try<T>(io: Io, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause;
      io.count("early_talker_store_errors");
      if (io.now() - this.#told >= PAUSE) {
        this.#told = io.now();
        io.log.warn(`clients that pass are not remembered by the store: ${cause.message}`);
      }
      return undefined;
    }
  }
}

/** What each process's own store was found to know, for all who use it. */
const LATELY = new WeakMap<Store, Remembered<true>>();

function latelyKnown(local: Store): Remembered<true> {
  let known = LATELY.get(local);
  if (known === undefined) LATELY.set(local, known = new Remembered());
  return known;
}

function keyOf(client: string): string {
  return `early:${client}`;
}
