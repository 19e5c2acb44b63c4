// The sqlite driver: the suite with one handle and with two, and what becomes of files and locks.
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqliteStore } from "../../src/store/sqlite.ts";
import { expectStoreError, rejection, type Rig } from "./rig.ts";
import { storeSuite } from "./suite.ts";

const UNIT = 1000;
const folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function file(): string {
  return join(folder, `${++files}.db`);
}

function frozen(path: string): ReturnType<typeof sqliteStore> {
  return sqliteStore(path, { now: () => 1000 });
}

async function rig(handles: 1 | 2): Promise<Rig> {
  let now = 1_800_000_000_000;
  const path = file();
  const store = await sqliteStore(path, { now: () => now });
  const other = handles === 1 ? store : await sqliteStore(path, { now: () => now });
  return {
    store,
    other,
    unit: UNIT,
    slack: 0,
    pass: (units) => Promise.resolve(void (now += units * UNIT)),
    close: async () => void await Promise.all([store.close(), other.close()]),
  };
}

storeSuite("the sqlite driver", () => rig(1));
storeSuite("the sqlite driver with two handles on one file", () => rig(2));

describe("a store in a file", () => {
  test("is kept when everybody has closed it, and is its owner's alone", async () => {
    const path = file();
    const first = await frozen(path);
    await first.set("key", "kept", 60_000);
    await first.greylistPass("group", {
      key: "t",
      delay: 1,
      window: 10,
      memory: 60_000,
      passes: 1,
      strangers: 1000,
      period: 10_000,
    });
    await first.draw("group", [{ key: "rate", interval: 60_000, burst: 2, cost: 1 }]);
    await first.lease("place", "holder", 1, 60_000);
    await first.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const second = await frozen(path);
    expect(await second.get("key")).toBe("kept");
    expect(
      (await second.greylist("group", {
        key: "t",
        delay: 1,
        window: 10,
        memory: 60_000,
        passes: 1,
        strangers: 1000,
        period: 10_000,
      })).state,
    )
      .toBe("passed");
    expect((await second.draw("group", [{ key: "rate", interval: 60_000, burst: 2, cost: 1 }])).remaining)
      .toEqual([0]);
    expect((await second.lease("place", "other", 1, 60_000)).held).toBe(false);
    await second.close();
  });

  test("that an older version has made gets the tables that it has not", async () => {
    const path = file();
    await (await frozen(path)).close();
    const older = new DatabaseSync(path);
    older.exec("DROP TABLE stranger");
    older.close();
    const store = await frozen(path);
    const triplet = { key: "t", delay: 1, window: 10, memory: 10, passes: 0, strangers: 1, period: 10 };
    expect((await store.greylist("group", triplet)).state).toBe("new");
    await store.close();
  });

  test("cannot be one of something else, and the error says so", async () => {
    const garbage = file();
    writeFileSync(garbage, "this is no database ".repeat(500));
    const foreign = file();
    const db = new DatabaseSync(foreign);
    db.exec("CREATE TABLE letters (id)");
    db.close();
    const older = file();
    await (await frozen(older)).close();
    const changed = new DatabaseSync(older);
    changed.exec("PRAGMA user_version = 9");
    changed.close();
    for (
      const [path, why] of [
        [garbage, "file is not a database"],
        [foreign, "it is another program's database"],
        [older, "version 9 was given; allowed is 1"],
        [folder, "unable to open database file"],
        [join(folder, "missing", "x.db"), "unable to open database file"],
      ] as const
    ) {
      const error = await rejection(frozen(path));
      expect((error as Error).message).toContain(`Cannot open the store ${path}: ${why}`);
    }
  });

  test("cannot be one that may not be written", async () => {
    const inside = join(folder, "readonly");
    mkdirSync(inside);
    const path = join(inside, "x.db");
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = DELETE; CREATE TABLE x (a)");
    db.close();
    chmodSync(path, 0o400);
    chmodSync(inside, 0o500);
    const error = await rejection(frozen(path));
    chmodSync(inside, 0o700);
    // Root may write it all the same, and hears what else is wrong.
    expect((error as Error).message).toMatch(
      /^Cannot open the store .*: (attempt to write a readonly|it is another)/,
    );
  });

  test("grows no larger than what has not expired asks for", async () => {
    let now = 0;
    const path = file();
    const store = await sqliteStore(path, { now: () => now });
    for (let i = 0; i < 3000; i++, now++) {
      await store.draw("group", [{ key: `${i}`, interval: 10, burst: 10, cost: 1 }]);
      await store.lease(`${i % 7}`, `holder ${i}`, 1000, 10);
      await store.set(i % 2 ? `${i}` : `NUL \0 ${i}`, "value", 10);
    }
    await store.close();
    const db = new DatabaseSync(path);
    for (const table of ["level", "lease", "value"]) {
      const rows = Number(db.prepare(`SELECT count(*) AS number FROM ${table}`).get()?.number);
      expect(rows).toBeGreaterThan(0);
      expect(rows).toBeLessThan(200);
    }
    db.close();
  });
});

describe("a lock of another process", () => {
  test("is waited for without stopping this one, in the order of the operations", async () => {
    const path = file();
    const store = await sqliteStore(path, { now: () => 1000, timeout: 20_000 });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const done: string[] = [];
    const each = ["a", "b", "c"].map((key) => store.set(key, "value", 1000).then(() => done.push(key)));
    // Turns of the event loop go on.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(done).toEqual([]);
    other.exec("COMMIT");
    await Promise.all(each);
    expect(done).toEqual(["a", "b", "c"]);
    other.close();
    await store.close();
  });

  test("is not waited for any longer than the bound", async () => {
    const path = file();
    const store = await sqliteStore(path, { now: () => 1000, timeout: 30 });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const operations = [store.set("a", "value", 1000), store.get("a"), store.count("b", 1, 1000)];
    const why = "another process holds the lock on the file";
    await expectStoreError(operations[0]!, `Cannot set a value in the store: ${why}`);
    await expectStoreError(operations[1]!, `Cannot get a value from the store: ${why}`);
    await expectStoreError(operations[2]!, `Cannot count in the store: ${why}`);
    other.exec("COMMIT");
    expect(await store.get("a")).toBeUndefined();
    other.close();
    await store.close();
  });

  test("at the opening is waited for, and named where it lasts", async () => {
    const path = file();
    await (await frozen(path)).close();
    const other = new DatabaseSync(path);
    other.exec("BEGIN EXCLUSIVE");
    const error = await rejection(sqliteStore(path, { now: () => 1000, timeout: 30 }));
    expect((error as Error).message).toBe(
      `Cannot open the store ${path}: another process holds the lock on the file`,
    );
    const opening = sqliteStore(path, { now: () => 1000, timeout: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    other.exec("COMMIT");
    await (await opening).close();
    other.close();
  });
});

test("an operation that fails leaves nothing behind", async () => {
  const path = file();
  const store = await frozen(path);
  await store.set("key", "text", 1000);
  await expectStoreError(store.count("key", 1, 1000), "the value is not a whole number");
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE; COMMIT");
  other.close();
  expect(await store.count("other", 1, 1000)).toBe(1);
  await store.close();
});

test("a closed sqlite store refuses everything, and what waited for a lock with it", async () => {
  const path = file();
  const store = await frozen(path);
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const waiting = store.get("key");
  await store.close();
  await store.close();
  await expectStoreError(waiting, "Cannot get a value from the store: it was closed");
  await expectStoreError(store.set("key", "value", 1), "Cannot set a value in the store: it is closed");
  other.close();
});
