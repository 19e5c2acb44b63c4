/**
 * A pool alone on a fake network, with a clock that is moved by hand: backends that are well or sick in one way or
 * another, and takers that keep what they were given.
 */
import { backendTls } from "../../src/backend/backend_tls.ts";
import type { Request, Taker } from "../../src/backend/attempt.ts";
import type { Backend } from "../../src/backend/backend.ts";
import type { Connection } from "../../src/backend/connection.ts";
import type { Identity } from "../../src/backend/identity.ts";
import { Pool, type PoolOptions } from "../../src/backend/pool.ts";
import { dialCounter, registerStandings } from "../../src/backend/told.ts";
import type { Endpoint } from "../../src/net/wire.ts";
import { completeBackend } from "../../src/policy/backend_address.ts";
import { Metrics } from "../../src/policy/metrics.ts";
import { DEFAULTS, type Health } from "../../src/policy/settings.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { type FakeDial, FakeEvents, FakeNetwork, type FakeWire } from "../../src/testing/network.ts";
import { promisesSettle } from "../../src/testing/timers.ts";

/**
 * How a backend is: `silent` takes connections and never greets (a stopped process), `unreachable` does not even take
 * them, a number greets after so many milliseconds, `mute` answers EHLO and nothing after it,
 * `busy` greets with 421.
 */
export type Condition = "well" | "refuses" | "silent" | "unreachable" | "torn" | "mute" | "busy" | number;

const GREETINGS: Readonly<Record<string, string>> = { torn: "220 he", busy: "421 4.7.0 too many\r\n" };

/** One connection that a backend was asked for. */
export interface Dialled {
  readonly host: string;
  readonly at: number;
  readonly dial: FakeDial;
  wire: FakeWire | undefined;
  /** What it heard. */
  heard: string;
}

/** Somebody who wants a connection. */
export class Wanting implements Taker {
  connection: Connection | undefined;
  reason: string | undefined;
  at: number | undefined;
  request: Request | undefined;
  lost = false;
  replies = 0;
  readonly #scene: PoolScene;

  constructor(scene: PoolScene) {
    this.#scene = scene;
  }

  denied(): void {
    throw new Error("nobody was told of a client");
  }

  taken(connection: Connection): void {
    if (this.connection !== undefined || this.reason !== undefined) throw new Error("told twice");
    this.connection = connection;
    this.at = this.#scene.now;
    connection.holder = {
      ready() {},
      reply: () => void this.replies++,
      drained() {},
      lost: () => {
        this.lost = true;
        this.#scene.pool.forget(connection);
      },
    };
  }

  unavailable(reason: string): void {
    if (this.connection !== undefined || this.reason !== undefined) throw new Error("told twice");
    this.reason = reason;
  }

  /** Whose connection it was given. */
  get host(): string | undefined {
    return this.connection && hostOf(this.connection.backend);
  }
}

export class PoolScene {
  now = 1_000_000;
  readonly events = new FakeEvents();
  readonly network = new FakeNetwork(this.events);
  readonly metrics = new Metrics();
  readonly log: string[] = [];
  readonly dials: Dialled[] = [];
  readonly conditions = new Map<string, Condition>();
  /** What every backend answers to AUTH. */
  auth = "235 2.7.0 Ok";
  readonly pool: Pool;
  #later: { readonly at: number; readonly work: () => void }[] = [];

  /** @param backends as in a policy; their hosts are their names */
  constructor(
    backends: readonly string[],
    health: Partial<Health> = {},
    options: Partial<PoolOptions> = {},
  ) {
    this.network.onDial = (dial) => this.#meet(dial);
    this.pool = new Pool(
      backends.map(completeBackend),
      {
        network: this.network,
        hostname: "mx.example",
        times: DEFAULTS.times,
        tls: backendTls(),
        now: () => this.now,
      },
      {
        reuse: DEFAULTS.reuse,
        balance: "round-robin",
        health: { ...DEFAULTS.health, interval: Infinity, ...health },
        random: () => 0,
        tell: (_, event, { backend, reason }) => void this.log.push(`${event}: ${backend}: ${reason ?? ""}`),
        count: dialCounter(this.metrics),
        ...options,
      },
    );
    registerStandings(this.metrics, () => this.pool.backends);
  }

  is(host: string, condition: Condition): void {
    this.conditions.set(host, condition);
  }

  backend(host: string): Backend {
    return this.pool.backends.find((backend) => hostOf(backend) === host)!;
  }

  /** Asks for a connection, and lets happen what happens at once. */
  want(spent: readonly Backend[] = [], fresh = false, client?: Identity): Wanting {
    const wanting = new Wanting(this);
    wanting.request = this.pool.take(wanting, new Set(spent), fresh, client);
    this.events.settle();
    return wanting;
  }

  /** A whole transaction; where it went, or undefined. */
  transact(): string | undefined {
    const wanting = this.want();
    if (wanting.connection !== undefined) this.pool.release(wanting.connection);
    this.events.settle();
    return wanting.host;
  }

  async pass(ms: number, step = 100): Promise<void> {
    for (const end = this.now + ms; this.now < end;) {
      this.now += step;
      const due = this.#later.filter(({ at }) => at <= this.now);
      this.#later = this.#later.filter(({ at }) => at > this.now);
      for (const { work } of due) work();
      this.events.settle();
      this.pool.tick(this.now);
      this.events.settle();
      await promisesSettle();
      this.events.settle();
    }
  }

  /** The connections to this host so far. */
  to(host: string): Dialled[] {
    return this.dials.filter((dialled) => dialled.host === host);
  }

  /** Every open connection. */
  get open(): Dialled[] {
    return this.dials.filter(({ wire }) => wire !== undefined && !wire.over);
  }

  #meet(dial: FakeDial): void {
    const host = hostIn(dial.endpoint);
    const condition = this.conditions.get(host) ?? "well";
    const dialled: Dialled = { host, at: this.now, dial, wire: undefined, heard: "" };
    this.dials.push(dialled);
    if (condition === "unreachable") return;
    if (condition === "refuses") return dial.refuse();
    const wire = dialled.wire = dial.open();
    wire.onWritten = (bytes) => this.#answer(dialled, wire, latin1Text(bytes));
    const greet = () => wire.send(latin1(GREETINGS[String(condition)] ?? "220 here\r\n"));
    if (condition === "torn") wire.onWritten = () => {};
    if (typeof condition === "number") this.#later.push({ at: this.now + condition, work: greet });
    else if (condition !== "silent") greet();
    if (condition === "torn") this.events.later(() => wire.reset());
  }

  #answer(dialled: Dialled, wire: FakeWire, octets: string): void {
    dialled.heard += octets;
    if (octets.startsWith("EHLO")) return wire.send(latin1("250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n"));
    const condition = this.conditions.get(dialled.host);
    if (condition === "mute" || condition === "silent" || octets.startsWith("QUIT")) return;
    wire.send(latin1(octets.startsWith("AUTH") ? `${this.auth}\r\n` : "250 Ok\r\n"));
  }
}

function hostOf({ endpoint }: Backend): string {
  return hostIn(endpoint);
}

function hostIn(endpoint: Endpoint): string {
  return "host" in endpoint ? endpoint.host : "unix";
}
