// bun only: runs bun test and bun check
/** Every block of code in docs/plugins.md compiles, its tests pass, and what it says of failures is what is said. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { DENO } from "../../scripts/runtimes.ts";
import { ROOT, scratch } from "../support/scratch.ts";

interface Block {
  readonly language: string;
  /** The file that it is, where the page says so. */
  readonly name: string;
  readonly text: string;
}

const PAGE = readFileSync(join(ROOT, "docs/plugins.md"), "utf8");
const BLOCKS: readonly Block[] = [...PAGE.matchAll(/^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm)]
  .map(([, language, name, text]) => ({ language: language!, name: name!, text: text! }));
const FILES = BLOCKS.filter(({ language }) => language === "ts");

const folder = scratch({
  ...Object.fromEntries(FILES.map(({ name, text }) => [name, text])),
  "tsconfig.json": JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"], exclude: [] }),
});

function run(...words: string[]): { code: number | null; output: string } {
  const env = { ...process.env, NO_COLOR: "1", SALLYPORT_BACKEND: "127.0.0.1:10025" };
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    cwd: folder,
    encoding: "utf8",
    env,
  });
  return { code: status, output: stdout + stderr };
}

test("every block of TypeScript is a file of its own", () => {
  expect(FILES.length).toBeGreaterThan(10);
  expect(FILES.filter(({ name }) => !/^[a-z_]+(\.test|\.fails)?\.ts$/.test(name))).toEqual([]);
  expect(new Set(FILES.map(({ name }) => name)).size).toBe(FILES.length);
});

test("every block compiles", () => {
  expect(run("check", "--no-script", "-p", ".")).toEqual({
    code: 0,
    output: expect.stringContaining("No type errors") as unknown as string,
  });
});

test("every block is formatted as the project is", () => {
  const config = ["--config", join(ROOT, "deno.json")];
  const { stdout, stderr } = spawnSync(DENO, [
    "fmt",
    "--check",
    ...config,
    ...FILES.map(({ name }) => join(folder, name)),
  ], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect(stdout + stderr).toContain("Checked");
});

describe("every test passes:", () => {
  let output = "";
  beforeAll(() => void ({ output } = run("test")));

  for (const { name, text } of FILES.filter((block) => block.name.endsWith(".test.ts"))) {
    test(name, () => {
      const tests = [...text.matchAll(/\btest\(/g)].length;
      expect(tests).toBeGreaterThan(0);
      const [own = ""] = output.split(/^(?=\S+\.test\.ts:$)/m).filter((part) => part.startsWith(`${name}:`));
      expect(own.match(/^\(pass\)/gm)?.length ?? 0).toBeGreaterThanOrEqual(tests);
      expect(own).not.toContain("(fail)");
    });
  }
});

test("the policy is a good one, and explain says who refuses", () => {
  const main = join(ROOT, "src/main.ts");
  const { output } = run(main, "check", "policy.ts");
  expect(output).toContain("policy.ts: no mistakes found");
  expect(output).toContain("closed-mailboxes (on error: pass)");
  const given = PAGE.match(/^bunx sallyport explain (policy\.ts .*)$/m)![1]!.split(" ");
  expect(run(main, "explain", ...given, "--offline").output).toContain("550 5.7.1 This mailbox is closed");
});

describe("what fails says so:", () => {
  for (const [i, { name }] of BLOCKS.entries()) {
    if (!name.endsWith(".fails.ts")) continue;
    test(name, async () => {
      const withoutReference = (text: string) => text.trim().replace(/\[ref \w{10}\]/, "[ref]");
      const told = await import(pathToFileURL(join(folder, name)).href).then(
        () => "it does not fail",
        (error: Error) => error.message,
      );
      expect(withoutReference(told)).toBe(withoutReference(BLOCKS[i + 1]!.text));
    });
  }
});

test("every page that it links to is there", () => {
  const links = [...PAGE.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) => path!);
  expect(links.length).toBeGreaterThan(10);
  expect(links.filter((path) => !existsSync(join(ROOT, "docs", path)))).toEqual([]);
});
