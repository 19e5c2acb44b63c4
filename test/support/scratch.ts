/**
 * Folders within the checkout for files that a test makes and a runtime has to find packages from. Git, the formatter
 * and the linter pass `temp` over.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { afterAll } from "bun:test";

/** The checkout. */
export const ROOT: string = resolve(import.meta.dirname!, "../..");

/** A folder with these files, removed when the tests of the calling file are over. */
export function scratch(files: Readonly<Record<string, string>> = {}): string {
  const temp = join(ROOT, "temp");
  mkdirSync(temp, { recursive: true });
  const folder = mkdtempSync(join(temp, "test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}
