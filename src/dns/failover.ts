/**
 * The servers in the order in which they are worth asking: as listed, those that failed lately last. A server whose
 * rest is over is tried by one question first, while all others still go elsewhere.
 */

import type { NameServer } from "./exchange.ts";

/** Milliseconds for which a server that failed is asked last. */
const REST = 30_000;

export class Failover {
  readonly #servers: readonly NameServer[];
  readonly #now: () => number;
  /** Until when a server rests; it stays here until it has answered. */
  readonly #resting = new Map<NameServer, number>();

  constructor(servers: readonly NameServer[], now: () => number) {
    this.#servers = servers;
    this.#now = now;
  }

  /** All servers, the one to ask first at the front. */
  order(): readonly NameServer[] {
    if (this.#resting.size === 0) return this.#servers;
    const now = this.#now();
    const late = this.#servers.filter((server) => (this.#resting.get(server) ?? -Infinity) > now);
    const ready = this.#servers.filter((server) => !late.includes(server));
    for (const server of ready) if (this.#resting.has(server)) this.#rest(server);
    return [...ready, ...late];
  }

  answered(server: NameServer): void {
    this.#resting.delete(server);
  }

  /**
   * It gave no answer, or would not give one.
   * @param since when it was asked: where it has answered other questions since, this one was to blame
   */
  failed(server: NameServer, since = Infinity): void {
    if (server.heard < since) this.#rest(server);
  }

  #rest(server: NameServer): void {
    this.#resting.set(server, this.#now() + REST);
  }
}
