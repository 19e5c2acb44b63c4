// bun only: runs scripts/test.ts, which is Bun's
/** A test run that goes wrong in any way must not look like one that went well. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";

const ROOT = resolve(import.meta.dirname, "../..");
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** Runs the runner over test files made for it: its exit code, its last line, and all of it. */
function run(
  files: Record<string, string>,
  ...words: string[]
): { code: number | null; last: string; all: string } {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-runner-"));
  folders.push(folder);
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const shim = join(ROOT, "test/support/bun_test_deno.ts");
  writeFileSync(
    join(folder, "package.json"),
    '{ "type": "module", "dependencies": { "expect": "*", "jest-mock": "*" } }',
  );
  const imports = { "bun:test": shim };
  writeFileSync(
    join(folder, "deno.json"),
    JSON.stringify({ nodeModulesDir: "manual", lock: false, imports }),
  );
  for (const [name, source] of Object.entries(files)) {
    const path = join(folder, "test", name);
    mkdirSync(dirname(path), { recursive: true });
    const header = 'import { afterAll, beforeAll, describe, expect, test } from "bun:test";\n';
    writeFileSync(path, source.startsWith("// bun only") ? `${source}\n${header}` : header + source);
  }
  const script = join(ROOT, "scripts/test.ts");
  const { status, stdout } = spawnSync(process.execPath, [script, ...words], {
    cwd: folder,
    encoding: "utf8",
  });
  return { code: status, last: stdout.trimEnd().split("\n").at(-1)!, all: stdout };
}

const PASSES = 'test("a", () => { expect(1).toBe(1); });';

describe("both runtimes", () => {
  test("what passes twice is counted twice", () => {
    expect(run({ "a.test.ts": PASSES })).toMatchObject({ code: 0, last: "2 passed, 0 failed" });
  });

  test("files for Bun only and those in live are not run on Deno, and their reasons are told", () => {
    const found = run({
      "a.test.ts": PASSES,
      "live/b.test.ts": PASSES,
      "c.test.ts": `// bun only: it compiles\nimport { test as c } from "bun:test"; c("c", () => {});`,
    });
    expect(found).toMatchObject({ code: 0, last: "4 passed, 0 failed" });
    expect(found.all).toContain("Not on Deno, 1 files: it compiles");
    expect(found.all).toContain("Not on Deno, 1 files: real servers");
  });

  test("a skipped test is listed by name and counted", () => {
    const found = run({ "a.test.ts": `${PASSES}\ntest.skip("203 cases skipped: no vectors", () => {});` });
    expect(found).toMatchObject({ code: 0, last: "2 passed, 0 failed, 2 skipped" });
    expect(found.all).toContain("Bun: test/a.test.ts > 203 cases skipped: no vectors");
    expect(found.all).toContain("Deno: test/a.test.ts > 203 cases skipped: no vectors");
  });

  test("a failure is told with its group and its error", () => {
    const found = run({
      "a.test.ts": `${PASSES}\ndescribe("group", () => { test("b", () => { expect(1).toBe(2); }); });`,
    });
    expect(found).toMatchObject({ code: 1, last: "2 passed, 2 failed" });
    expect(found.all).toContain("FAILED on Bun: test/a.test.ts > group > b");
    expect(found.all).toContain("FAILED on Deno: test/a.test.ts > group > b");
    expect(found.all).toContain("Expected: 2");
  });
});

describe.each([["--bun"], ["--deno"]])("%s counts as a failure", (flag) => {
  test.each([
    ["a file that does not load", 'import { x } from "./nowhere.ts"; test("b", () => x());', "nowhere"],
    [
      "an error thrown when its test is over",
      LATE("setTimeout(() => { throw new Error('late'); }, 5)"),
      "late",
    ],
    [
      "a rejection nobody awaits",
      LATE("setTimeout(() => { Promise.reject(new Error('late')); }, 5)"),
      "late",
    ],
    [
      "a run that exits with 0",
      'import process from "node:process"; test("b", () => process.exit(0));',
      "exit",
    ],
    [
      "a run that is killed",
      'import process from "node:process"; test("b", () => { process.kill(process.pid, 9); });',
      "SIGKILL",
    ],
    ["a hook that throws", 'beforeAll(() => { throw new Error("hook"); }); test("b", () => {});', "hook"],
    [
      "a test past its limit",
      'test("b", () => new Promise((done) => setTimeout(done, 2000)), 100);',
      "timed out",
    ],
  ])("%s", (_, source, told) => {
    const found = run({ "a.test.ts": PASSES, "b.test.ts": source }, flag);
    expect(found.code).toBe(1);
    expect(found.last).toMatch(/^\d+ passed, [1-9]\d* failed$/);
    expect(found.all).toContain(told);
  });

  test("a file without tests", () => {
    expect(run({ "a.test.ts": "expect(1).toBe(1);" }, flag)).toMatchObject({
      code: 1,
      last: "0 passed, 1 failed",
    });
  });
});

test("a process that a test leaves behind does not hold the run up", () => {
  const leave =
    'import { spawn } from "node:child_process"; spawn("sleep", ["20"], { stdio: "inherit" }).unref();';
  const began = Date.now();
  expect(run({ "a.test.ts": `${leave}\n${PASSES}` })).toMatchObject({ code: 0, last: "2 passed, 0 failed" });
  expect(Date.now() - began).toBeLessThan(15_000);
});

test("nothing to run is an error", () => {
  expect(run({})).toMatchObject({ code: 1, last: "0 passed, 0 failed" });
});

function LATE(statement: string): string {
  return `test("b", () => { ${statement}; });\ntest("c", () => new Promise((done) => setTimeout(done, 50)));`;
}
