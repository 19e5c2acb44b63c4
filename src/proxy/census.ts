/**
 * How many sessions there are of whom. A trusted host that speaks for others is counted in all, but not as a client.
 */
import { clientPrefix } from "../policy/networks.ts";
import type { Caller } from "./caller.ts";

export interface CensusLimits {
  /** Sessions at a time. */
  readonly sessions: number;
  /** Sessions at a time of one client: an IPv4 address, an IPv6 /64. */
  readonly sessionsPerClient: number;
}

/** Who is refused may stay for seconds to hear so, and takes a descriptor: more than so many are not told. */
const MOST_REFUSED = 500;

export class Census {
  readonly #limits: CensusLimits;
  readonly #perClient = new Map<string, number>();
  #all = 0;
  /** Who was one too many: they hear so and hold no place, or one address could lock out all others. */
  readonly #outside = new Set<Caller>();

  constructor(limits: CensusLimits) {
    this.#limits = limits;
  }

  /** One more is there; if that is one too many, it is counted for its address until it leaves all the same. */
  enter(caller: Caller): "too many" | "too many of its address" | undefined {
    const mine = this.#count(caller);
    const { sessions, sessionsPerClient } = this.#limits;
    const refused = this.#all >= sessions
      ? "too many"
      : mine > sessionsPerClient
      ? "too many of its address"
      : undefined;
    if (refused === undefined) this.#all++;
    else this.#outside.add(caller);
    return refused;
  }

  /** One of them is another client's from now on. */
  rename(before: Caller, after: Caller): "too many of its address" | undefined {
    this.#uncount(before);
    return this.#count(after) > this.#limits.sessionsPerClient ? "too many of its address" : undefined;
  }

  /** There are so many who were one too many that no more of them can be told. */
  get crowded(): boolean {
    return this.#outside.size > MOST_REFUSED;
  }

  leave(caller: Caller): void {
    if (!this.#outside.delete(caller)) this.#all--;
    this.#uncount(caller);
  }

  #count({ remote, trusted }: Caller): number {
    if (trusted) return 0;
    const client = clientOf(remote.host);
    const open = (this.#perClient.get(client) ?? 0) + 1;
    this.#perClient.set(client, open);
    return open;
  }

  #uncount({ remote, trusted }: Caller): void {
    if (trusted) return;
    const client = clientOf(remote.host);
    const left = this.#perClient.get(client)! - 1;
    if (left > 0) this.#perClient.set(client, left);
    else this.#perClient.delete(client);
  }
}

/** Whoever has IPv6 has at least 2^64 addresses (RFC 6177 §2). */
function clientOf(host: string): string {
  return host.includes(":") ? clientPrefix(host, 32, 64) : host;
}
