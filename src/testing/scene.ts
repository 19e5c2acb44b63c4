/**
 * Clients and their sessions with a pool of backends, on a fake network, with a fake clock: what a transcript plays on,
 * and what a test drives that needs more than a transcript can say.
 */
import { backendTls } from "../backend/backend_tls.ts";
import { Pool } from "../backend/pool.ts";
import { Pools } from "../backend/pools.ts";
import type { Endpoint, TlsFacts } from "../net/wire.ts";
import { Chain } from "../policy/chain.ts";
import type { Asked, Deadlines, Effects } from "../policy/engine.ts";
import { Metrics } from "../policy/metrics.ts";
import { NetworkSet } from "../policy/networks.ts";
import type { Rule } from "../policy/rule.ts";
import { BACKEND_DEFAULTS } from "../policy/backend_address.ts";
import {
  type BackendAddress,
  type BackendTimes,
  DEFAULTS,
  type Health,
  type Reuse,
  type Settings,
} from "../policy/settings.ts";
import { Counters, type Fields, visibleFields } from "../proxy/journal.ts";
import { Offers } from "../proxy/offer.ts";
import type { Session } from "../proxy/session.ts";
import type { Surroundings } from "../proxy/surroundings.ts";
import type { Extensions } from "../smtp/extensions.ts";
import type { Limits } from "../smtp/limits.ts";
import { latin1, type Reply, reply } from "../smtp/reply.ts";
import { FakeBackend } from "./backend.ts";
import { FakeClient } from "./client.ts";
import { type FakeDial, FakeEvents, FakeNetwork, type FakeWire } from "./network.ts";
import { FakeTimers, promisesSettle } from "./timers.ts";

/** How the proxy is set, and what its backends are like. */
export interface SceneOptions {
  readonly plugins?: readonly Rule[] | undefined;
  /** What plugins can do. */
  readonly effects?: Partial<Effects> | undefined;
  /** Told of every question to a plugin. */
  readonly asked?: ((asked: Asked) => void) | undefined;
  /** Whom clients are taken for. */
  readonly user?: string | undefined;
  readonly hostname?: string | undefined;
  /** What is said behind the hostname to greet. */
  readonly greeting?: string | undefined;
  readonly deadlines?: Deadlines | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly times?: Partial<BackendTimes> | undefined;
  readonly reuse?: Partial<Reuse> | undefined;
  /** Backends are looked at, and dialled beside others, only where this says so. */
  readonly health?: Partial<Health> | undefined;
  readonly balance?: Settings["balance"] | undefined;
  readonly bareLineFeeds?: Settings["bareLineFeeds"] | undefined;
  readonly dial?: Settings["dial"] | undefined;
  readonly pipelining?: boolean | undefined;
  readonly relay?: Settings["relay"] | undefined;
  /** STARTTLS is offered. */
  readonly tls?: boolean | undefined;
  /** The listener takes nothing before it. */
  readonly tlsRequired?: boolean | undefined;
  /** Their names, one unless given; each offers what `extensions` says. */
  readonly backends?: readonly (string | Omit<BackendAddress, "endpoint">)[] | undefined;
  /** More pools of them, by name. */
  readonly pools?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly routes?: Settings["routes"] | undefined;
  /** Lines of the backends' EHLO replies. */
  readonly extensions?: readonly string[] | undefined;
  /** Those of single backends, by name. */
  readonly extensionsOf?: Readonly<Record<string, readonly string[]>> | undefined;
  /** No backend has been seen yet, so the first EHLO makes the proxy look. */
  readonly unseen?: boolean | undefined;
  /** Refuses the client at once. */
  readonly refusal?: Reply | undefined;
  /** The listener that clients come to, as the settings name it. */
  readonly listener?: string | undefined;
  /** The address that clients come from. */
  readonly client?: string | undefined;
  /** Networks whose hosts are believed. */
  readonly trusted?: readonly string[] | undefined;
  /** No client comes until `call`. */
  readonly empty?: boolean | undefined;
}

/** What backends offer unless said otherwise. */
export const EXTENSIONS: readonly string[] = [
  "PIPELINING",
  "SIZE 10000000",
  "8BITMIME",
  "SMTPUTF8",
  "ENHANCEDSTATUSCODES",
  "DSN",
  "CHUNKING",
];

