/**
 * Opens the file of the sqlite driver: makes it where there is none, and refuses what is no store of this version.
 */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { SCHEMA } from "./sqlite_shelves.ts";

/** "Sall" in ASCII, by which the file is known as ours. */
const APPLICATION_ID = 0x53616c6c;
const SCHEMA_VERSION = 1;
/** Milliseconds between two tries for a lock, at the most. */
const PAUSE = 5;

/**
 * Opens the file, or makes it for its owner alone; waits up to `limit` milliseconds for others that do so.
 * @throws Error (as a rejection) where it cannot be opened or written, or holds something else
 */
export async function openFile(path: string, limit: number): Promise<DatabaseSync> {
  create(path);
  const end = performance.now() + limit;
  for (;;) {
    try {
      return open(path);
    } catch (error) {
      if (!isLocked(error) || performance.now() > end) {
        throw new Error(`Cannot open the store ${path}: ${reason(error)}`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, pause()));
  }
}

/** Whether an error is another process's lock. The code that SQLite gives is missing on Deno. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message.includes("database is locked");
}

/** Milliseconds until a lock is tried for again; by chance, so that two processes do not meet each time. */
export function pause(): number {
  return 1 + Math.random() * (PAUSE - 1);
}

/** Why SQLite would not. */
export function reason(error: unknown): string {
  if (isLocked(error)) return "another process holds the lock on the file";
  return error instanceof Error ? error.message : String(error);
}

/** SQLite would make the file readable to all. */
function create(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch {
    // It is there, or SQLite will say what is wrong. One that is there must not be opened past SQLite: when it is
    // closed again, the system gives up all locks that this process has on it.
  }
}

function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    // A lock is waited for by trying again later: SQLite's own way of waiting stops the whole process.
    db.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    db.exec("BEGIN IMMEDIATE");
    prepare(db);
    db.exec("COMMIT");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Makes the tables that are missing, and writes to any file: that it cannot be written should be known at the start. */
function prepare(db: DatabaseSync): void {
  const number = (pragma: string) => Number(Object.values(db.prepare(pragma).get() ?? {})[0]);
  const isNew = number("SELECT count(*) FROM sqlite_schema") === 0;
  if (!isNew && number("PRAGMA application_id") !== APPLICATION_ID) {
    throw new Error("it is another program's database");
  }
  if (!isNew && number("PRAGMA user_version") !== SCHEMA_VERSION) {
    throw new Error(`version ${number("PRAGMA user_version")} was given; allowed is ${SCHEMA_VERSION}`);
  }
  db.exec(SCHEMA);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
}
