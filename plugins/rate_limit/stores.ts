/**
 * Where it is counted: in the store, and while that is away as the policy says.
 */
import { type Io, type Store, StoreError } from "sallyport";
import type { Terms } from "./options.ts";

/** What a store answered, and which one it was: what was drawn there is given back there. */
export interface Told<T> {
  readonly store: Store;
  readonly answer: T;
}

/** Milliseconds for which a store that failed is not asked again: nobody waits for it meanwhile. */
const AWAY = 1000;
/** Milliseconds between two lines of the log. */
const QUIET = 60_000;

type Effects = Pick<Io, "store" | "local" | "now" | "log" | "count">;

export class Stores {
  readonly fallback: Terms["fallback"];
  #awayUntil = -Infinity;
  #told = -Infinity;

  constructor(fallback: Terms["fallback"]) {
    this.fallback = fallback;
  }

  /**
   * Undefined where nobody can be asked.
   * @param unheard told of a store that may have done what it was asked, and did not say so
   */
  ask<T>(
    io: Effects,
    question: (store: Store) => Promise<T>,
    unheard?: (store: Store) => void,
  ): Promise<Told<T> | undefined> {
    const { store } = io;
    if (io.now() < this.#awayUntil) return this.#askOther(io, question);
    return question(store).then((answer) => ({ store, answer }), (cause) => {
      this.#lost(io, cause);
      unheard?.(store);
      return this.#askOther(io, question);
    });
  }

  async #askOther<T>(
    io: Effects,
    question: (store: Store) => Promise<T>,
  ): Promise<Told<T> | undefined> {
    io.count("rate_limit_fallback");
    const store = io.local;
    return this.fallback === "local" ? { store, answer: await question(store) } : undefined;
  }

  /** Does something that may be left undone: it ends by itself. */
  async attempt(io: Effects, deed: () => Promise<unknown>): Promise<void> {
    if (!await this.done(io, deed)) this.leave(io);
  }

  /** Whether it could be done. */
  done(io: Effects, deed: () => Promise<unknown>): Promise<boolean> {
    return deed().then(yes, (cause) => {
      this.#lost(io, cause);
      return false;
    });
  }

  /** Something is left to end by itself. */
  leave(io: Effects): void {
    io.count("rate_limit_lost");
  }

  #lost(io: Effects, cause: unknown): void {
    if (!(cause instanceof StoreError)) throw cause;
    const now = io.now();
    this.#awayUntil = now + AWAY;
    if (now - this.#told < QUIET) return;
    this.#told = now;
    const text = {
      local: "the store is away: limits are counted by this process alone",
      pass: "the store is away: nothing is limited",
      defer: "the store is away: what is limited is refused for now",
    }[this.fallback];
    io.log.warn(text, { cause: cause.message });
  }
}

function yes(): boolean {
  return true;
}
