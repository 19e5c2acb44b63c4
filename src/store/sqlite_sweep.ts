/**
 * Deletes the expired rows of a table a few at a time, in the order of its keys: an index of the times would double
 * what each write costs.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";

/** Rows that are written to a table between two looks at it. */
const EVERY = 64;
/** Rows that are looked at: so many that what has expired is a third of the table at the most. */
const LOOKED = 4 * EVERY;

/** The sweep of one table, by the columns of its key. */
export class Sweep {
  readonly #last: StatementSync;
  readonly #drop: StatementSync;
  readonly #dropRest: StatementSync;
  readonly #start: readonly SQLOutputValue[];
  /** The key after which it goes on. */
  #hand: readonly SQLOutputValue[];
  #written = 0;

  constructor(db: DatabaseSync, table: string, columns: readonly string[]) {
    const [key, marks] = [`(${columns})`, `(${columns.map(() => "?")})`];
    this.#last = db.prepare(
      `SELECT ${columns} FROM ${table} WHERE ${key} > ${marks} ORDER BY ${columns} LIMIT 1 OFFSET ${
        LOOKED - 1
      }`,
    );
    const drop = `DELETE FROM ${table} WHERE expires <= ? AND ${key} > ${marks}`;
    this.#drop = db.prepare(`${drop} AND ${key} <= ${marks}`);
    this.#dropRest = db.prepare(drop);
    this.#start = this.#hand = columns.map(() => "");
  }

  /** To be called after each row that was written. */
  written(now: number): void {
    if (++this.#written % EVERY !== 0) return;
    const row = this.#last.get(...this.#hand);
    const last = row === undefined ? undefined : Object.values(row);
    if (last === undefined) this.#dropRest.run(now, ...this.#hand);
    else this.#drop.run(now, ...this.#hand, ...last);
    this.#hand = last ?? this.#start;
  }
}
