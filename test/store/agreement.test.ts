// The drivers whose clock can be a fake give the same answers to whatever they are asked.
import { test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../../src/policy/effects.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { sqliteStore } from "../../src/store/sqlite.ts";
import { expectAgreement, type Player, plays } from "./plays.ts";

const UNIT = 1000;
/** After so many units, nothing that a play has left holds any more. */
const FORGOTTEN = 1000;

test("memory and sqlite give the same answers to any sequence of operations", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
  const clocks = [0, 0];
  const player = (index: 0 | 1, store: Store): Player => ({
    store,
    pass: (units) => Promise.resolve(void (clocks[index]! += units * UNIT)),
  });
  const memory = memoryStore({ now: () => clocks[0]! });
  const sqlite = await sqliteStore(join(folder, "state.db"), { now: () => clocks[1]! });
  const players = [player(0, memory), player(1, sqlite)];
  await fc.assert(
    fc.asyncProperty(plays(UNIT, 60), async (moves) => {
      await expectAgreement([{ pass: FORGOTTEN }, ...moves], players);
    }),
    { numRuns: 300 },
  );
  await sqlite.close();
  rmSync(folder, { recursive: true });
}, 60_000);
