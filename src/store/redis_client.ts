/**
 * The only importer of ioredis: connections that come back by themselves, commands and scripts that end in time.
 *
 * An operation that was under way when its connection broke may have been done or not. It fails and is not sent
 * again: it must not count twice.
 */
import { AbstractConnector, Cluster, Command, Redis, type RedisOptions, SentinelConnector } from "ioredis";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { StoreError } from "../policy/effects.ts";
import { type Call, Gathering } from "./gathering.ts";
import type { RedisTarget } from "./redis_url.ts";
import { inResp } from "./resp.ts";
import { type Read, ScriptCall } from "./script_call.ts";
import { type ScriptName, SCRIPTS, TOGETHER } from "./scripts.ts";

export type OnState = (state: "ready" | "lost", detail: string) => void;

const LOST = "the connection to Redis was lost";

/** Commands and scripts over one Redis, whatever it consists of. */
export class RedisClient {
  readonly #client: Redis | Cluster;
  readonly #timeout: number;
  readonly #onState: OnState;
  #state: "ready" | "lost" | "closed" | undefined;
  readonly #gathering = new Gathering((calls) => this.#sendAll(calls));
  /** It is connected, and in its database. */
  #usable = false;
  /** Why it is away. */
  #detail = "it was not reached yet";

  /** @throws Error where a file for TLS cannot be read */
  constructor(target: RedisTarget, onState: OnState) {
    this.#timeout = target.timeout;
    this.#onState = onState;
    this.#client = dial(target, (detail) => this.#detail = detail);
    this.#client.on("ready", () => target.db > 0 ? void this.#select(target.db) : this.#ready());
    this.#client.on("close", () => {
      this.#usable = false;
      this.#turn("lost", this.#detail);
    });
    // An "error" that nobody listens to would end the process; the other is of a cluster's nodes.
    for (const name of ["error", "node error"]) {
      this.#client.on(name, (error: Error) => this.#detail = this.#reason(error));
    }
  }

  #ready(): void {
    this.#usable = true;
    this.#turn("ready", LOST);
  }

  /** ioredis goes on in database 0 where Redis does not have the one that was asked for: another site's, perhaps. */
  async #select(db: number): Promise<void> {
    try {
      await this.#answer(new StoreCommand("SELECT", [String(db)]), performance.now() + this.#timeout);
      this.#ready();
    } catch (error) {
      const detail = `database ${db}: ${this.#reason(error)}`;
      this.#turn("lost", detail);
      this.#client.disconnect(true);
      this.#detail = detail;
    }
  }

  /** @throws StoreError (as a rejection) */
  command(deed: string, name: string, args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#gathering.company();
      this.#send(new StoreCommand(name, args), resolve, (reason) => reject(new StoreError(deed, reason)));
    });
  }

  /**
   * A script: goes together with the others of its turn of the event loop.
   * @throws StoreError (as a rejection)
   */
  script<T>(
    deed: string,
    name: ScriptName,
    keys: readonly string[],
    args: readonly string[],
    read: Read<T>,
  ): Promise<T> {
    const away = this.#away();
    if (away !== undefined) return Promise.reject(new StoreError(deed, away));
    return new Promise((resolve, reject) =>
      this.#gathering.add(new ScriptCall(deed, name, keys, args, read, resolve, reject))
    );
  }

  /**
   * A script whose answer nobody is waiting for: it goes together with the next one, or after a moment.
   * @throws StoreError (as a rejection)
   */
  later(deed: string, name: ScriptName, keys: readonly string[], args: readonly string[]): Promise<void> {
    const away = this.#away();
    if (away !== undefined) return Promise.reject(new StoreError(deed, away));
    return new Promise((resolve, reject) =>
      this.#gathering.addLate(new ScriptCall(deed, name, keys, args, nothing, resolve, reject))
    );
  }

  /** One by one on a cluster, since their keys are in different places. */
  #sendAll(calls: readonly Call[]): void {
    const apart = this.#client instanceof Cluster;
    if (calls.length > 1 && !apart) return this.#sendTogether(calls);
    for (const call of calls) {
      this.#send(
        new ScriptCommand(scripts[call.name], call.keys, call.args, apart),
        (answer) => call.answered(answer),
        (reason) => call.refused(reason),
      );
    }
  }

  #sendTogether(calls: readonly Call[]): void {
    const keys: string[] = [];
    const args: string[] = [];
    for (const call of calls) {
      keys.push(...call.keys);
      args.push(call.name, String(call.keys.length), String(call.args.length), ...call.args);
    }
    this.#send(new ScriptCommand(together, keys, args, false), (answer) => {
      const answers: readonly unknown[] = Array.isArray(answer) ? answer : [];
      for (const [i, call] of calls.entries()) {
        if (answers[2 * i] === 1) call.answered(answers[2 * i + 1]);
        else call.refused(String(answers[2 * i + 1] ?? "it gave no answer"));
      }
    }, (reason) => {
      for (const call of calls) call.refused(reason);
    });
  }

  close(): void {
    this.#gathering.flush();
    this.#state = "closed";
    this.#client.disconnect();
  }

  /** Why nothing can be sent now. */
  #away(): string | undefined {
    if (this.#state === "closed") return "it is closed";
    // ioredis would queue some operations of a cluster that is away without limit.
    return this.#usable && this.#client.status === "ready" ? undefined : `Redis is away (${this.#detail})`;
  }

  #send(
    command: StoreCommand,
    answered: (answer: unknown) => void,
    refused: (reason: string) => void,
  ): void {
    const away = this.#away();
    if (away !== undefined) return refused(away);
    this.#answer(command, performance.now() + this.#timeout).then(
      answered,
      // Not the error itself: it carries the command's arguments, which are wire text or, at a handshake, a password.
      (error) => refused(this.#reason(error)),
    );
  }

  async #answer(command: StoreCommand, end: number): Promise<unknown> {
    command.setTimeout(end - performance.now());
    this.#client.sendCommand(command);
    try {
      return await command.promise;
    } catch (error) {
      const again = error instanceof Error && error.message.startsWith("NOSCRIPT")
        ? command.whole()
        : undefined;
      if (again === undefined) throw error;
      return await this.#answer(again, end);
    }
  }

  /** `detail` will be why it is away, unless an error says more. */
  #turn(state: "ready" | "lost", detail: string): void {
    this.#detail = detail;
    if (this.#state === state || this.#state === "closed") return;
    this.#state = state;
    this.#onState(state, state === "ready" ? "" : detail);
  }

  #reason(error: unknown): string {
    const last = (error as { lastNodeError?: unknown }).lastNodeError;
    const text = last instanceof Error
      ? last.message
      : error instanceof Error
      ? error.message
      : String(error);
    if (text === "Command timed out") return `Redis did not answer within ${this.#timeout} ms`;
    if (/^Connection is closed|^Reached the max retries|^Stream isn't writeable/.test(text)) {
      return LOST;
    }
    return text;
  }
}

