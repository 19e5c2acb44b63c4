/**
 * One client's session with its pool of backends, on a fake network, with a fake clock: what a dialogue plays on, and
 * what a test drives that needs more than a dialogue can say.
 */
import { backendAt } from "../backend/backend.ts";
import { Pool } from "../backend/pool.ts";
import type { TlsFacts } from "../net/wire.ts";
import { Chain } from "../policy/chain.ts";
import type { Effects } from "../policy/engine.ts";
import { Metrics } from "../policy/metrics.ts";
import type { Rule } from "../policy/rule.ts";
import { type BackendTimes, DEFAULTS, type Reuse, type Settings } from "../policy/settings.ts";
import { Counters, type Fields } from "../proxy/journal.ts";
import { Offers } from "../proxy/offer.ts";
import { Session } from "../proxy/session.ts";
import type { Surroundings } from "../proxy/surroundings.ts";
import type { Limits } from "../smtp/limits.ts";
import { latin1, latin1Text, type Reply, reply } from "../smtp/reply.ts";
import { FakeBackend } from "./backend.ts";
import { type FakeDial, FakeEvents, FakeNetwork, FakeWire, LOCAL, NOBODY } from "./network.ts";
import { FakeTimers, promisesSettle } from "./timers.ts";

/** How the proxy is set, and what its backends are like. */
export interface SceneOptions {
  readonly plugins?: readonly Rule[];
  /** What plugins can do. */
  readonly effects?: Partial<Effects>;
  /** Whom the client is taken for. */
  readonly user?: string;
  readonly limits?: Partial<Limits>;
  readonly times?: Partial<BackendTimes>;
  readonly reuse?: Partial<Reuse>;
  readonly bareLineFeeds?: Settings["bareLineFeeds"];
  readonly dial?: Settings["dial"];
  readonly relay?: Settings["relay"];
  /** STARTTLS is offered. */
  readonly tls?: boolean;
  /** Their names, one unless given; each offers what `extensions` says. */
  readonly backends?: readonly string[];
  /** Lines of the backends' EHLO replies. */
  readonly extensions?: readonly string[];
  /** No backend has been seen yet, so the first EHLO makes the proxy look. */
  readonly unseen?: boolean;
  /** Refuses the client at once. */
  readonly refusal?: Reply;
  readonly client?: string;
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

/** Milliseconds between two looks at the clock, as in the program. */
const TICK = 500;
const TLS: TlsFacts = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: undefined };

/** A line of the log. */
export interface Entry {
  readonly event: string;
  readonly fields: Fields;
}

export class Scene {
  readonly events = new FakeEvents();
  readonly timers: FakeTimers;
  readonly network = new FakeNetwork(this.events);
  readonly pool: Pool;
  readonly counters = new Counters();
  readonly metrics = new Metrics();
  readonly log: Entry[] = [];
  /** Every connection to a backend so far. */
  readonly connections: FakeBackend[] = [];
  /** The client's connection. */
  readonly wire: FakeWire;
  readonly session: Session;
  /** What the client was sent and nobody looked at yet. */
  heard = "";
  /** How a dial is answered; by default the backend is there. */
  onDial: (dial: FakeDial, name: string) => void = (dial, name) =>
    this.accept(dial, name).greet(this.#extensions);
  over = false;
  readonly #extensions: readonly string[];
  readonly #around: Surroundings;
  #draining = false;

  /** Its clock is that of `timers`. */
  constructor(options: SceneOptions = {}, timers: FakeTimers = new FakeTimers()) {
    this.timers = timers;
    this.#extensions = options.extensions ?? EXTENSIONS;
    this.pool = this.#makePool(options);
    this.#around = this.#makeSurroundings(options);
    this.wire = this.#makeWire(options.client ?? "203.0.113.7");
    this.session = this.wire.owner as Session;
    this.session.start(options.refusal);
  }

  get now(): number {
    return this.timers.now;
  }

  #makePool({ backends = ["backend"], times, reuse, unseen }: SceneOptions): Pool {
    const around = {
      network: this.network,
      hostname: "mx.example",
      times: { ...DEFAULTS.times, ...times },
      now: () => this.now,
    };
    const known = new Map(this.#extensions.map((line) => {
      const [keyword, ...rest] = line.split(" ");
      return [keyword!, rest.join(" ")] as const;
    }));
    const all = backends.map((name, i) => backendAt(name, { host: `198.51.100.${i + 1}`, port: 25 }));
    if (!unseen) { for (const backend of all) backend.extensions = known; }
    this.network.onDial = (dial) => {
      const backend = all.find(({ endpoint }) => endpoint === dial.endpoint)!;
      this.onDial(dial, backend.name);
    };
    return new Pool(all, around, { ...DEFAULTS.reuse, ...reuse });
  }

  #makeSurroundings(options: SceneOptions): Surroundings {
    const limits = { ...DEFAULTS.limits, ...options.limits };
    const bareLineFeeds = options.bareLineFeeds ?? "reject";
    const note = (event: string) => (fields: Fields) => void this.log.push({ event, fields });
    return {
      hostname: "mx.example",
      limits,
      bareLineFeeds,
      relay: new Set(options.relay),
      transaction: { dial: options.dial ?? "mail", chunking: bareLineFeeds === "reject" },
      tls: options.tls ? { cert: "", key: "" } : undefined,
      pool: this.pool,
      chain: new Chain(options.plugins ?? [], {
        effects: options.effects ?? {},
        metrics: this.metrics,
        after: (ms, callback) => this.timers.after(ms, callback),
        clock: () => this.now,
        log: (_level, event, fields) => note(event)(fields),
      }),
      offers: new Offers({
        hostname: "mx.example",
        messageSize: limits.messageSize,
        recipients: limits.recipients,
        messages: limits.messages,
        relay: new Set(options.relay),
      }),
      log: { info: (event, fields) => note(event)(fields), warn: (event, fields) => note(event)(fields) },
      counters: this.counters,
      greeting: reply(220, "", "mx.example ESMTP"),
      user: options.user,
      draining: () => this.#draining,
      now: () => this.now,
    };
  }

  #makeWire(host: string): FakeWire {
    const wire = new FakeWire(this.events, NOBODY, { host, port: 50_000 }, LOCAL);
    wire.onWritten = (bytes) => void (this.heard += latin1Text(bytes));
    wire.owner = new Session(wire, "192.0.2.25:25", this.#around, () => void (this.over = true));
    return wire;
  }

  /** Takes a dial: from now on the connection is open. */
  accept(dial: FakeDial, name: string): FakeBackend {
    const backend = new FakeBackend(name, dial.open());
    this.connections.push(backend);
    return backend;
  }

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

  async pass(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    while (this.now < end) {
      const fired = this.timers.advance(Math.min(TICK, end - this.now));
      if (!this.over) this.session.tick(this.now);
      this.pool.tick(this.now);
      this.settle();
      if (fired) await this.rest();
    }
    await this.rest();
  }

  /** The proxy is told to stop. */
  drain(): void {
    this.#draining = true;
    if (!this.over) this.session.retire();
    this.pool.drain();
  }

  handshake(): void {
    this.wire.shake(TLS);
  }
}
