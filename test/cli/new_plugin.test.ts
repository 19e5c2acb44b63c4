// bun only: runs bun test and bun check
/** `new-plugin` makes plugins that work at once, and touches nothing that is there. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { newPlugin } from "../../src/cli/new_plugin.ts";
import { SettingsError } from "../../src/mod.ts";
import { ROOT, scratch } from "../support/scratch.ts";

function run(
  folder: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", ...env },
  });
  return { code: status, output: stdout + stderr };
}

/** A folder in which Sallyport is installed as a package. */
function installed(): string {
  const folder = scratch();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/sallyport"));
  return folder;
}

function mistakes(name: string, folder: string, single = false): readonly string[] {
  try {
    newPlugin(name, folder, single);
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes;
    throw error;
  }
  return [];
}

describe("a new plugin", () => {
  const folder = installed();
  const made = newPlugin("no-numbers", folder, false);
  const plugin = join(folder, "no-numbers");

  test("is a package, and what to do next is told", () => {
    expect(made.files).toEqual(
      ["mod.ts", "mod.test.ts", "policy.ts", "package.json", "tsconfig.json", "README.md"].map((file) =>
        `no-numbers/${file}`
      ),
    );
    expect(made.next).toEqual(["cd no-numbers", "bun install", "bun test"]);
    const { name, peerDependencies, devDependencies } = JSON.parse(
      readFileSync(join(plugin, "package.json"), "utf8"),
    );
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect([name, peerDependencies]).toEqual(["sallyport-no-numbers", { sallyport: `^${version}` }]);
    expect(devDependencies.sallyport).toBe("file:../../..");
  });

  test("passes its test at once", () => {
    const { code, output } = run(plugin, ["test"]);
    expect(output).toContain(" 2 pass\n 0 fail\n");
    expect(code).toBe(0);
  });

  test("fails its test once it is changed", () => {
    newPlugin("changed", folder, false);
    const path = join(folder, "changed/mod.ts");
    writeFileSync(path, readFileSync(path, "utf8").replace("reject(", "undefined && reject("));
    const { code, output } = run(join(folder, "changed"), ["test"]);
    expect(output).toContain("- 9  S: 550 5.7.1 This mailbox is closed");
    expect(code).toBe(1);
  });

  test("has no type errors", () => {
    expect(run(plugin, ["check", "--no-script"])).toEqual({
      code: 0,
      output: expect.stringContaining("No type errors") as unknown as string,
    });
  });

  test("is in a policy that is a good one", () => {
    const { code, output } = run(plugin, [join(ROOT, "src/main.ts"), "check", "policy.ts"], {
      SALLYPORT_BACKEND: "127.0.0.1:10025",
    });
    expect(output).toContain("policy.ts: no mistakes found");
    expect(output).toContain("no-numbers (on error: pass)");
    expect(code).toBe(0);
  });
});

test("with --file it is two files, and passes its test at once", () => {
  const folder = installed();
  const { code, output } = run(folder, [join(ROOT, "src/main.ts"), "new-plugin", "no-numbers", "--file"]);
  expect(output).toBe(
    "made:\n  no_numbers.ts\n  no_numbers.test.ts\nnext:\n  bun test ./no_numbers.test.ts\n",
  );
  expect(code).toBe(0);
  expect(run(folder, ["test", "./no_numbers.test.ts"]).output).toContain(" 2 pass\n 0 fail\n");
});

describe("nothing is made", () => {
  test.each([
    ["", 'allowed are lower case words with hyphens, as in "no-numbers"'],
    ["NoNumbers", "allowed are lower case words with hyphens"],
    ["no_numbers", "allowed are lower case words with hyphens"],
    ["../elsewhere", "allowed are lower case words with hyphens"],
    ["1st", "allowed are lower case words with hyphens"],
    ["a".repeat(51), "allowed are up to 50 characters"],
    ["class", "allowed is a name that means nothing else in its files"],
    ["reject", "allowed is a name that means nothing else in its files"],
  ])("of the name %p", (name, allowed) => {
    const folder = scratch();
    const [mistake] = mistakes(name, folder);
    expect(mistake).toContain(`Cannot make the plugin: name ${JSON.stringify(name)} was given; ${allowed}`);
    expect(existsSync(join(folder, name || "mod.ts"))).toBe(false);
  });

  test("where a folder of that name is there", () => {
    const folder = scratch({ "no-numbers/mine.ts": "" });
    expect(mistakes("no-numbers", folder)).toEqual([
      "Cannot make the plugin no-numbers: no-numbers is there already",
    ]);
    expect(existsSync(join(folder, "no-numbers/mod.ts"))).toBe(false);
  });

  test("where one of the two files is there", () => {
    const folder = scratch({ "no_numbers.test.ts": "mine" });
    expect(mistakes("no-numbers", folder, true)).toEqual([
      "Cannot make the plugin no-numbers: no_numbers.test.ts is there already",
    ]);
    expect(existsSync(join(folder, "no_numbers.ts"))).toBe(false);
    expect(readFileSync(join(folder, "no_numbers.test.ts"), "utf8")).toBe("mine");
  });

  test("where the folder cannot be made", () => {
    expect(mistakes("no-numbers", join(scratch(), "absent"))[0]).toStartWith(
      "Cannot make the plugin no-numbers: ENOENT",
    );
  });
});
