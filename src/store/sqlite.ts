/**
 * The sqlite driver: one file that the workers of a machine share and that outlives them all.
 *
 * Each operation is one short transaction (WAL, synchronous NORMAL: a crash of the process loses nothing, one of the
 * machine perhaps the last moments, and neither breaks the file). node:sqlite works within the event loop, so
 * nothing here waits inside it: while another process holds the lock, operations queue.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Store, StoreError } from "../policy/effects.ts";
import { type Keeper, ShelvedStore } from "./shelved.ts";
import { isLocked, openFile, pause, reason } from "./sqlite_file.ts";
import type { Shelves } from "./shelf.ts";
import { sqliteShelves } from "./sqlite_shelves.ts";

/** What the sqlite driver is given. */
export interface SqliteOptions {
  /** Milliseconds since 1970; the same clock in all processes that share the file. */
  now(): number;
  /** Milliseconds that an operation waits for a lock; 1000 unless given. */
  readonly timeout?: number;
}

/**
 * Opens the file, or makes it for its owner alone.
 * @throws Error (as a rejection) where it cannot be opened or written, or holds something else
 */
export async function sqliteStore(path: string, { now, timeout = 1000 }: SqliteOptions): Promise<Store> {
  return new ShelvedStore(new Sqlite(await openFile(path, timeout), now, timeout));
}

/** An operation that is still to be done. */
interface Waiting {
  attempt(): void;
  fail(error: unknown): void;
  /** When it is too late for it, by `performance.now()`. */
  readonly end: number;
}

class Sqlite implements Keeper {
  readonly shelves: Shelves;
  readonly #db: DatabaseSync;
  readonly #now: () => number;
  readonly #timeout: number;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #waiting: Waiting[] = [];
  #closed = false;

  constructor(db: DatabaseSync, now: () => number, timeout: number) {
    this.#db = db;
    this.#now = now;
    this.#timeout = timeout;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.shelves = sqliteShelves(db);
  }

  atomically<T>(deed: string, work: (now: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = () => resolve(this.#transaction(work));
      const fail = (error: unknown) => reject(new StoreError(deed, reason(error)));
      if (this.#closed) return fail("it is closed");
      this.#waiting.push({ attempt, fail, end: performance.now() + this.#timeout });
      if (this.#waiting.length === 1) this.#serve();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const each of this.#waiting.splice(0)) each.fail("it was closed");
    this.#db.close();
  }

  /** Does what waits, in order, for as long as no other process holds the lock. */
  #serve(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      try {
        first.attempt();
      } catch (error) {
        if (isLocked(error) && performance.now() < first.end) {
          setTimeout(() => this.#serve(), pause());
          return;
        }
        first.fail(error);
      }
      this.#waiting.shift();
    }
  }

  #transaction<T>(work: (now: number) => T): T {
    this.#begin.run();
    try {
      // The clock is read under the lock, so that nobody's time is before that of whom he follows.
      const result = work(this.#now());
      this.#commit.run();
      return result;
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  #rollback(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // SQLite has done so itself, as it does when the disk is full.
    }
  }
}
