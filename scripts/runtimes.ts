/** The two runtimes' programs, as the scripts start them. */
import { existsSync } from "node:fs";
import process from "node:process";

/** The Bun that runs this script. */
export const BUN = process.execPath;

/** The checkout's own Deno, or whichever is installed. */
export const DENO = existsSync("node_modules/.bin/deno") ? "node_modules/.bin/deno" : "deno";
