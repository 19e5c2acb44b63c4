/**
 * The proxy as a whole: listeners, the sessions they bring, the bounds on their number, the clock that ends what
 * takes too long, and the way out.
 */
import { backendAt } from "../backend/backend.ts";
import { Pool } from "../backend/pool.ts";
import type { Listener, Network, TlsService, Wire, WireOwner } from "../net/wire.ts";
import { Chain } from "../policy/chain.ts";
import type { EngineOptions } from "../policy/engine.ts";
import type { Settings } from "../policy/settings.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { registerFigures } from "./figures.ts";
import { Counters, type Log, visible, visibleFields } from "./journal.ts";
import { Offers } from "./offer.ts";
import { Session } from "./session.ts";
import type { Surroundings } from "./surroundings.ts";

/** How often deadlines are looked at, in milliseconds: nothing here is due to the millisecond. */
const TICK = 500;
/** Milliseconds that effects under way have at the end. */
const EFFECTS_END = 3_000;

/** What a proxy is made with besides its settings. */
export interface ProxyOptions extends Pick<EngineOptions, "effects" | "metrics" | "wait" | "asked"> {
  /** Whom every client is taken for. */
  readonly user?: string | undefined;
}

export class Proxy {
  readonly counters = new Counters();
  readonly pool: Pool;
  readonly #settings: Settings;
  readonly #tls: (() => TlsService) | undefined;
  readonly #network: Network;
  readonly #log: Log;
  readonly #around: Surroundings;
  readonly #sessions = new Set<Session>();
  readonly #perClient = new Map<string, number>();
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
    const { hostname, limits } = settings;
    const now = () => this.#now;
    this.pool = new Pool(settings.backends.map(({ name, endpoint }) => backendAt(name, endpoint)), {
      network,
      hostname,
      times: settings.times,
      now,
    }, settings.reuse);
    this.#around = {
      hostname,
      limits,
      bareLineFeeds: settings.bareLineFeeds,
      relay: new Set(settings.relay),
      transaction: { dial: settings.dial, chunking: settings.bareLineFeeds === "reject" },
      tls: this.#tls,
      pool: this.pool,
      chain: new Chain(settings.plugins, {
        ...given,
        deadlines: settings.deadlines,
        log: (level, event, fields) => log[level](event, visibleFields(fields)),
      }),
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
      draining: () => this.#draining,
      now,
    };
    if (given.metrics !== undefined) registerFigures(given.metrics, this.counters, () => this.sessions);
  }

  /** Why no mail can be taken now. */
  unready(): string | undefined {
    if (this.#draining) return "the proxy is stopping";
    return this.pool.extensions() === undefined ? "no backend has been seen" : undefined;
  }

  /** Learns what the backends offer, then listens. A backend that is down is no reason not to start. */
  async start(): Promise<readonly Listener[]> {
    this.#timer = setInterval(() => this.#tick(), TICK);
    await this.#probe();
    for (const { name, endpoint, implicitTls, tlsRequired = false } of this.#settings.listen) {
      this.#listeners.push(
        await this.#network.listen({
          endpoint,
          tls: implicitTls ? this.#tls : undefined,
          handshakeTimeout: this.#settings.limits.handshakeTime,
          accept: (wire) => this.#accept(wire, name, tlsRequired),
          refused: ({ host }, { message }) =>
            this.#log.info("no handshake", { client: host, listener: name, error: visible(message) }),
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
    for (const session of [...this.#sessions]) session.retire();
    this.pool.drain();
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
      this.pool.probe(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #accept(wire: Wire, listener: string, tlsRequired: boolean): WireOwner {
    const client = wire.remote.host;
    const session = new Session(wire, listener, this.#around, () => this.#forget(session), tlsRequired);
    const open = (this.#perClient.get(client) ?? 0) + 1;
    this.#perClient.set(client, open);
    this.#sessions.add(session);
    let refusal: Reply | undefined;
    if (this.#sessions.size > this.#settings.sessions) {
      refusal = session.refusal(421, "3.2", "Too many sessions, try again later");
    } else if (open > this.#settings.sessionsPerClient) {
      refusal = session.refusal(421, "7.0", "Too many sessions from your address, try again later");
    }
    // The wire has its owner only after this call.
    queueMicrotask(() => session.start(refusal));
    return session;
  }

  #forget(session: Session): void {
    this.#sessions.delete(session);
    const left = this.#perClient.get(session.client)! - 1;
    if (left > 0) this.#perClient.set(session.client, left);
    else this.#perClient.delete(session.client);
    this.#checkEmpty();
  }

  /** A session is only forgotten when no backend owes it the answer to a message. */
  #checkEmpty(): void {
    if (this.#draining && this.#sessions.size === 0) this.#emptied?.();
  }

  #tick(): void {
    const now = this.#now = performance.now();
    for (const session of this.#sessions) session.tick(now);
    this.pool.tick(now);
    if (this.pool.extensions() === undefined && !this.#draining) this.pool.probe(() => {});
  }

  /** For the log at the end. */
  report(): void {
    const { outcomes: _, ...sums } = this.counters;
    this.#log.info("stopped", sums);
  }
}
