#!/usr/bin/env bun
/**
 * The program: picks a command.
 */
import { parseArgs } from "@std/cli";
import process from "node:process";
import { checkCommand } from "./cli/check.ts";
import { type Command, commandMistakes, type Given, usageOf } from "./cli/command.ts";
import { doctorCommand } from "./cli/doctor.ts";
import { explainCommand } from "./cli/explain.ts";
import { newPluginCommand } from "./cli/new_plugin.ts";
import { serveCommand } from "./cli/serve.ts";
import { SettingsError } from "./policy/policy.ts";

const COMMANDS: readonly Command[] = [
  serveCommand,
  checkCommand,
  explainCommand,
  doctorCommand,
  newPluginCommand,
];

const USAGE = [
  "Usage:",
  ...COMMANDS.flatMap((command) => [`  ${usageOf(command)}`, `      ${command.about}`]),
];

function fail(lines: readonly string[], code = 1): never {
  process.stderr.write(lines.map((line) => `sallyport: ${line}\n`).join(""));
  process.exit(code);
}

/** The names of a command's options of one kind. */
function named(command: Command | undefined, kind: string): string[] {
  return Object.entries(command?.flags ?? {}).filter(([, flag]) => flag.kind === kind).map(([name]) => name);
}

async function main(): Promise<void> {
  const known = COMMANDS.find(({ name }) => name === process.argv[2]);
  const unknown: string[] = [];
  const { _: words, help, ...given } = parseArgs(process.argv.slice(2), {
    boolean: ["help", ...named(known, "switch")],
    string: ["_", ...named(known, "text"), ...named(known, "texts")],
    collect: named(known, "texts"),
    alias: { help: "h" },
    unknown: (flag: string) => (flag.startsWith("-") && flag !== "-" ? (unknown.push(flag), false) : true),
  });
  const [name, ...rest] = words.map(String);
  if (help) return void process.stdout.write(USAGE.join("\n") + "\n");
  const command = COMMANDS.find((each) => each.name === name);
  if (unknown.length > 0) {
    const flags = Object.keys(command?.flags ?? {}).map((flag) => `--${flag}`);
    fail([
      `Cannot take ${unknown.join(", ")}: there is no such option; allowed is ${
        [...flags, "--help"].join(", ")
      }`,
    ], command?.failure);
  }
  if (name === undefined) fail(USAGE);
  if (command === undefined) {
    fail([
      `Cannot run ${name}: there is no such command; allowed are ${
        COMMANDS.map((each) => each.name).join(", ")
      }`,
    ]);
  }
  const mistakes = commandMistakes(command, rest, given as Given);
  if (mistakes.length > 0) fail(mistakes, command.failure);
  await command.run(rest, given as Given);
}

try {
  await main();
  process.exit(process.exitCode ?? 0);
} catch (cause) {
  if (cause instanceof SettingsError) fail(cause.mistakes);
  throw cause;
}
