#!/usr/bin/env bun
/**
 * The program: picks a command.
 */
import { parseArgs } from "@std/cli";
import process from "node:process";
import { check } from "./cli/check.ts";
import { serve } from "./cli/serve.ts";
import { SettingsError } from "./policy/policy.ts";

const USAGE = `Usage:
  sallyport serve [POLICY]   run a policy (policies/quickstart.ts unless given)
  sallyport check POLICY     load and validate a policy, and print what would run
`;

function fail(lines: readonly string[]): never {
  process.stderr.write(lines.map((line) => `sallyport: ${line}\n`).join(""));
  process.exit(1);
}

async function main(): Promise<void> {
  const unknown: string[] = [];
  const { _: words, help } = parseArgs(process.argv.slice(2), {
    boolean: ["help"],
    alias: { help: "h" },
    unknown: (flag: string) => (flag.startsWith("-") ? (unknown.push(flag), false) : true),
  });
  const [command, policy, ...more] = words.map(String);
  if (help) return void process.stdout.write(USAGE);
  if (unknown.length > 0) {
    fail([`Cannot take ${unknown.join(", ")}: there is no such option; allowed is --help`]);
  }
  if (more.length > 0) {
    fail([`Cannot run ${command} ${[policy, ...more].join(" ")}: allowed is one policy at a time`]);
  }
  switch (command) {
    case "serve":
      return await serve(policy ?? new URL("../policies/quickstart.ts", import.meta.url).pathname);
    case "check":
      if (policy !== undefined) return await check(policy);
      fail(["Cannot check: no policy was given; allowed is one, as in sallyport check policies/pass.ts"]);
      break;
    case undefined:
      return fail(USAGE.trimEnd().split("\n"));
    default:
      fail([`Cannot run ${command}: there is no such command; allowed are serve and check`]);
  }
}

try {
  await main();
  process.exit(0);
} catch (cause) {
  if (cause instanceof SettingsError) fail(cause.mistakes);
  throw cause;
}