function nothing(): void {}

/** A command whose answer is text. */
class StoreCommand extends Command {
  readonly #gathered: boolean;

  /** @param gathered it is sent together with the others of its turn of the event loop */
  constructor(name: string, args: readonly string[], gathered = true) {
    super(name, args as string[], { replyEncoding: "utf8" });
    this.#gathered = gathered;
    // ioredis describes each command to a diagnostics channel; Bun's always seems to have a listener.
    this.isTraced = true;
  }

  override toWritable(socket: object): string {
    if (this.#gathered) gather(socket as Socket);
    return inResp(this.name, this.args as string[]);
  }

  /** The same once more, where it was sent by its hash only. */
  whole(): StoreCommand | undefined {
    return undefined;
  }
}

const gathering = new WeakSet<Socket>();

/** One write to the system for all commands of a turn: it costs as much as all that is done for a command besides. */
function gather(socket: Socket): void {
  if (gathering.has(socket)) return;
  gathering.add(socket);
  socket.cork();
  setImmediate(() => {
    gathering.delete(socket);
    socket.uncork();
  });
}

interface Script {
  readonly lua: string;
  readonly sha: string;
  /** The connections over which it has gone whole. */
  readonly known: WeakSet<object>;
}

function scriptOf(lua: string): Script {
  return { lua, sha: createHash("sha1").update(lua).digest("hex"), known: new WeakSet() };
}

const scripts = Object.fromEntries(
  Object.entries(SCRIPTS).map(([name, lua]) => [name, scriptOf(lua)]),
) as Readonly<Record<ScriptName, Script>>;

/** Several of them at one go. */
const together = scriptOf(TOGETHER);

/** A script: whole the first time over a connection, by its hash from then on. A cluster may send it on to another. */
class ScriptCommand extends StoreCommand {
  readonly #script: Script;
  readonly #keys: readonly string[];
  readonly #args: readonly string[];
  #socket: object | undefined;

  constructor(script: Script, keys: readonly string[], args: readonly string[], gathered: boolean) {
    super("evalsha", [script.sha, String(keys.length), ...keys, ...args], gathered);
    this.#script = script;
    this.#keys = keys;
    this.#args = args;
  }

