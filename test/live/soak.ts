/**
 * A long run under a mixed load, with backends that are killed and restarted all the time; not part of the tests.
 *
 *   bun test/live/soak.ts [--seconds 60] [--sessions 200] [--backends 2] [--deno]
 *
 * At its end: every 250 that a client read is one unchanged message in the sink; a message without its 250 is one that
 * the proxy's log calls ambiguous or not acknowledged; none is there twice; the proxy lives and its memory is flat.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DENO } from "../../scripts/runtimes.ts";
import { greets } from "../support/blackbox_proxy.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";
import { serverPort } from "../support/live_children.ts";
import { type Account, settle } from "../support/live_soak_ledger.ts";
import { type Attempt, session } from "../support/live_soak_load.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    sessions: { type: "string", default: "200" },
    backends: { type: "string", default: "2" },
    deno: { type: "boolean", default: false },
  },
});
const [seconds, width, backends] = [values.seconds, values.sessions, values.backends].map(Number) as [
  number,
  number,
  number,
];
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sallyport-soak-"));
const records = join(folder, "records");
const log = join(folder, "log");
const errors = join(folder, "errors");
const children = new Set<ChildProcess>();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** Starts a child whose output goes to files; `ended` is its exit. */
function start(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  out = errors,
): { child: ChildProcess; ended: Promise<string> } {
  const [stdout, stderr] = [openSync(out, "a"), openSync(errors, "a")];
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...env },
    stdio: ["ignore", stdout, stderr],
  });
  closeSync(stdout);
  closeSync(stderr);
  children.add(child);
  const ended = new Promise<string>((resolve) => {
    child.on("exit", (status, signal) => {
      children.delete(child);
      resolve(signal ?? `status ${status}`);
    });
  });
  return { child, ended };
}

/** A sink that is killed and started again every few seconds until `over`. */
async function mortal(port: number, over: () => boolean): Promise<() => void> {
  const command = [process.execPath, path("../support/live_soak_sink.ts"), String(port), records];
  let now = start(command, {});
  await eventually(() => greets(port), 10_000);
  const life = async () => {
    while (!over()) {
      await sleep(1000 + Math.random() * 4000);
      if (over()) break;
      now.child.kill("SIGKILL");
      await now.ended;
      kills++;
      await sleep(Math.random() * 1500);
      now = start(command, {});
    }
  };
  life();
  return () => now.child.kill("SIGKILL");
}

let kills = 0;
let over = false;
const attempts: Attempt[] = [];
const ports = await Promise.all(Array.from({ length: backends }, serverPort));
const sinks = await Promise.all(ports.map((port) => mortal(port, () => over)));
const port = await serverPort();
const runtime = values.deno ? [DENO, "run", "-A"] : [process.execPath];
const proxy = start([...runtime, path("../../src/main.ts"), "serve", path("../../policies/pass.ts")], {
  SALLYPORT_ADMIN: "off",
  SALLYPORT_LISTEN: `127.0.0.1:${port}`,
  SALLYPORT_BACKEND: ports.map((each) => `127.0.0.1:${each}`).join(","),
  SALLYPORT_HOSTNAME: "mx.soak.example",
}, log);
let died: string | undefined;
proxy.ended.then((how) => died = how);
if (!await eventually(() => greets(port), 20_000)) {
  throw new Error(`Cannot start the proxy: ${readFileSync(errors, "utf8")}`);
}

/** Resident memory of the proxy in MiB. */
function resident(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${proxy.child.pid}/status`, "utf8"))?.[1] ?? 0) /
    1024;
}

const began = Date.now();
const end = began + seconds * 1000;
let running = 0;
async function client(): Promise<void> {
  while (Date.now() < end && died === undefined) {
    running++;
    await session(port, (attempt) => attempts.push(attempt)).catch((fault) =>
      console.log(`client: ${fault}`)
    );
    running--;
  }
}
const clients = Promise.all(Array.from({ length: width }, client));

const memory: number[] = [];
const every = Math.max(1000, seconds * 1000 / 30);
console.log("   s   MiB  sessions  attempts  kills");
while (Date.now() < end && died === undefined) {
  await sleep(Math.min(every, end - Date.now()));
  if (died !== undefined) break;
  memory.push(resident());
  const row = [
    Math.round((Date.now() - began) / 1000),
    Math.round(memory.at(-1)!),
    running,
    attempts.length,
    kills,
  ];
  console.log(row.map((value, i) => String(value).padStart([4, 6, 10, 10, 7][i]!)).join(""));
}
over = true;
await sleep(1500);
await Promise.race([clients, sleep(180_000)]);
const stuck = running;
const crashed = died;
proxy.child.kill("SIGTERM");
const exit = await Promise.race([proxy.ended, sleep(60_000).then(() => "no exit within 60 s of SIGTERM")]);
sinks.forEach((kill) => kill());

const account = settle(attempts, readFileSync(records, "utf8"), readFileSync(log, "utf8"));
const faults = [
  ...account.faults,
  ...running > 0 || stuck > 0 ? [`${stuck} clients were still waiting 180 s after the end`] : [],
];
if (crashed !== undefined) faults.push(`the proxy ended by itself: ${crashed}`);
if (exit !== "status 0") faults.push(`the proxy's exit: ${exit}`);
const said = readFileSync(errors, "utf8");
if (said !== "") faults.push(`standard error: ${said.slice(0, 2000)}`);
faults.push(...memoryFaults());
tell(account);

/** Flat: in its last quarter no more than in its second, but for a quarter of that and 16 MiB. */
function memoryFaults(): string[] {
  if (memory.length < 8) return [];
  const median = (part: readonly number[]) => [...part].sort((a, b) => a - b)[part.length >> 1]!;
  const quarter = memory.length >> 2;
  const [early, late] = [median(memory.slice(quarter, 2 * quarter)), median(memory.slice(-quarter))];
  console.log(`memory: ${Math.round(early)} MiB in the second quarter, ${Math.round(late)} MiB in the last`);
  return late <= early * 1.25 + 16
    ? []
    : [`memory grows: from ${Math.round(early)} to ${Math.round(late)} MiB`];
}

function tell({ numbers }: Account): void {
  for (const [name, value] of Object.entries({ ...numbers, kills })) {
    console.log(`${String(value).padStart(8)} ${name}`);
  }
  for (const fault of faults.slice(0, 50)) console.log(`FAULT ${fault}`);
  console.log(faults.length === 0 ? "\nAll accounts agree." : `\n${faults.length} faults; logs in ${folder}`);
  if (faults.length === 0) rmSync(folder, { recursive: true });
  process.exit(faults.length === 0 ? 0 : 1);
}
