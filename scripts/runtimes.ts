/** The two runtimes' programs, as scripts and tests start them. */
import { existsSync, globSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));

/** The Bun that runs this script. */
export const BUN = process.execPath;

/**
 * The checkout's own Deno, or whichever is installed. The program itself: `.bin/deno` is one of Node's that starts it as
 * a child, so that what is done to the one (a signal, an exit code) is not done to the other, which outlives it.
 */
export const DENO = [`${MODULES}deno/deno`, ...globSync(`${MODULES}@deno/*/deno`), `${MODULES}.bin/deno`]
  .find((path) => existsSync(path)) ?? "deno";
