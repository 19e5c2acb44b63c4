// bun only: runs the program
/** The policy in README.md is a good one, and what it says of its plugin comes true. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT, scratch } from "../support/scratch.ts";

const [policy = "", played = "", ...more] = [
  ...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm),
].map(([, text]) => text!);
const folder = scratch({ "policy.ts": policy, "played.ts": `${policy}\n${played}` });

function run(...words: string[]): string {
  const env = { ...process.env, NO_COLOR: "1", SALLYPORT_BACKEND: "127.0.0.1:10025" };
  const { stdout, stderr, status } = spawnSync(process.execPath, words, {
    cwd: folder,
    encoding: "utf8",
    env,
  });
  return `${stdout}${stderr}exit code ${status}`;
}

test("the policy", () => {
  expect(policy).toContain("definePolicy");
  const output = run(join(ROOT, "src/main.ts"), "check", "policy.ts");
  expect(output).toContain("policy.ts: no mistakes found");
  expect(output).toContain("no-numbers (on error: pass)");
});

test("what is played", () => {
  expect(played).toContain("transcript(");
  expect(run("played.ts")).toBe("exit code 0");
  expect(more).toEqual([]);
});
