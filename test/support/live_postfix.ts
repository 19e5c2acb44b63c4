// Private Postfix instances: their own configuration, queue and data directories under a temporary one,
// free ports on loopback, started with `postfix -c DIR start` and stopped with `postfix -c DIR stop`.
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { greets } from "./blackbox_proxy.ts";
import { eventually } from "./blackbox_wait.ts";
import { findProgram, run } from "./live_children.ts";

/** Why Postfix cannot run here; undefined where it can. */
export function postfixMissing(): string | undefined {
  if (findProgram("postfix") === undefined) return "Debian package postfix is not installed";
  return process.getuid?.() === 0 ? undefined : "Postfix needs root to start";
}

export const NOBODY = 65_534;

export interface PostfixOptions {
  /** An empty directory of its own, which every user may enter. */
  readonly folder: string;
  /** Lines of main.cf. */
  readonly main: readonly string[];
  /** Lines of master.cf that listen. */
  readonly listeners: readonly string[];
  /** Further lines of master.cf. */
  readonly services?: readonly string[];
  /** One of the ports that it greets on. */
  readonly port: number;
}

const SERVICES = [
  "cleanup unix n - n - 0 cleanup",
  "qmgr unix n - n 300 1 qmgr",
  "rewrite unix - - n - - trivial-rewrite",
  "bounce unix - - n - 0 bounce",
  "defer unix - - n - 0 bounce",
  "trace unix - - n - 0 bounce",
  "flush unix n - n 1000? 0 flush",
  "proxymap unix - - n - - proxymap",
  "anvil unix - - n - 1 anvil",
  "scache unix - - n - 1 scache",
  "tlsmgr unix - - n 1000? 1 tlsmgr",
  "smtp unix - - n - - smtp",
  "virtual unix - n n - - virtual",
  "error unix - - n - - error",
  "retry unix - - n - - error",
  "discard unix - - n - - discard",
  "postlog unix-dgram n - n - 1 postlogd",
];

const running = new Set<Postfix>();
// A run that breaks off must not leave a mail system behind.
process.on("exit", () => running.forEach((postfix) => postfix.end()));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

/** One running instance. */
export class Postfix {
  readonly folder: string;
  readonly #port: number;

  private constructor({ folder, port }: PostfixOptions) {
    this.folder = folder;
    this.#port = port;
  }

  static async start(options: PostfixOptions): Promise<Postfix> {
    const { folder } = options;
    for (const name of ["etc", "queue", "data", "mail"]) mkdirSync(join(folder, name), { recursive: true });
    chmodSync(folder, 0o755);
    const owner = Number((await run(["id", "-u", "postfix"])).stdout);
    chownSync(join(folder, "data"), owner, -1);
    chownSync(join(folder, "mail"), NOBODY, NOBODY);
    writeFileSync(join(folder, "etc/main.cf"), [...common(folder), ...options.main, ""].join("\n"));
    const master = [...options.listeners, ...SERVICES, ...options.services ?? [], ""];
    writeFileSync(join(folder, "etc/master.cf"), master.join("\n"));
    const postfix = new Postfix(options);
    await postfix.again();
    return postfix;
  }

  /** Starts it with the queue that it has: after `stop`, or after `signal("SIGKILL")`. */
  async again(): Promise<void> {
    running.add(this);
    // What looks after the queue of a killed one has something to say, and is no longer root when it says it.
    writeFileSync(join(this.folder, "mail.log"), "", { flag: "a" });
    chmodSync(join(this.folder, "mail.log"), 0o666);
    const started = await run([findProgram("postfix")!, "-c", join(this.folder, "etc"), "start"]);
    if (started.status === 0 && await eventually(() => greets(this.#port), 15_000)) return;
    await this.stop();
    throw new Error(`Cannot start Postfix: ${started.stdout}${started.stderr}${this.log}`);
  }

  /** To its master and, at the same moment, to all that it has started: they are a process group. */
  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    process.kill(-this.#master(), name);
  }

  /** To those of its processes that bear this name, as `smtpd`. */
  signalOnly(name: string, signal: "SIGSTOP" | "SIGCONT"): void {
    const master = this.#master();
    for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
      if (belongs(pid, name, master)) process.kill(Number(pid), signal);
    }
  }

  /** None of its processes is left. */
  get dead(): boolean {
    try {
      process.kill(-this.#master(), 0);
      return false;
    } catch {
      return true;
    }
  }

  #master(): number {
    return Number(readFileSync(join(this.folder, "queue/pid/master.pid"), "latin1"));
  }

  get log(): string {
    try {
      return readFileSync(join(this.folder, "mail.log"), "latin1");
    } catch {
      return "";
    }
  }

  /** The delivery reports that the log holds of one message of the queue: `to=<…>` with status and reason. */
  deliveries(queueId: string): readonly Delivered[] {
    const report = new RegExp(` ${queueId}: to=<([^>]*)>,.* status=(\\w+) \\((.*)\\)$`, "gm");
    return [...this.log.matchAll(report)].map(([, to, status, why]) => ({
      to: to!,
      status: status!,
      why: why!,
    }));
  }

  async stop(): Promise<void> {
    await run([findProgram("postfix")!, "-c", join(this.folder, "etc"), "stop"]);
    running.delete(this);
  }

  /** The same at once: its master ends all the others. */
  end(): void {
    try {
      process.kill(this.#master(), "SIGTERM");
    } catch {
      // It never got as far as that, or is gone.
    }
  }
}

/** Whether a process has this name and is of this group (proc(5): `PID (NAME) STATE PPID PGRP`). */
function belongs(pid: string, name: string, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.includes(`(${name})`) && Number(stat.slice(stat.lastIndexOf(")")).split(" ")[3]) === group;
  } catch {
    // It has ended since it was listed.
    return false;
  }
}

/** What became of one recipient. */
export interface Delivered {
  readonly to: string;
  readonly status: string;
  readonly why: string;
}

function common(folder: string): string[] {
  return [
    "compatibility_level = 3.6",
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    `maillog_file = ${folder}/mail.log`,
    `maillog_file_prefixes = ${folder}`,
    "inet_interfaces = 127.0.0.1",
    "inet_protocols = ipv4",
    "mydestination =",
    "alias_maps =",
    "alias_database =",
    "smtpd_peername_lookup = no",
    // A sender's speed is nobody's matter here, and each test is a client of its own.
    "in_flow_delay = 0",
    "smtpd_client_connection_count_limit = 0",
    // Messages are to be stored as they come.
    "local_header_rewrite_clients =",
  ];
}