/** Every connection is there since a client wanted something. */
const QUIET = { interval: Infinity, timeout: Infinity, pause: Infinity, hedge: Infinity };

/** Milliseconds between two looks at the clock, as in the program … */
const TICK = 500;
/** … and, to get through whole days, once more time has passed than anything in a session lasts. */
const LONG_TICK = 60_000;
const LONG = 1_800_000;
const TLS: TlsFacts = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: undefined };

/** A line of the log. */
export interface Entry {
  readonly level: "info" | "warn";
  readonly event: string;
  readonly fields: Fields;
}

export class Scene {
  readonly events = new FakeEvents();
  readonly timers: FakeTimers;
  readonly network = new FakeNetwork(this.events);
  readonly pools: Pools;
  readonly counters = new Counters();
  readonly metrics = new Metrics();
  readonly log: Entry[] = [];
  /** Every connection to a backend so far. */
  readonly connections: FakeBackend[] = [];
  /** Every client so far. */
  readonly clients: FakeClient[] = [];
  /** How a dial is answered; by default the backend is there. */
  onDial: (dial: FakeDial, name: string) => void = (dial, name) =>
    this.accept(dial, name).greet(this.#extensionsOf(name));
  readonly #options: SceneOptions;
  readonly #around: Surroundings;
  readonly #from: string;
  readonly #listener: string;
  readonly #tlsRequired: boolean;
  #client: FakeClient | undefined;
  #draining = false;

  /** Its clock is that of `timers`. */
  constructor(options: SceneOptions = {}, timers: FakeTimers = new FakeTimers()) {
    this.timers = timers;
    this.#options = options;
    this.pools = this.#makePools(options);
    this.#around = this.#makeSurroundings(options);
    this.#from = options.client ?? "203.0.113.7";
    this.#listener = options.listener ?? "192.0.2.25:25";
    this.#tlsRequired = options.tlsRequired ?? false;
    if (!options.empty) this.call(this.#from, options.refusal);
  }

  get now(): number {
    return this.timers.now;
  }

  get chain(): Chain {
    return this.#around.chain;
  }

  #extensionsOf(name: string): readonly string[] {
    return this.#options.extensionsOf?.[name] ?? this.#options.extensions ?? EXTENSIONS;
  }

  #makePools(options: SceneOptions): Pools {
    const { backends = ["backend"], pools = {}, routes = [], plugins = [], unseen } = options;
    const around = {
      network: this.network,
      hostname: options.hostname ?? "mx.example",
      times: { ...DEFAULTS.times, ...options.times },
      tls: backendTls(),
      now: () => this.now,
    };
    const names = new Map<Endpoint, string>();
    let host = 0;
    const address = (given: string | Omit<BackendAddress, "endpoint">): BackendAddress => {
      const endpoint = { host: `198.51.100.${++host}`, port: 25 };
      return typeof given === "string"
        ? { ...BACKEND_DEFAULTS, name: given, endpoint }
        : { ...given, endpoint };
    };
    const make = (addresses: readonly BackendAddress[]) => {
      const pool = new Pool(addresses, around, {
        reuse: { ...DEFAULTS.reuse, ...options.reuse },
        balance: options.balance ?? DEFAULTS.balance,
        health: { ...DEFAULTS.health, ...QUIET, ...options.health },
        random: () => 0,
        tell: (level, event, fields) => void this.log.push({ level, event, fields: visibleFields(fields) }),
      });
      for (const backend of pool.backends) {
        names.set(backend.endpoint, backend.address.name);
        if (!unseen && known.has(backend.address)) {
          backend.extensions = keywords(this.#extensionsOf(backend.address.name));
        }
      }
      return pool;
    };
    this.network.onDial = (dial) => this.onDial(dial, names.get(dial.endpoint)!);
    const named = Object.entries(pools).map(([name, all]) => [name, all.map(address)] as const);
    const settings = { backends: backends.map(address), pools: Object.fromEntries(named), routes, plugins };
    const known = new Set([...settings.backends, ...named.flatMap(([, all]) => all)]);
    return new Pools(settings, make, () => this.now);
  }

  #makeSurroundings(options: SceneOptions): Surroundings {
    const { hostname = "mx.example", greeting = "ESMTP", bareLineFeeds = "reject", dial = "mail" } = options;
    const limits = { ...DEFAULTS.limits, ...options.limits };
    const { messageSize, recipients, messages } = limits;
    const relay = new Set<string>(options.relay);
    const note = (level: Entry["level"], event: string, fields: Fields) =>
      void this.log.push({ level, event, fields });
    return {
      hostname,
      limits,
      bareLineFeeds,
      relay,
      transaction: { dial, chunking: bareLineFeeds === "reject", pipelining: options.pipelining ?? true },
      tls: options.tls ? () => ({ cert: "", key: "" }) : undefined,
      pools: this.pools,
      chain: new Chain(options.plugins ?? [], {
        effects: options.effects ?? {},
        deadlines: options.deadlines ?? DEFAULTS.deadlines,
        metrics: this.metrics,
        pools: this.pools.names,
        after: (ms, callback) => this.timers.after(ms, callback),
        clock: () => this.now,
        log: (level, event, fields) => note(level, event, visibleFields(fields)),
        ...(options.asked === undefined ? {} : { asked: options.asked }),
      }),
      trusted: new NetworkSet(options.trusted ?? []),
      offers: new Offers({ hostname, messageSize, recipients, messages, relay }),
      log: {
        info: (event, fields) => note("info", event, fields),
        warn: (event, fields) => note("warn", event, fields),
      },
      counters: this.counters,
      greeting: reply(220, "", `${hostname} ${greeting}`),
      user: options.user,
      routed: undefined,
      draining: () => this.#draining,
      now: () => this.now,
    };
  }

