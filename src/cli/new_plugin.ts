/**
 * `sallyport new-plugin NAME`: a plugin that works, with its test, to start from.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { SettingsError } from "../policy/policy.ts";
import type { Command, Given } from "./command.ts";
import {
  packageFile,
  pluginFile,
  type PluginNames,
  policyFile,
  readmeFile,
  TAKEN,
  testFile,
  tsconfigFile,
  type Versions,
} from "./templates/plugin.ts";

/** Where Sallyport itself lies. */
const HOME = fileURLToPath(new URL("../../", import.meta.url));
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const LONGEST = 50;
/** What no variable can be called (ECMA-262 §12.7.2). */
const RESERVED =
  `arguments await break case catch class const continue debugger default delete do else enum eval
  export extends false finally for function if implements import in instanceof interface let new null package private protected
  public return static super switch this throw true try typeof undefined var void while with yield`.split(
    /\s+/,
  );

/** What was made: where, and what to do next. */
export interface Made {
  readonly files: readonly string[];
  readonly next: readonly string[];
}

/**
 * Makes a plugin in a folder of its own, or in a file.
 * @param where the folder that it is made in
 * @param single two files there, the plugin and its test, instead of a package
 * @throws SettingsError where the name is none, or something of that name is there
 */
export function newPlugin(name: string, where: string, single: boolean): Made {
  const names = namesOf(name);
  const files = single ? fileByFile(names) : packageOf(names, join(where, name));
  mustBeFree(name, where, single ? Object.keys(files) : [name]);
  try {
    if (!single) mkdirSync(join(where, name));
    for (const [file, content] of Object.entries(files)) {
      writeFileSync(join(where, single ? "" : name, file), content, { flag: "wx" });
    }
  } catch (cause) {
    throw new SettingsError([`Cannot make the plugin ${name}: ${(cause as Error).message}`]);
  }
  const test = Object.keys(files).find((file) => file.endsWith(".test.ts"))!;
  return {
    files: Object.keys(files).map((file) => single ? file : `${name}/${file}`),
    next: single ? [`bun test ./${test}`] : [`cd ${name}`, "bun install", "bun test"],
  };
}

function namesOf(name: string): PluginNames {
  const wrong = (allowed: string) =>
    new SettingsError([
      `Cannot make the plugin: name ${JSON.stringify(name)} was given; allowed ${allowed}`,
    ]);
  if (!NAME.test(name)) throw wrong('are lower case words with hyphens, as in "no-numbers"');
  if (name.length > LONGEST) throw wrong(`are up to ${LONGEST} characters`);
  const factory = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  if (RESERVED.includes(factory) || TAKEN.includes(factory)) {
    throw wrong("is a name that means nothing else in its files");
  }
  return { name, factory, options: `${factory[0]!.toUpperCase()}${factory.slice(1)}Options` };
}

function mustBeFree(name: string, where: string, files: readonly string[]): void {
  const there = files.filter((file) => existsSync(join(where, file)));
  if (there.length === 0) return;
  throw new SettingsError([`Cannot make the plugin ${name}: ${there.join(" and ")} is there already`]);
}

type Files = Readonly<Record<string, string>>;

function fileByFile(names: PluginNames): Files {
  const file = names.name.replaceAll("-", "_");
  return { [`${file}.ts`]: pluginFile(names), [`${file}.test.ts`]: testFile(names, `${file}.ts`) };
}

function packageOf(names: PluginNames, folder: string): Files {
  return {
    "mod.ts": pluginFile(names),
    "mod.test.ts": testFile(names, "mod.ts"),
    "policy.ts": policyFile(names),
    "package.json": packageFile(names, versions(folder)),
    "tsconfig.json": tsconfigFile(),
    "README.md": readmeFile(names),
  };
}

/** A Sallyport that was not installed from a registry is found where it lies. */
function versions(folder: string): Versions {
  const { version, devDependencies } = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8"));
  const installed = HOME.split(/[\\/]/).includes("node_modules");
  return {
    sallyport: version,
    source: installed ? `^${version}` : `file:${relative(resolve(folder), HOME)}`,
    bun: devDependencies.bun,
  };
}

export const newPluginCommand: Command = {
  name: "new-plugin",
  words: "NAME",
  count: [1, 1],
  flags: { file: { kind: "switch" } },
  about: "make a plugin with its test in a folder NAME, or with --file in two files",
  run([name]: readonly string[], { file }: Given): Promise<void> {
    const { files, next } = newPlugin(name!, ".", file === true);
    const lines = ["made:", ...files.map((each) => `  ${each}`), "next:", ...next.map((each) => `  ${each}`)];
    process.stdout.write(lines.join("\n") + "\n");
    return Promise.resolve();
  },
};
