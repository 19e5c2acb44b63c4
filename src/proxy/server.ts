/**
 * The proxy as a whole: listeners, the sessions they bring, the bounds on their number, the clock that ends what
 * takes too long, and the way out.
 */
import { backendTls } from "../backend/backend_tls.ts";
import { Pool, type PoolOptions } from "../backend/pool.ts";
import { Pools } from "../backend/pools.ts";
import { dialCounter, registerStandings } from "../backend/told.ts";
import type { Listener, Network, TlsService, Wire } from "../net/wire.ts";
import { Chain } from "../policy/chain.ts";
import type { EngineOptions } from "../policy/engine.ts";
import { NetworkSet } from "../policy/networks.ts";
import type { ListenAddress, Settings } from "../policy/settings.ts";
import type { Refusal } from "../smtp/commands.ts";
import { reply } from "../smtp/reply.ts";
import type { Caller } from "./caller.ts";
import { Census } from "./census.ts";
import { Entrance } from "./entrance.ts";
import { registerFigures } from "./figures.ts";
import { Counters, type Fields, type Log, visibleFields } from "./journal.ts";
import { Offers } from "./offer.ts";
import { Session, type SessionOwner } from "./session.ts";
import type { Surroundings } from "./surroundings.ts";

/** How often deadlines are looked at, in milliseconds: nothing here is due to the millisecond. */
const TICK = 500;
/** Milliseconds that effects under way have at the end. */
const EFFECTS_END = 3_000;

/** What a proxy is made with besides its settings. */
export interface ProxyOptions extends Pick<EngineOptions, "effects" | "metrics" | "wait" | "asked"> {
  /** Whom every client is taken for. */
  readonly user?: string | undefined;
  /** What is in the files that backends' addresses name: certificates and keys. */
  readonly files?: ReadonlyMap<string, string> | undefined;
  /** Looks up the addresses of backends' names. */
  readonly resolve?: PoolOptions["resolve"];
  /** Told of each recipient's pool and of who has chosen it. */
  readonly routed?: Surroundings["routed"];
}

const TOO_MANY: Readonly<Record<"too many" | "too many of its address", Refusal>> = {
  "too many": [421, "3.2", "Too many sessions, try again later"],
  "too many of its address": [421, "7.0", "Too many sessions from your address, try again later"],
};
const DOWN: Refusal = [421, "3.2", "No mail server can be reached now, try again later"];

export class Proxy implements SessionOwner {
  readonly counters = new Counters();
  readonly pools: Pools;
  readonly #settings: Settings;
  readonly #tls: (() => TlsService) | undefined;
  readonly #network: Network;
  readonly #log: Log;
  readonly #around: Surroundings;
  readonly #sessions = new Set<Session>();
  readonly #census: Census;
  readonly #entrance: Entrance;
  #listeners: Listener[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #draining = false;
  /** The time as of the last tick: deadlines need no better, and every event asks for it. */
  #now = performance.now();
  #emptied: (() => void) | undefined;

