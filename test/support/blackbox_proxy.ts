// Starts the program as an operator would (`bun src/main.ts serve POLICY`, settings by environment only)
// on free ports, keeps what it prints, measures its memory, and ends only what it started.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DENO } from "../../scripts/runtimes.ts";
import { RawClient } from "./blackbox_client.ts";
import { eventually } from "./blackbox_wait.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** `SALLYPORT_BLACKBOX_DENO=1` drives the same program under Deno; the tests themselves run on Bun. */
const ON_DENO = process.env.SALLYPORT_BLACKBOX_DENO === "1";
const PROGRAM = ON_DENO ? DENO : process.execPath;
const BEFORE = ON_DENO ? ["run", "--allow-all", "--quiet"] : [];
const started = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

/** How to start it; every variable that is not given stays unset. */
export interface Launch {
  readonly env: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** What a process did, once it has ended. */
export interface Exit {
  readonly status: number | null;
  readonly signal: string | null;
}

/** One running instance. */
export class ProxyProcess {
  readonly #child: ChildProcess;
  readonly exit: Promise<Exit>;
  readonly port: number;
  stdout = "";
  stderr = "";
  ended = false;

  constructor(launch: Launch, port: number) {
    this.port = port;
    this.#child = spawn(
      PROGRAM,
      [...BEFORE, "src/main.ts", ...(launch.args ?? ["serve", "policies/pass.ts"])],
      {
        cwd: ROOT,
        env: {
          PATH: process.env.PATH ?? "",
          HOME: process.env.HOME ?? "/",
          SALLYPORT_ADMIN: "off",
          ...launch.env,
        },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    started.add(this.#child);
    const keep = (text: string, more: unknown) => (text + String(more)).slice(-200_000);
    this.#child.stdout?.on("data", (more) => this.stdout = keep(this.stdout, more));
    this.#child.stderr?.on("data", (more) => this.stderr = keep(this.stderr, more));
    this.exit = new Promise((resolve) => {
      this.#child.on("close", (status, signal) => {
        this.ended = true;
        started.delete(this.#child);
        resolve({ status, signal });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it printed last, for failure messages. */
  get log(): string {
    return `${this.stdout.slice(-2000)}\n${this.stderr.slice(-2000)}`;
  }

  /** Resident memory in MiB. */
  resident(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }

  /** A client that has read the banner and said EHLO. */
  client(localAddress?: string): Promise<RawClient> {
    return RawClient.greeted(this.port, localAddress);
  }

  /** A client that has read nothing yet. */
  connect(localAddress?: string): Promise<RawClient> {
    return RawClient.connect(this.port, localAddress);
  }

  signal(name: "SIGTERM" | "SIGHUP" | "SIGKILL"): void {
    this.#child.kill(name);
  }

  async stop(): Promise<void> {
    this.signal("SIGKILL");
    await this.exit;
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Starts `serve policies/pass.ts` before these backends and waits until it greets as `banner` wants; `also` is one more listener. */
export async function startProxy(
  backends: string,
  env: Readonly<Record<string, string>> = {},
  options: { readonly banner?: RegExp; readonly also?: string } = {},
): Promise<ProxyProcess> {
  const port = await freePort();
  const proxy = new ProxyProcess({
    env: {
      SALLYPORT_LISTEN: [`127.0.0.1:${port}`, ...(options.also === undefined ? [] : [options.also])].join(
        ",",
      ),
      SALLYPORT_BACKEND: backends,
      SALLYPORT_HOSTNAME: "mx.example",
      ...env,
    },
  }, port);
  const up = await eventually(async () => proxy.ended || await greets(port, options.banner), 15_000);
  if (up && !proxy.ended) return proxy;
  await proxy.stop();
  throw new Error(`Cannot start the proxy: it ${up ? "ended" : "does not greet"}\n${proxy.log}`);
}

/** Whether something on this port greets so. */
export async function greets(port: number, banner = /^220/): Promise<boolean> {
  try {
    const client = await RawClient.connect(port);
    const heard = await client.hear(3000);
    await client.quit();
    return typeof heard !== "string" && banner.test(heard.code);
  } catch {
    return false;
  }
}
