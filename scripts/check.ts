/**
 * The checks that run nothing: format, lint, import direction, types on both runtimes, and the
 * protocol core without any runtime's types. All are run, whatever the first ones say.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { testFiles } from "./test_files.ts";

const BUN = process.execPath;
const DENO = existsSync("node_modules/.bin/deno") ? "node_modules/.bin/deno" : "deno";

/** What Deno runs too: scripts and bench are Bun's. */
function onDeno(): string[] {
  const folders = ["src", "plugins", "policies", "vendor"].filter((folder) => existsSync(folder));
  return [...folders, ...testFiles().filter(({ bunOnly }) => bunOnly === undefined).map(({ path }) => path)];
}

const CHECKS: readonly (readonly [name: string, command: readonly string[], hint?: string])[] = [
  ["format", [DENO, "fmt", "--check", "--quiet"], "`npm run fmt` puts it right"],
  ["lint", [DENO, "lint", "--quiet"]],
  ["import direction", [BUN, "scripts/imports.ts"]],
  ["types on Bun", [BUN, "check", "--no-script"]],
  ["types of src/smtp, no runtime", [BUN, "check", "--no-script", "-p", "tsconfig.smtp.json"]],
  ["types on Deno", [DENO, "check", "--quiet", ...onDeno()]],
];

for (const [name, [program = "", ...words], hint] of CHECKS) {
  const began = Date.now();
  const env = { ...process.env, NO_COLOR: "1" };
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: "utf8", env });
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  if (status === 0) {
    console.log(`ok      ${name} (${seconds} s)`);
  } else {
    process.exitCode = 1;
    console.log(`FAILED  ${name}${hint ? `: ${hint}` : ""}`);
    console.log(`${error?.message ?? ""}${stdout}${stderr}`.trim().replace(/^/gm, "        "));
  }
}