  // ---- clients ----

  /** A client comes, and is the one that is spoken of from now on. */
  call(host: string = this.#from, refusal?: Reply): FakeClient {
    const client = new FakeClient(this.events, host, this.#listener, this.#around, this.#tlsRequired);
    this.clients.push(client);
    this.#client = client;
    client.session.start(refusal);
    return client;
  }

  /** The client that is spoken of. */
  get client(): FakeClient {
    if (this.#client === undefined) throw new Error("no client has come");
    return this.#client;
  }

  set client(client: FakeClient) {
    this.#client = client;
  }

  get wire(): FakeWire {
    return this.client.wire;
  }

  get session(): Session {
    return this.client.session;
  }

  /** What the client was sent and nobody looked at yet. */
  get heard(): string {
    return this.client.heard;
  }

  set heard(octets: string) {
    this.client.heard = octets;
  }

  get over(): boolean {
    return this.client.over;
  }

  /** The client sends octets. */
  send(octets: string | Uint8Array): void {
    this.wire.send(typeof octets === "string" ? latin1(octets) : octets);
    this.settle();
  }

  /** What the client was sent since the last call. */
  take(): string {
    this.settle();
    const { heard } = this;
    this.heard = "";
    return heard;
  }

  handshake(): void {
    this.wire.shake(TLS);
  }

  // ---- backends ----

  /** Takes a dial: from now on the connection is open. */
  accept(dial: FakeDial, name: string): FakeBackend {
    const backend = new FakeBackend(name, dial.open());
    this.connections.push(backend);
    return backend;
  }

  // ---- what follows ----

  /** Everything that follows from what has happened, promises apart. */
  settle(): void {
    this.events.settle();
  }

  /** Everything that follows from what has happened. */
  async rest(): Promise<void> {
    do {
      this.events.settle();
      await promisesSettle();
    } while (this.events.settle());
  }

  async pass(milliseconds: number): Promise<void> {
    const start = this.now;
    const end = start + milliseconds;
    while (this.now < end) {
      const tick = this.now - start < LONG ? TICK : LONG_TICK;
      const fired = this.timers.advance(Math.min(tick, end - this.now));
      for (const { over, session } of this.clients) if (!over) session.tick(this.now);
      this.pools.tick(this.now);
      this.settle();
      if (fired) await this.rest();
    }
    await this.rest();
  }

  /** The proxy is told to stop. */
  drain(): void {
    this.#draining = true;
    for (const { over, session } of this.clients) if (!over) session.retire();
    this.pools.drain();
  }
}

/** What an EHLO reply of these lines offers. */
function keywords(lines: readonly string[]): Extensions {
  return new Map(lines.map((line) => {
    const [keyword, ...rest] = line.split(" ");
    return [keyword!, rest.join(" ")] as const;
  }));
}
