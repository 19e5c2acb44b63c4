// Redis for the live tests: single servers, a cluster of three, a master with a replica and a sentinel.
import { Redis } from "ioredis";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { eventually } from "./blackbox_wait.ts";
import { Daemon, findProgram, serverPort } from "./live_children.ts";

/** Why Redis cannot run here. */
export function redisMissing(): string | undefined {
  return findProgram("redis-server") === undefined
    ? "Debian package redis-server is not installed"
    : undefined;
}

const running = new Set<{ stop(): Promise<unknown> }>();

/** Ends all servers that are left: those of a test that failed, too. */
export async function stopServers(): Promise<void> {
  await Promise.all([...running].map((each) => each.stop()));
  running.clear();
}

/** A server on a free port, in a folder of its own. */
export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #args: readonly string[];
  #daemon: Daemon | undefined;
  #admin: Redis | undefined;

  private constructor(folder: string, port: number, args: readonly string[]) {
    this.folder = folder;
    this.port = port;
    this.#args = args;
  }

  /** A server that is not started yet. */
  static async prepare(under: string, ...args: string[]): Promise<RedisServer> {
    return new RedisServer(mkdtempSync(join(under, "redis-")), await serverPort(), args);
  }

  static async start(under: string, ...args: string[]): Promise<RedisServer> {
    const server = await RedisServer.prepare(under, ...args);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const program = findProgram("redis-server") ?? "redis-server";
    const usual = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const daemon = new Daemon([program, ...usual, ...this.#args], this.folder);
    this.#daemon = daemon;
    running.add(this);
    await daemon.up(
      "redis-server",
      () => Promise.resolve(daemon.stdout.includes("Ready to accept connections")),
    );
  }

  /** A connection for what only the test asks, past what is tested. */
  get admin(): Redis {
    const at = this.#args.indexOf("--requirepass");
    const login = at === -1 ? {} : { password: this.#args[at + 1]! };
    const redis = () => new Redis({ host: "127.0.0.1", port: this.port, retryStrategy: () => 50, ...login });
    return this.#admin ??= redis().on("error", () => {});
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    process.kill(this.#daemon!.pid, signal);
  }

  /** Ends it, as a crash would. */
  async kill(): Promise<void> {
    await this.#daemon?.stop("SIGKILL");
  }

  async stop(): Promise<void> {
    running.delete(this);
    this.#admin?.disconnect();
    await this.kill();
  }
}

/** Three masters that share the slots. */
export async function startCluster(under: string): Promise<RedisServer[]> {
  const nodes: RedisServer[] = [];
  for (let i = 0; i < 3; i++) {
    const bus = await serverPort();
    const node = await RedisServer.prepare(under, "--cluster-enabled", "yes", "--cluster-port", String(bus));
    await node.start();
    await node.admin.cluster("SET-CONFIG-EPOCH", i + 1);
    const [from, to] = [[0, 5460], [5461, 10922], [10923, 16383]][i]!;
    await node.admin.call("CLUSTER", "ADDSLOTSRANGE", from!, to!);
    if (i > 0) await nodes[0]!.admin.call("CLUSTER", "MEET", "127.0.0.1", node.port, bus);
    nodes.push(node);
  }
  const ready = async (node: RedisServer) => {
    const info = String(await node.admin.cluster("INFO"));
    return info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:3");
  };
  const all = await eventually(async () => (await Promise.all(nodes.map(ready))).every(Boolean), 20_000);
  if (!all) throw new Error("Cannot start a cluster: its nodes do not find each other");
  return nodes;
}

/** Moves a slot with all that is in it, as redis-cli's reshard does. */
export async function moveSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  const [fromId, toId] = await Promise.all([from, to].map((node) => node.admin.cluster("MYID")));
  await to.admin.cluster("SETSLOT", slot, "IMPORTING", fromId!);
  await from.admin.cluster("SETSLOT", slot, "MIGRATING", toId!);
  await emptySlot(slot, from, to);
  for (const node of [to, from]) await node.admin.cluster("SETSLOT", slot, "NODE", toId!);
}

/** Moves what is in the slot. */
export async function emptySlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  for (;;) {
    const keys = await from.admin.cluster("GETKEYSINSLOT", slot, 100) as string[];
    if (keys.length === 0) return;
    await from.admin.migrate("127.0.0.1", to.port, "", 0, 5000, "KEYS", ...keys);
  }
}

/** A sentinel that watches over a master called `mail`; it fails over when the master is silent for 300 ms. */
export async function startSentinel(
  under: string,
  master: RedisServer,
): Promise<Daemon & { readonly port: number }> {
  const port = await serverPort();
  const folder = mkdtempSync(join(under, "sentinel-"));
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `sentinel monitor mail 127.0.0.1 ${master.port} 1`,
    "sentinel down-after-milliseconds mail 300",
    "sentinel failover-timeout mail 2000",
  ];
  writeFileSync(join(folder, "sentinel.conf"), lines.join("\n") + "\n");
  const program = findProgram("redis-server") ?? "redis-server";
  const daemon = new Daemon([program, "sentinel.conf", "--sentinel"], folder);
  running.add(daemon);
  await daemon.up("the sentinel", () => Promise.resolve(daemon.stdout.includes("+monitor master mail")));
  return Object.assign(daemon, { port });
}
