/**
 * Which test files there are, and which of them run on Deno too: all but those under test/live and
 * those that say `// bun only: <reason>` in their first lines.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** A test file; `bunOnly` says why it does not run on Deno. */
export interface TestFile {
  /** From the checkout's root, with `/`. */
  readonly path: string;
  readonly bunOnly: string | undefined;
}

/** The files under ./test whose path contains one of `filters` (all where there are none), in order of name. */
export function testFiles(filters: readonly string[] = []): TestFile[] {
  if (!existsSync("test")) return [];
  return (readdirSync("test", { recursive: true }) as string[])
    .map((name) => `test/${name.replaceAll("\\", "/")}`)
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
