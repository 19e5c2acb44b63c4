/**
 * Runs the tests: all of them on Bun, the portable ones on Deno too. Those with real servers mostly wait, and run beside the
 * others.
 *
 *   bun scripts/test.ts [--bun | --deno] [PART-OF-A-PATH …]
 *
 * Failures are told with their errors, skipped tests by their names (which say why). The last line is
 * `N passed, N failed`, with `, N skipped` where some were. Exit code 1 on a failure, on a run that
 * broke off, and when no test ran.
 */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CANCELLED, type Case, readReport } from "./junit.ts";
import { BUN, DENO } from "./runtimes.ts";
import { type TestFile, testFiles } from "./test_files.ts";

interface Runtime {
  readonly name: string;
  readonly command: readonly string[];
  /** Milliseconds the whole run may take. */
  readonly limit: number;
}

interface Run {
  readonly runtime: Runtime;
  readonly files: number;
  readonly cases: readonly Case[];
  readonly seconds: number;
}

const MINUTE = 60_000;

/** Milliseconds for one test on Bun, whose preload sets them for the first file of a run alone. */
const CASE_LIMIT = 30_000;

function bun(report: string, name = "Bun"): Runtime {
  // --no-orphans: servers that a test started must not outlive a run that broke off.
  const flags = [
    "--no-orphans",
    `--timeout=${CASE_LIMIT}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
  ];
  return { name, command: [BUN, "test", ...flags], limit: 10 * MINUTE };
}

function deno(report: string): Runtime {
  const flags = ["--allow-all", "--no-check", `--junit-path=${report}`];
  return { name: "Deno", command: [DENO, "test", ...flags], limit: 4 * MINUTE };
}

/** Runs the files in one process; what it does not report as it should becomes a failed case. */
async function run(runtime: Runtime, files: readonly TestFile[], report: string): Promise<Run> {
  const began = Date.now();
  const command = [...runtime.command, ...files.map(({ path }) => `./${path}`)];
  const { output, ending } = await execute(command, runtime.limit);
  const reported = existsSync(report) ? readReport(readFileSync(report, "utf8")) : undefined;
  const cases = [...reported ?? [], ...strays(output)];
  const fault = reported ? unexplained(cases, ending) : `ended without a report: ${ending}`;
  if (fault !== undefined) cases.push(failure(`the run ${fault}`, lastLines(output)));
  return { runtime, files: files.length, cases, seconds: (Date.now() - began) / 1000 };
}

/** A run that ended badly and names no reason, or that did nothing. */
function unexplained(cases: readonly Case[], ending: string): string | undefined {
  if (cases.length === 0) return "had no test";
  const named = cases.some(({ outcome, detail }) => outcome === "failed" && detail !== CANCELLED);
  return ending === "exit code 0" || named ? undefined : `names no failed test, but ended with ${ending}`;
}

/** Milliseconds for a stopped run to end by itself, and for the last output of an ended one. */
const GRACE = 2000;

function execute(command: readonly string[], limit: number): Promise<{ output: string; ending: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1" };
    const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "pipe"], env });
    const chunks: Uint8Array[] = [];
    let late = "";
    const timer = setTimeout(() => {
      late = `stopped after ${limit / MINUTE} minutes`;
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), GRACE).unref();
    }, limit);
    const end = (ending: string) => {
      clearTimeout(timer);
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      resolve({ output: new TextDecoder().decode(Buffer.concat(chunks)), ending: late || ending });
    };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => chunks.push(bytes));
    child.on("error", (error) => end(error.message));
    child.on("exit", (code, signal) => {
      const ending = signal ?? `exit code ${code}`;
      child.on("close", () => end(ending));
      // A process that a test left behind holds the pipes open, so "close" may never come.
      setTimeout(() => end(ending), GRACE).unref();
    });
  });
}

/** Errors outside of any test, which the reports leave out: a file that does not load, a late throw. */
function strays(output: string): Case[] {
  const bun = output.matchAll(/^# Unhandled error between tests\n-+\n([\s\S]*?)\n-{9,}$/gm);
  const deno = output.matchAll(/^\S+ \(uncaught error\)\n(error: [\s\S]*?)\n\n/gm);
  return [...bun, ...deno].map(([, detail]) => failure("an error outside of any test", detail!));
}

function lastLines(output: string): string {
  return `its last lines:\n${output.trimEnd().split("\n").slice(-20).join("\n")}`;
}

function failure(name: string, detail: string): Case {
  return { file: "", name, outcome: "failed", detail };
}

function count(cases: readonly Case[], outcome: Case["outcome"]): number {
  return cases.filter((each) => each.outcome === outcome).length;
}

function totals(cases: readonly Case[]): string {
  const skipped = count(cases, "skipped");
  const more = skipped === 0 ? "" : `, ${skipped} skipped`;
  return `${count(cases, "passed")} passed, ${count(cases, "failed")} failed${more}`;
}

function tellFailures(runs: readonly Run[]): void {
  for (const { runtime, cases } of runs) {
    const failed = cases.filter(({ outcome }) => outcome === "failed");
    for (const { file, name, detail } of failed) {
      if (detail === CANCELLED) continue;
      console.log(`\nFAILED on ${runtime.name}: ${[file, name].filter(Boolean).join(" > ")}`);
      console.log(detail.trimEnd().replace(/^/gm, "  "));
    }
    const cancelled = Map.groupBy(failed.filter(({ detail }) => detail === CANCELLED), ({ file }) => file);
    for (const [file, { length }] of cancelled) {
      console.log(`\nFAILED on ${runtime.name}: ${length} tests of ${file}, which such an error cancelled`);
    }
  }
}

function tellSkipped(runs: readonly Run[]): void {
  const skipped = runs.flatMap(({ runtime, cases }) =>
    cases.filter(({ outcome }) => outcome === "skipped").map((each) => ({ ...each, runtime }))
  );
  if (skipped.length > 0) console.log(`\n${skipped.length} skipped:`);
  for (const { runtime, file, name } of skipped) console.log(`  ${runtime.name}: ${file} > ${name}`);
}

function tellBunOnly(files: readonly TestFile[]): void {
  const reasons = Map.groupBy(files.filter(({ bunOnly }) => bunOnly !== undefined), ({ bunOnly }) => bunOnly);
  for (const [reason, group] of reasons) console.log(`Not on Deno, ${group.length} files: ${reason}`);
}

function isLive({ path }: TestFile): boolean {
  return path.startsWith("test/live/");
}

async function main(): Promise<void> {
  const given = process.argv.slice(2);
  const files = testFiles(given.filter((word) => !word.startsWith("--")));
  const portable = files.filter(({ bunOnly }) => bunOnly === undefined);
  const folder = mkdtempSync(join(tmpdir(), "sallyport-test-"));
  const isWanted = (flag: string) => !given.some((word) => word.startsWith("--")) || given.includes(flag);
  const one = async (name: string, list: readonly TestFile[], make: (report: string) => Runtime) => {
    if (list.length === 0) return [];
    const report = join(folder, `${name}.xml`);
    const done = await run(make(report), list, report);
    console.log(
      `${done.runtime.name}: ${totals(done.cases)} (${done.files} files, ${done.seconds.toFixed(1)} s)`,
    );
    return [done];
  };
  const [live, others] = isWanted("--bun")
    ? [files.filter(isLive), files.filter((file) => !isLive(file))]
    : [[], []];
  const lanes = await Promise.all([
    one("live", live, (report) => bun(report, "Bun, real servers")),
    one("bun", others, (report) => bun(report)).then(async (first) => [
      ...first,
      ...await one("deno", isWanted("--deno") ? portable : [], deno),
    ]),
  ]);
  const runs: Run[] = lanes.flat();
  rmSync(folder, { recursive: true });
  if (!given.includes("--bun")) tellBunOnly(files);
  tellSkipped(runs);
  tellFailures(runs);
  const cases = runs.flatMap((each) => each.cases);
  if (cases.length === 0) console.log("No test ran.");
  console.log(`\n${totals(cases)}`);
  process.exitCode = count(cases, "passed") === 0 || count(cases, "failed") > 0 ? 1 : 0;
}

await main();
