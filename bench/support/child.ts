/**
 * Child processes of the benchmarks: started with as many descriptors as the machine allows, their
 * words kept in a file, and ended by id, with their own children, whatever happens to the run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { isAlive, processTree } from "./proc.ts";

/** A process that goes on running until it is stopped. */
export interface Child {
  readonly pid: number;
  /** Resolves with the exit code, or null where a signal ended it. */
  readonly exited: Promise<number | null>;
  /** True until the process itself has ended. */
  alive(): boolean;
  /** The last lines that it printed. */
  lastWords(): string;
}

/** What a finished command left behind. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Wall time from the start of the process to its end. */
  readonly seconds: number;
}

export interface ChildOptions {
  readonly directory?: string;
  /** Added to the environment of the run. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface RunOptions extends ChildOptions {
  /** After this time the command is ended and counts as failed. */
  readonly seconds: number;
  /** `shown`: its error output goes where the run's own goes; otherwise it is kept. */
  readonly errors?: "shown";
}

/** Every process id that this run must not leave behind. */
const started = new Set<number>();

// A shell sets the limit and then becomes the command, so the process id is the command's own.
const allDescriptors = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@"', "sh"];

/** Starts a command whose output goes to the file `log`. */
export function startChild(
  command: readonly string[],
  log: string,
  options: ChildOptions = {},
): Child {
  const output = openSync(log, "a");
  const child = spawnProcess(command, options, ["ignore", output, output]);
  closeSync(output);
  const pid = child.pid;
  if (pid === undefined) throw new Error(`Cannot start ${command[0]}: no process`);
  started.add(pid);
  let running = true;
  const exited = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("exit", (code) => resolve(code));
  }).then((code) => {
    running = false;
    started.delete(pid);
    return code;
  });
  return { pid, exited, alive: () => running, lastWords: () => lastLines(readFileSync(log, "utf8")) };
}

/** Runs a command to its end. */
export async function runChild(command: readonly string[], options: RunOptions): Promise<Finished> {
  const begin = performance.now();
  const errors = options.errors === "shown" ? "inherit" : "pipe";
  const child = spawnProcess(command, options, ["ignore", "pipe", errors]);
  if (child.pid !== undefined) started.add(child.pid);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (bytes) => stdout += String(bytes));
  child.stderr?.on("data", (bytes) => stderr += String(bytes));
  const timer = setTimeout(() => {
    stderr += `ended after ${options.seconds} s`;
    child.kill("SIGKILL");
  }, options.seconds * 1000);
  let seconds = 0;
  const code = await new Promise<number | null>((resolve) => {
    child.once("exit", () => seconds = (performance.now() - begin) / 1000);
    child.once("error", (error) => {
      stderr += error.message;
      resolve(null);
    });
    child.once("close", (status) => resolve(status));
  });
  clearTimeout(timer);
  if (child.pid !== undefined) started.delete(child.pid);
  return { code, stdout, stderr, seconds };
}

/** Takes on a process that a started command left running (a daemon), so that it is ended too. */
export function adopt(pid: number): void {
  started.add(pid);
}

/** Ends a process and all its descendants: SIGTERM first, SIGKILL to what is left after 3 seconds. */
export async function stopProcess(pid: number): Promise<void> {
  const family = processTree([pid]);
  if (isAlive(pid)) signal(pid, "SIGTERM");
  for (let waited = 0; waited < 3000 && family.some(isAlive); waited += 20) {
    await pause(20);
  }
  for (const member of family) if (isAlive(member)) signal(member, "SIGKILL");
  started.delete(pid);
}

/** Ends at once everything that is still running; for the way out, where nothing can be awaited. */
export function killEverything(): void {
  for (const pid of processTree([...started])) if (isAlive(pid)) signal(pid, "SIGKILL");
  started.clear();
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The last lines of what a process printed, as one short line. */
export function lastLines(text: string): string {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.slice(-3).join(" / ").slice(0, 200);
}

function spawnProcess(
  command: readonly string[],
  options: ChildOptions,
  stdio: ["ignore", number | "pipe", number | "pipe" | "inherit"],
): ChildProcess {
  const [shell, ...rest] = [...allDescriptors, ...command] as [string, ...string[]];
  const env = { ...process.env, ...options.environment };
  return spawn(shell, rest, { env, stdio, ...(options.directory ? { cwd: options.directory } : {}) });
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself between the look and the signal.
  }
}
