// bun only: runs the program
/** The examples are packages as npm takes them, and their policies are good ones. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";

const ROOT = resolve(import.meta.dirname, "../..");
const EXAMPLES = join(ROOT, "examples");
const NAMES = readdirSync(EXAMPLES, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? entry.name : []
);

function manifest(folder: string) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

test("there are three", () => {
  expect(NAMES.sort()).toEqual(["daily_quota", "helo_rule", "http_lookup"]);
});

describe.each(NAMES)("%s", (name) => {
  const folder = join(EXAMPLES, name);

  test("is a package whose peer is this Sallyport", () => {
    const { name: called, exports, peerDependencies, dependencies, type } = manifest(folder);
    expect(called).toBe(`sallyport-${name.replaceAll("_", "-")}`);
    expect([exports, type, dependencies]).toEqual(["./mod.ts", "module", undefined]);
    expect(peerDependencies).toEqual({ sallyport: `^${manifest(ROOT).version}` });
  });

  test("has a policy that check finds no mistake in", () => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [join(ROOT, "src/main.ts"), "check", "policy.ts"],
      {
        cwd: folder,
        encoding: "utf8",
        env: { ...process.env, SALLYPORT_BACKEND: "127.0.0.1:10025" },
      },
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("policy.ts: no mistakes found");
    expect(stdout).toMatch(new RegExp(` ${name.replaceAll("_", "-")} \\((?:.*, )?on error: pass\\)`));
    expect(status).toBe(0);
  });
});