  override toWritable(socket: object): string {
    const { known, lua, sha } = this.#script;
    this.#socket = socket;
    [this.name, this.args[0]] = known.has(socket) ? ["evalsha", sha] : ["eval", lua];
    known.add(socket);
    return super.toWritable(socket);
  }

  override whole(): StoreCommand | undefined {
    if (this.name === "eval") return undefined;
    if (this.#socket !== undefined) this.#script.known.delete(this.#socket);
    return new ScriptCommand(this.#script, this.#keys, this.#args, true);
  }
}

type Tell = (detail: string) => void;

function dial(target: RedisTarget, tell: Tell): Redis | Cluster {
  const { kind, hosts, login, master, sentinelLogin, timeout } = target;
  const options = {
    username: login.user,
    password: login.password,
    tls: tlsOptions(target),
    db: target.db,
    connectionName: "sallyport",
    // Of the handshake; the operations have the same one of their own.
    commandTimeout: timeout,
    // A server that stays silent is left, so that no more operations wait for it.
    socketTimeout: timeout,
    connectTimeout: 2 * timeout,
    disconnectTimeout: 200,
    maxLoadingRetryTime: 1000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  } satisfies RedisOptions;
  if (kind === "cluster") return dialCluster(target, options);
  const single = {
    ...options,
    enableOfflineQueue: false,
    retryStrategy: pause,
    // The server has become a replica.
    reconnectOnError: ({ message }) => message.includes("READONLY"),
  } satisfies RedisOptions;
  if (kind === "single") {
    const isMaster = ({ role = "master" }: Info) => {
      if (role !== "master") tell("it is a replica");
      return role === "master";
    };
    return new Redis({ ...single, ...hosts[0], Connector: connector(isMaster) });
  }
  return new Redis({
    ...single,
    Connector: FromSentinels as unknown as Connector,
    sentinels: [...hosts],
    name: master,
    sentinelUsername: sentinelLogin.user,
    sentinelPassword: sentinelLogin.password,
    sentinelTLS: options.tls,
    enableTLSForSentinelMode: options.tls !== undefined,
    sentinelCommandTimeout: timeout,
    sentinelRetryStrategy: pause,
  });
}

function dialCluster(
  { hosts, timeout }: RedisTarget,
  redisOptions: Omit<RedisOptions, "replyMapping">,
): Cluster {
  const cluster = new Cluster([...hosts], {
    redisOptions: { ...redisOptions, Connector: connector(() => true) },
    clusterRetryStrategy: pause,
    slotsRefreshTimeout: timeout,
    // 0: what was under way on a lost connection is not sent again.
    retryDelayOnFailover: 0,
    // A node is dialled by the name that its certificate has.
    dnsLookup: (address, done) => done(null, address),
  });
  cluster.on("+node", (node: Redis) => {
    const asking = node.asking.bind(node);
    // ioredis does not wait for its answer: lost, it would be a rejection that nobody handles.
    node.asking = (() => asking().catch(() => "OK")) as typeof node.asking;
  });
  return cluster;
}

/** Milliseconds until a lost connection is tried again: 50 to 100 at first, 1.5 to 3 s at last, by chance. */
function pause(times: number): number {
  return Math.min(3000, 50 * 2 ** Math.min(times, 10)) * (0.5 + Math.random() / 2);
}

/** @throws Error where a file cannot be read */
function tlsOptions({ tls }: RedisTarget): ConnectionOptions | undefined {
  if (tls === undefined) return undefined;
  const files = Object.entries(tls).map(([name, path]) => [name, readFileSync(path, "utf8")]);
  return Object.fromEntries(files) as ConnectionOptions;
}

type Connector = NonNullable<RedisOptions["Connector"]>;

/** Connects to one server; `right` says of its INFO whether it is the one that is meant. */
function connector(right: (info: Info) => boolean): Connector {
  return class extends AbstractConnector {
    readonly #options: RedisOptions;

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 0);
      this.#options = options as RedisOptions;
    }

    override check(info: Info): boolean {
      return right(info);
    }

    connect(): Promise<Socket> {
      const { host = "", port = 0, tls } = this.#options;
      this.connecting = true;
      this.stream = tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tls });
      return Promise.resolve(heard(this.stream, (error) => this.firstError ??= error));
    }
  };
}

interface Info {
  readonly role?: string;
}

/** Asks the sentinels, as ioredis does, for where the master is. */
class FromSentinels extends SentinelConnector {
  override async connect(emit: (type: string, error: Error) => void): Promise<Socket> {
    return heard(await super.connect(emit), () => {});
  }
}

/** ioredis listens for the first error of a connection only; Deno may have another, which would end the process. */
function heard<T extends Socket>(socket: T, hear: (error: Error) => void): T {
  return socket.on("error", hear);
}
