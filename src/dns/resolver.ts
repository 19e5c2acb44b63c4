/**
 * The stub resolver behind `Dns`: plugins ask by name and type; it answers from its cache, joins a question that is
 * already on its way, or asks the name servers. It reads no hosts file: what it says, the DNS says.
 */

import { type Dns, type DnsAnswer, DnsError, type DnsErrorCode, type RecordType } from "../policy/effects.ts";
import { Cache } from "./cache.ts";
import { NameServer } from "./exchange.ts";
import { Failover } from "./failover.ts";
import { type Found, Lookup } from "./lookup.ts";
import { ownerZone, plainName } from "./name.ts";
import type { Question } from "./packet.ts";
import { type Failure, failure } from "./query.ts";
import { secureRandom } from "./random.ts";
import type { DnsServer } from "./servers.ts";
import { Zones } from "./zones.ts";

/** Times are in milliseconds. */
export interface ResolverOptions {
  /** Name servers that look up for others; at least one. */
  readonly servers: readonly DnsServer[];
  /** How long one server may take; 1,500. */
  readonly tryTimeout?: number;
  /** How often the list of servers is gone through; 2. */
  readonly tries?: number;
  /** How long one lookup may take in all; 4,500, which leaves a plugin some of its 5 seconds. */
  readonly totalTimeout?: number;
  /** How many answers are remembered; 10,000. */
  readonly cacheEntries?: number;
  /** How many questions may be on their way in all, of which one zone has its share; 10,000. */
  readonly inFlight?: number;
  /** Asks with letters in random case, which the answer must repeat; for servers across a network. Off. */
  readonly mixedCase?: boolean;
  /** A clock that never goes back. */
  readonly now?: () => number;
  /** From 0 to below 1; must not be guessable. */
  readonly random?: () => number;
  /** Told about each lookup. */
  readonly onQuery?: (event: DnsEvent) => void;
}

/** One call of `resolve`, when it is answered. */
export interface DnsEvent {
  readonly name: string;
  readonly type: RecordType;
  readonly outcome: DnsAnswer["status"] | DnsErrorCode;
  /**
   * `cache`: remembered (a failure too). `stale`: remembered, past its time. `merged`: together with another call.
   * `servers`: they were asked. `local`: not asked, for the name cannot exist, too many questions were on their way, or
   * the zone does not answer.
   */
  readonly source: "cache" | "stale" | "merged" | "servers" | "local";
  /** Milliseconds; 0 where nobody was asked. */
  readonly ms: number;
}

/** How long a "no" holds for a name that cannot exist. */
const NEVER = 15 * 60_000;

/** How long the servers may take where there is an answer past its time (RFC 8767 §5). */
const STALE_PATIENCE = 1800;

const CLOSED = failure("ECONNREFUSED", "the resolver is closed");

const NOWHERE: Promise<DnsAnswer> = Promise.resolve(
  Object.freeze({ status: "nxdomain", records: Object.freeze([]), ttl: NEVER, stale: false }),
);

export class Resolver implements Dns {
  readonly #now: () => number;
  readonly #total: number;
  readonly #tell: ((event: DnsEvent) => void) | undefined;
  readonly #cache: Cache;
  readonly #zones: Zones;
  readonly #servers: readonly NameServer[];
  readonly #lookup: Lookup;
  readonly #inFlight = new Map<string, Promise<DnsAnswer>>();
  #closed = false;

  constructor(options: ResolverOptions) {
    const { servers, now = () => performance.now(), random = secureRandom(), mixedCase = false } = options;
    if (servers.length === 0) throw new RangeError("Cannot look names up: no name server was given");
    this.#now = now;
    this.#total = options.totalTimeout ?? 4500;
    this.#zones = new Zones(options.inFlight ?? 10_000, now);
    this.#tell = options.onQuery;
    this.#cache = new Cache(options.cacheEntries ?? 10_000);
    this.#servers = servers.map((server) => new NameServer(server, { now, random, mixedCase }));
    const { tryTimeout = 1500, tries = 2 } = options;
    this.#lookup = new Lookup(new Failover(this.#servers, now), { now, tryTimeout, tries });
  }

  resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    return this.#resolve(name, type) as Promise<DnsAnswer<T>>;
  }

  /** Gives up what is on its way; nothing is answered from now on. */
  close(): void {
    this.#closed = true;
    this.#cache.clear();
    for (const server of this.#servers) server.close();
  }

  /** Not async, and without a step too many: a session asks for a dozen names that are known. */
  #resolve(given: string, type: RecordType): Promise<DnsAnswer> {
    const name = plainName(given);
    if (name === undefined) {
      this.#tell?.({ name: given, type, outcome: "nxdomain", source: "local", ms: 0 });
      return NOWHERE;
    }
    const key = `${name} ${type}`;
    const known = this.#cache.get(key, this.#now());
    if (known === undefined) return this.#ask(key, { name, type });
    if (known instanceof DnsError) {
      this.#tell?.({ name, type, outcome: known.code, source: "cache", ms: 0 });
      return Promise.reject(known);
    }
    this.#tell?.({ name, type, outcome: known.status, source: known.stale ? "stale" : "cache", ms: 0 });
    return Promise.resolve(known);
  }

  #ask(key: string, question: Question): Promise<DnsAnswer> {
    const running = this.#inFlight.get(key);
    if (running !== undefined) return this.#told(running, question, "merged");
    const zone = ownerZone(question.name);
    const obstacle = this.#closed ? CLOSED : this.#zones.obstacle(zone);
    if (obstacle !== undefined) return this.#told(this.#unasked(key, question, obstacle), question, "local");
    const asked = this.#askServers(key, question, zone);
    this.#inFlight.set(key, asked);
    return this.#told(asked, question, "servers");
  }

  async #askServers(key: string, question: Question, zone: string): Promise<DnsAnswer> {
    this.#zones.asked(zone);
    try {
      const old = this.#cache.getStale(key, this.#now());
      const patience = old === undefined ? this.#total : Math.min(STALE_PATIENCE, this.#total);
      const outcome = await this.#lookup.find(question, patience);
      if (outcome.says === "failure" && outcome.code === "ETIMEOUT") this.#zones.timedOut(zone);
      else this.#zones.answered(zone);
      return this.#remember(key, question, outcome);
    } finally {
      this.#zones.ended(zone);
      this.#inFlight.delete(key);
    }
  }

  /** @throws DnsError */
  #remember(key: string, question: Question, outcome: Found | Failure): DnsAnswer {
    if (outcome.says !== "failure") return this.#cache.keep(key, outcome, this.#now());
    const error = dnsError(question, outcome);
    const instead = this.#cache.fail(key, error, this.#now());
    if (instead instanceof DnsError) throw instead;
    return instead;
  }

  #unasked(key: string, question: Question, obstacle: Failure): Promise<DnsAnswer> {
    const old = this.#cache.getStale(key, this.#now());
    return old === undefined ? Promise.reject(dnsError(question, obstacle)) : Promise.resolve(old);
  }

  /** The same promise, its outcome told. */
  #told(answer: Promise<DnsAnswer>, question: Question, source: DnsEvent["source"]): Promise<DnsAnswer> {
    const tell = this.#tell;
    if (tell === undefined) return answer;
    const began = this.#now();
    const told = (outcome: DnsEvent["outcome"], from: DnsEvent["source"]) =>
      tell({ ...question, outcome, source: from, ms: this.#now() - began });
    return answer.then((given) => {
      told(given.status, given.stale ? "stale" : source);
      return given;
    }, (error: DnsError) => {
      told(error.code, source);
      throw error;
    });
  }
}

function dnsError({ name, type }: Question, { code, detail }: Failure): DnsError {
  return new DnsError(code, `${name} ${type}`, detail);
}
