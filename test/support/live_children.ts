// Other people's programs as child processes: found by name, run with a limit, ended by their own pid.
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { eventually } from "./blackbox_wait.ts";

const FOLDERS = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"].filter(Boolean);
const started = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

/** Where a program is; Debian keeps servers out of an ordinary PATH. */
export function findProgram(...names: readonly string[]): string | undefined {
  for (const name of names) {
    for (const folder of FOLDERS) if (executable(`${folder}/${name}`)) return `${folder}/${name}`;
  }
  return undefined;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What a program printed and how it ended; `status` is null when a signal (or the limit) ended it. */
export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: Uint8Array | string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly limit?: number;
}

/** Runs a program to its end. Output is read as latin-1: one character a byte. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [program = "", ...words] = command;
  return new Promise((resolve, fail) => {
    const child = spawn(program, words, { env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env } });
    started.add(child);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
    // A program that ends without reading all of its input is no fault of the run.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    const timer = setTimeout(() => child.kill("SIGKILL"), options.limit ?? 20_000);
    const over = () => {
      clearTimeout(timer);
      started.delete(child);
    };
    child.on("error", (error) => (over(), fail(error)));
    child.on("close", (status) => {
      over();
      resolve({
        status,
        stdout: Buffer.concat(out).toString("latin1"),
        stderr: Buffer.concat(err).toString("latin1"),
      });
    });
  });
}

const given = new Set<number>();

/**
 * A free port for a server that is started later. It lies below the range that the kernel takes ports for
 * outgoing connections from (32768 and up), so that none of the many connections of a run gets it first.
 */
export async function serverPort(): Promise<number> {
  for (;;) {
    const port = 18_000 + Math.floor(Math.random() * 14_000);
    if (given.has(port) || !await bindable(port)) continue;
    given.add(port);
    return port;
  }
}

function bindable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** A server that runs until it is stopped. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #exit: Promise<void>;
  stdout = "";
  stderr = "";
  ended = false;

  constructor(command: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) {
    const [program = "", ...words] = command;
    this.#child = spawn(program, words, {
      cwd,
      env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    started.add(this.#child);
    this.#child.stdout?.on("data", (more) => this.stdout += String(more));
    this.#child.stderr?.on("data", (more) => this.stderr += String(more));
    this.#exit = new Promise((resolve) => {
      const over = () => {
        this.ended = true;
        started.delete(this.#child);
        resolve();
      };
      this.#child.on("close", over);
      this.#child.on("error", (error) => (this.stderr += error.message, over()));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it printed last, for failure messages. */
  get log(): string {
    return `${this.stdout.slice(-3000)}\n${this.stderr.slice(-3000)}`;
  }

  /** Waits until the check holds. @throws Error with its output when it does not, or when it ends */
  async up(what: string, check: () => Promise<boolean>): Promise<void> {
    const ok = await eventually(async () => this.ended || await check(), 20_000);
    if (ok && !this.ended) return;
    await this.stop();
    throw new Error(`Cannot start ${what}: it ${ok ? "ended" : "does not answer"}\n${this.log}`);
  }

  /** Ends it, by SIGKILL when it does not end of itself within `limit` milliseconds. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGKILL", limit = 5000): Promise<void> {
    if (!this.ended) this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), limit);
    await this.#exit;
    clearTimeout(timer);
  }
}
