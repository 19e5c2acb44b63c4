// Two processes on one sqlite file: what is allowed once is allowed once.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteStore } from "../../src/store/sqlite.ts";
import { together } from "../support/store_workers.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(
  [
    ["draws on a rate with a burst of 50 are allowed exactly 50 times", "draw", 50],
    ["a triplet is new exactly once", "greylist", 1],
    ["of new triplets exactly 50 are remembered", "strangers", 50],
    ["a triplet passes exactly once", "greylistPass", 200],
    ["of 7 places exactly 7 are held", "lease", 7],
    ["no count is lost", "count", 200],
  ] as const,
)("over two processes with one file, %s", async (_, job, expected) => {
  const path = join(folder, `${job}.db`);
  const [one = 0, two = 0] = await together(`sqlite:${path}`, job, 100);
  expect(one + two).toBe(expected);
  const store = await sqliteStore(path, { now: Date.now });
  if (job === "count") expect(await store.get("counter")).toBe("200");
  await store.close();
});
