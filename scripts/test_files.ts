/**
 * Which test files there are (in test, and beside each example), and which of them run on Deno too: all but those
 * under test/live and those that say `// bun only: <reason>` in their first lines.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** A test file; `bunOnly` says why it does not run on Deno. */
export interface TestFile {
  /** From the checkout's root, with `/`. */
  readonly path: string;
  readonly bunOnly: string | undefined;
}

const FOLDERS = ["test", "examples"];

/** The files under ./test and ./examples whose path contains one of `filters` (all where there are none), in order of name. */
export function testFiles(filters: readonly string[] = []): TestFile[] {
  return FOLDERS.filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      (readdirSync(folder, { recursive: true }) as string[])
        .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    )
    .filter((path) => path.endsWith(".test.ts"))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort()
    .map((path) => ({ path, bunOnly: bunOnly(path) }));
}

const FIRST_LINES = 10;

function bunOnly(path: string): string | undefined {
  if (path.startsWith("test/live/")) return "real servers";
  const top = readFileSync(path, "utf8").split("\n", FIRST_LINES);
  for (const line of top) {
    const reason = /^\/\/ bun only: *(\S.*)$/.exec(line)?.[1];
    if (reason !== undefined) return reason.trim();
  }
  return undefined;
}
