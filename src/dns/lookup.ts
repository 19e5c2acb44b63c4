/**
 * One question to the name servers: the next one is asked at once where one fails, the whole list is gone through again
 * where none answered, aliases are followed, and all of it ends in time.
 */

import type { DnsErrorCode, DnsRecords, RecordType } from "../policy/effects.ts";
import type { NameServer } from "./exchange.ts";
import type { Failover } from "./failover.ts";
import { plainName } from "./name.ts";
import type { Question } from "./packet.ts";
import { type Failure, failure } from "./query.ts";
import { type Reading, readReply } from "./reading.ts";

/** What the DNS says. */
export interface Found {
  readonly says: "ok" | "nodata" | "nxdomain";
  /** Empty unless `ok`. */
  readonly records: readonly DnsRecords[RecordType][];
  /** Seconds; undefined where nothing was told. */
  readonly ttl: number | undefined;
  /** Octets of the reply that it is from. */
  readonly size: number;
}

/** Times are in milliseconds. */
export interface LookupOptions {
  readonly now: () => number;
  /** How long one server may take. */
  readonly tryTimeout: number;
  /** How often the list of servers is gone through. */
  readonly tries: number;
}

/** Names that may be asked for on the way to the records, besides those that a server follows itself. */
const HOPS = 8;

/** Codes in order of how much they tell where servers fail in different ways. */
const TELLING: readonly DnsErrorCode[] = [
  "ESERVFAIL",
  "EFORMERR",
  "ENOTIMP",
  "EREFUSED",
  "EBADRESP",
  "ETIMEOUT",
  "ECONNREFUSED",
];

type Answer = Exclude<Reading, Failure>;

/** What came of asking one server; `again`: it may yet answer the same question. */
type Outcome = { readonly answer: Answer; readonly size: number } | {
  readonly failure: Failure;
  readonly again: boolean;
};

export class Lookup {
  readonly #servers: Failover;
  readonly #options: LookupOptions;

  constructor(servers: Failover, options: LookupOptions) {
    this.#servers = servers;
    this.#options = options;
  }

  /**
   * Follows a question to its end.
   * @param patience how long all of it may take
   */
  async find({ name, type }: Question, patience: number): Promise<Found | Failure> {
    const end = this.#options.now() + patience;
    let asked: string | undefined = name;
    let ttl = Infinity;
    for (let hop = 0; hop <= HOPS; hop++) {
      const outcome = await this.#ask({ name: asked, type }, end);
      if ("says" in outcome) return outcome;
      const { answer, size } = outcome;
      if (answer.says !== "alias") return found(answer, ttl, size);
      ttl = Math.min(ttl, answer.ttl);
      asked = plainName(answer.name);
      // An alias of a name that cannot exist.
      if (asked === undefined) return { says: "nxdomain", records: [], ttl, size };
    }
    return failure("EBADRESP", `more than ${HOPS} aliases follow each other`);
  }

  /** One name to the servers, until one answers. */
  async #ask(question: Question, end: number): Promise<Extract<Outcome, { answer: Answer }> | Failure> {
    const failures = new Map<NameServer, Failure>();
    const finished = new Set<NameServer>();
    for (let round = 0; round < this.#options.tries; round++) {
      for (const server of this.#servers.order()) {
        if (finished.has(server)) continue;
        if (failures.size > 0 && this.#options.now() >= end) return together(failures);
        const outcome = await this.#askOne(server, question, end);
        if ("answer" in outcome) return outcome;
        failures.set(server, outcome.failure);
        if (!outcome.again) finished.add(server);
      }
    }
    return together(failures);
  }

  async #askOne(server: NameServer, question: Question, end: number): Promise<Outcome> {
    const { now, tryTimeout } = this.#options;
    const asked = now();
    const message = await server.ask(question, () => Math.max(1, Math.min(tryTimeout, end - now())));
    if ("says" in message) {
      this.#servers.failed(server, asked);
      return { failure: message, again: message.code !== "ECONNREFUSED" };
    }
    const reading = readReply(message, question);
    if (reading.says !== "failure") {
      this.#servers.answered(server);
      return { answer: reading, size: message.size };
    }
    // SERVFAIL and the like are mostly the name's fault, not the server's; REFUSED is the server's.
    if (reading.code === "EREFUSED") this.#servers.failed(server);
    else this.#servers.answered(server);
    return { failure: reading, again: false };
  }
}

function found(answer: Exclude<Answer, { says: "alias" }>, chain: number, size: number): Found {
  const { says, ttl } = answer;
  // All who ask share them.
  const records = Object.freeze(says === "ok" ? answer.records : []);
  return { says, records, size, ttl: ttl === undefined ? undefined : Math.min(ttl, chain) };
}

/** The most telling code, and what each server did. */
function together(failures: ReadonlyMap<NameServer, Failure>): Failure {
  const codes = [...failures.values()].map(({ code }) => code);
  const details = [...failures].map(([{ name }, { detail }]) => `${name}: ${detail}`);
  return failure(TELLING.find((code) => codes.includes(code)) ?? "ETIMEOUT", details.join("; "));
}
