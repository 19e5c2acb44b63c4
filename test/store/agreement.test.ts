// The drivers whose clock can be a fake give the same answers to whatever they are asked.
import { afterAll, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../../src/policy/effects.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { sqliteStore } from "../../src/store/sqlite.ts";
import { expectAgreement, plays } from "./plays.ts";

const UNIT = 1000;
const folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

test("memory and sqlite give the same answers to any sequence of operations", async () => {
  await fc.assert(
    fc.asyncProperty(plays(UNIT, 60), async (moves) => {
      const clocks = [0, 0];
      const player = (index: 0 | 1, store: Store) => ({
        store,
        pass: (units: number) => Promise.resolve(void (clocks[index]! += units * UNIT)),
      });
      const memory = memoryStore({ now: () => clocks[0]! });
      const sqlite = await sqliteStore(join(folder, `${++files}.db`), { now: () => clocks[1]! });
      await expectAgreement(moves, [player(0, memory), player(1, sqlite)]);
      await sqlite.close();
    }),
    { numRuns: 200 },
  );
});
