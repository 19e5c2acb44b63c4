/**
 * The checks that run nothing: format, lint, import direction, types on both runtimes, and the
 * protocol core without any runtime's types. All are run, whatever the first ones say.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { relative } from "node:path";
import process from "node:process";
import { BUN, DENO } from "./runtimes.ts";
import { testFiles } from "./test_files.ts";

/** What Deno runs too: scripts and bench are Bun's. */
function onDeno(): string[] {
  const folders = ["src", "plugins", "policies", "examples", "vendor", "test/types"].filter((folder) =>
    existsSync(folder)
  );
  const tests = testFiles().filter(({ bunOnly }) => bunOnly === undefined).map(({ path }) => path);
  return [...folders, ...tests.filter((path) => path.startsWith("test/"))];
}

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** What to print of its output, where that is not all of it. */
  readonly told?: (output: string) => string;
}

const CHECKS: readonly Check[] = [
  { name: "format", command: [DENO, "fmt", "--check"], told: unformatted },
  { name: "lint", command: [DENO, "lint", "--quiet"] },
  { name: "import direction", command: [BUN, "scripts/imports.ts"] },
  { name: "types on Bun", command: [BUN, "check", "--no-script"] },
  {
    name: "types of src/smtp, without any runtime",
    command: [BUN, "check", "--no-script", "-p", "tsconfig.smtp.json"],
  },
  { name: "types on Deno", command: [DENO, "check", "--quiet", ...onDeno()] },
];

function whole(output: string): string {
  return output;
}

/** Names the files; the differences are what `npm run fmt` is for. */
function unformatted(output: string): string {
  const files = [...output.matchAll(/^from (.*):$/gm)].map(([, file]) => relative(".", file!));
  return files.length === 0 ? output : `${files.join("\n")}\n\`npm run fmt\` puts this right.`;
}

for (const { name, command, told = whole } of CHECKS) {
  const began = Date.now();
  const [program = "", ...words] = command;
  const env = { ...process.env, NO_COLOR: "1", RUST_BACKTRACE: "0" };
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: "utf8", env });
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  if (status === 0) {
    console.log(`ok      ${name} (${seconds} s)`);
  } else {
    process.exitCode = 1;
    console.log(`FAILED  ${name}`);
    console.log(told(`${error?.message ?? ""}${stdout}${stderr}`).trim().replace(/^/gm, "        "));
  }
}