  /**
   * @param tls the contents of the files that the settings name; a function, asked for each client, if they may change
   * @param given what plugins can do, and where things are counted
   */
  constructor(
    settings: Settings,
    tls: TlsService | (() => TlsService) | undefined,
    network: Network,
    log: Log,
    given: ProxyOptions = {},
  ) {
    this.#settings = settings;
    this.#tls = typeof tls === "object" ? () => tls : tls;
    this.#network = network;
    this.#log = log;
    this.#census = new Census(settings);
    const { hostname, limits } = settings;
    const now = () => this.#now;
    const around = { network, hostname, times: settings.times, tls: backendTls(given.files), now };
    const options = {
      ...settings,
      resolve: given.resolve,
      tell: (level: "info" | "warn", event: string, fields: Fields) =>
        log[level](event, visibleFields(fields)),
      count: given.metrics && dialCounter(given.metrics),
    };
    this.pools = new Pools(settings, (backends) => new Pool(backends, around, options), now);
    this.#around = {
      hostname,
      limits,
      bareLineFeeds: settings.bareLineFeeds,
      relay: new Set(settings.relay),
      transaction: {
        dial: settings.dial,
        chunking: settings.bareLineFeeds === "reject",
        pipelining: settings.pipelining,
      },
      tls: this.#tls,
      pools: this.pools,
      chain: new Chain(settings.plugins, {
        ...given,
        deadlines: settings.deadlines,
        pools: this.pools.names,
        log: (level, event, fields) => log[level](event, visibleFields(fields)),
      }),
      trusted: new NetworkSet(settings.trusted),
      offers: new Offers({
        hostname,
        messageSize: limits.messageSize,
        recipients: limits.recipients,
        messages: limits.messages,
        relay: new Set(settings.relay),
      }),
      log,
      counters: this.counters,
      greeting: reply(220, "", `${hostname} ESMTP Sallyport`),
      user: given.user,
      routed: given.routed,
      draining: () => this.#draining,
      now,
    };
    this.#entrance = new Entrance(settings, this.#around, this.#census, {
      begin: (wire, address, caller, refusal) => this.#begin(wire, address, caller, refusal),
    });
    if (given.metrics === undefined) return;
    registerFigures(given.metrics, this.counters, () => this.sessions);
    registerStandings(given.metrics, () => this.pools.backends);
  }

  /** Why no mail can be taken now. */
  unready(): string | undefined {
    if (this.#draining) return "the proxy is stopping";
    if (this.pools.down) return "no backend can be asked";
    return this.pools.seen ? undefined : "no backend has been seen";
  }

  /** Learns what the backends offer, then listens. A backend that is down is no reason not to start. */
  async start(): Promise<readonly Listener[]> {
    this.#timer = setInterval(() => this.#tick(), TICK);
    await this.#probe();
    for (const address of this.#settings.listen) {
      this.#listeners.push(
        await this.#network.listen({
          endpoint: address.endpoint,
          // Not the listener's TLS: until a hand is shaken nobody would count who is there.
          accept: (wire) => this.#entrance.accept(wire, address),
        }),
      );
    }
    return this.#listeners;
  }

  /** Open sessions. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Takes no new sessions, lets transactions finish, and ends what is left after `limit` milliseconds. */
  async stop(limit: number): Promise<void> {
    this.#draining = true;
    for (const listener of this.#listeners) listener.close();
    this.#entrance.close();
    for (const session of [...this.#sessions]) session.retire();
    this.pools.drain();
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
      this.#checkEmpty();
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([emptied, new Promise<void>((resolve) => (timer = setTimeout(resolve, limit)))]);
    clearTimeout(timer);
    for (const session of [...this.#sessions]) session.destroy();
    clearInterval(this.#timer);
    await this.#effectsEnd();
  }

  /** What waits for mail that was taken is still done, if that does not take long. */
  async #effectsEnd(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, EFFECTS_END)));
    await Promise.race([this.#around.chain.settled(), late]);
    clearTimeout(timer);
  }

  get chain(): Chain {
    return this.#around.chain;
  }

  /** Waits for the first look at the backends, but not for a silent one. */
  #probe(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 2_000);
      this.pools.probe(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** A client's session begins; with `refusal` it is also its end. */
  #begin(wire: Wire, address: ListenAddress, caller: Caller, refusal?: Refusal): Session {
    const session = new Session(wire, caller, address, this.#around, this);
    this.#sessions.add(session);
    const many = this.#census.enter(caller);
    const refused = many === undefined ? refusal ?? this.#whenDown : TOO_MANY[many];
    const mute = many !== undefined && this.#census.crowded;
    // The wire has its owner only after this call.
    queueMicrotask(() => mute ? session.destroy() : session.start(refused && session.refusal(...refused)));
    return session;
  }

  /** Where no mail could be taken anyway, clients may be told so at once. */
  get #whenDown(): Refusal | undefined {
    return this.#settings.whenDown === "refuse" && this.pools.down ? DOWN : undefined;
  }

  renamed(session: Session, before: Caller): Refusal | undefined {
    const many = this.#census.rename(before, session.caller);
    return many && TOO_MANY[many];
  }

  ended(session: Session): void {
    this.#sessions.delete(session);
    this.#census.leave(session.caller);
    this.#checkEmpty();
  }

  /** A session is only forgotten when no backend owes it the answer to a message. */
  #checkEmpty(): void {
    if (this.#draining && this.#sessions.size === 0) this.#emptied?.();
  }

  #tick(): void {
    const now = this.#now = performance.now();
    for (const session of this.#sessions) session.tick(now);
    this.pools.tick(now);
    if (!this.#draining) this.pools.seek();
  }

  /** For the log at the end. */
  report(): void {
    const { outcomes: _, ...sums } = this.counters;
    this.#log.info("stopped", sums);
  }
}
