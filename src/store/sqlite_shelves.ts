/**
 * The tables of the sqlite driver, one for each kind of state, readable with any SQLite tool. All that is done here
 * is done inside a transaction of the driver's. Times are milliseconds since 1970.
 */
import { Buffer } from "node:buffer";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Triplet } from "./greylist.ts";
import type { Level } from "./rate.ts";
import type { Kept, Places, Shelf, Shelves } from "./shelf.ts";
import { Sweep } from "./sqlite_sweep.ts";

/** Makes the tables that are missing: all in an empty database, those that came later in an older one. */
export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS value (key PRIMARY KEY, value, expires REAL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS level (key PRIMARY KEY, level REAL, at REAL, expires REAL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS triplet (key PRIMARY KEY, first REAL, passed REAL, expires REAL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS pass (key PRIMARY KEY, count REAL, expires REAL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS stranger (key PRIMARY KEY, count REAL, expires REAL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS lease (key, holder, expires REAL, PRIMARY KEY (key, holder)) WITHOUT ROWID;
`;

/** The shelves of a database that has the tables. */
export function sqliteShelves(db: DatabaseSync): Shelves {
  return {
    values: new Table<string>(
      db,
      "value",
      ["value"],
      (value) => [storable(value)],
      ({ value }) => text(value),
    ),
    levels: new Table<Level>(
      db,
      "level",
      ["level", "at"],
      ({ level, at }) => [level, at],
      ({ level, at }) => ({ level: Number(level), at: Number(at) }),
    ),
    triplets: new Table<Triplet>(
      db,
      "triplet",
      ["first", "passed"],
      ({ first, passed }) => [first, passed ?? null],
      ({ first, passed }) => ({ first: Number(first), passed: passed === null ? undefined : Number(passed) }),
    ),
    passes: counters(db, "pass"),
    strangers: counters(db, "stranger"),
    places: new Leases(db),
  };
}

function counters(db: DatabaseSync, table: string): Shelf<number> {
  return new Table<number>(db, table, ["count"], (count) => [count], ({ count }) => Number(count));
}

/** A text as it is or, with a NUL in it, as a blob: Deno ends a text that it reads from SQLite there. */
function storable(value: string): SQLInputValue {
  return value.includes("\0") ? Buffer.from(value) : value;
}

function text(value: SQLOutputValue | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
}

type Row = Readonly<Record<string, SQLOutputValue>>;

class Table<T> implements Shelf<T> {
  readonly #get: StatementSync;
  readonly #set: StatementSync;
  readonly #delete: StatementSync;
  readonly #sweep: Sweep;
  readonly #write: (value: T) => SQLInputValue[];
  readonly #read: (row: Row) => T;

  constructor(
    db: DatabaseSync,
    table: string,
    columns: readonly string[],
    write: (value: T) => SQLInputValue[],
    read: (row: Row) => T,
  ) {
    const all = ["key", ...columns, "expires"];
    this.#get = db.prepare(`SELECT ${all.slice(1)} FROM ${table} WHERE key = ? AND expires > ?`);
    this.#set = db.prepare(`INSERT OR REPLACE INTO ${table} (${all}) VALUES (${all.map(() => "?")})`);
    this.#delete = db.prepare(`DELETE FROM ${table} WHERE key = ?`);
    this.#sweep = new Sweep(db, table, ["key"]);
    this.#write = write;
    this.#read = read;
  }

  get(key: string, now: number): Kept<T> | undefined {
    const row = this.#get.get(storable(key), now);
    return row === undefined ? undefined : { value: this.#read(row), expires: Number(row.expires) };
  }

  set(key: string, value: T, expires: number, now: number): void {
    this.#set.run(storable(key), ...this.#write(value), expires);
    this.#sweep.written(now);
  }

  delete(key: string): void {
    this.#delete.run(storable(key));
  }
}

class Leases implements Places {
  readonly #count: StatementSync;
  readonly #holds: StatementSync;
  readonly #take: StatementSync;
  readonly #release: StatementSync;
  readonly #sweep: Sweep;

  constructor(db: DatabaseSync) {
    this.#count = db.prepare("SELECT count(*) AS held FROM lease WHERE key = ? AND expires > ?");
    this.#holds = db.prepare("SELECT 1 FROM lease WHERE key = ? AND holder = ? AND expires > ?");
    this.#take = db.prepare("INSERT OR REPLACE INTO lease (key, holder, expires) VALUES (?, ?, ?)");
    this.#release = db.prepare("DELETE FROM lease WHERE key = ? AND holder = ?");
    this.#sweep = new Sweep(db, "lease", ["key", "holder"]);
  }

  count(key: string, now: number): number {
    return Number(this.#count.get(storable(key), now)?.held ?? 0);
  }

  holds(key: string, holder: string, now: number): boolean {
    return this.#holds.get(storable(key), storable(holder), now) !== undefined;
  }

  take(key: string, holder: string, expires: number, now: number): void {
    this.#take.run(storable(key), storable(holder), expires);
    this.#sweep.written(now);
  }

  release(key: string, holder: string): void {
    this.#release.run(storable(key), storable(holder));
  }
}
