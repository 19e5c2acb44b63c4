#!/usr/bin/env bun
/**
 * The program: picks a command.
 */
import { parseArgs } from "@std/cli";
import process from "node:process";
import { type Command, commandMistakes, type Given, usageOf } from "./cli/command.ts";
import { SettingsError } from "./policy/policy.ts";

/** Only the one that is run is loaded: what the others need would stay in memory as long as the proxy runs. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["serve", async () => (await import("./cli/serve.ts")).serveCommand],
  ["check", async () => (await import("./cli/check.ts")).checkCommand],
  ["explain", async () => (await import("./cli/explain.ts")).explainCommand],
  ["doctor", async () => (await import("./cli/doctor.ts")).doctorCommand],
  ["new-plugin", async () => (await import("./cli/new_plugin.ts")).newPluginCommand],
]);

async function usage(): Promise<string[]> {
  const commands = await Promise.all([...COMMANDS.values()].map((load) => load()));
  return ["Usage:", ...commands.flatMap((command) => [`  ${usageOf(command)}`, `      ${command.about}`])];
}

function fail(lines: readonly string[], code = 1): never {
  process.stderr.write(lines.map((line) => `sallyport: ${line}\n`).join(""));
  process.exit(code);
}

/** The names of a command's options of one kind. */
function named(command: Command | undefined, kind: string): string[] {
  return Object.entries(command?.flags ?? {}).filter(([, flag]) => flag.kind === kind).map(([name]) => name);
}

async function main(): Promise<void> {
  const known = await COMMANDS.get(process.argv[2] ?? "")?.();
  const unknown: string[] = [];
  const { _: words, help, ...given } = parseArgs(process.argv.slice(2), {
    boolean: ["help", ...named(known, "switch")],
    string: ["_", ...named(known, "text"), ...named(known, "texts")],
    collect: named(known, "texts"),
    alias: { help: "h" },
    unknown: (flag: string) => (flag.startsWith("-") && flag !== "-" ? (unknown.push(flag), false) : true),
  });
  const [name, ...rest] = words.map(String);
  if (help) return void process.stdout.write((await usage()).join("\n") + "\n");
  const command = await COMMANDS.get(name ?? "")?.();
  if (unknown.length > 0) {
    const flags = Object.keys(command?.flags ?? {}).map((flag) => `--${flag}`);
    fail([
      `Cannot take ${unknown.join(", ")}: there is no such option; allowed is ${
        [...flags, "--help"].join(", ")
      }`,
    ], command?.failure);
  }
  if (name === undefined) fail(await usage());
  if (command === undefined) {
    fail([
      `Cannot run ${name}: there is no such command; allowed are ${[...COMMANDS.keys()].join(", ")}`,
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
