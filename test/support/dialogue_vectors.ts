/** Other people's test data, which lies beside the checkout; a test that does not find it says how much it skipped. */
import { existsSync } from "node:fs";
import { describe, test } from "bun:test";

/** Defines tests that need a folder of `../shared/vectors`; without it they are one skipped test that tells how many. */
export function withVectors(name: string, folder: string, cases: string, body: (folder: URL) => void): void {
  const url = new URL(`../../../shared/vectors/${folder}/`, import.meta.url);
  describe(name, () => {
    if (existsSync(url)) return body(url);
    const reason = `${cases} skipped: shared/vectors/${folder} is absent`;
    console.warn(`${name}: ${reason}`);
    test.skip(reason, () => {});
  });
}
