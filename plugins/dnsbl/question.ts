/**
 * All zones asked at once about what is known of a client. Who does not answer in time is left out: the others count.
 */
import { type DnsAnswer, DnsError, type Io } from "sallyport";
import { type Listed, readAnswer, type Trouble } from "./answers.ts";
import type { Health, Kind } from "./health.ts";
import type { Zone } from "./sites.ts";

/** One zone and the name it is asked for. */
export interface Query {
  readonly zone: AskedZone;
  readonly name: string;
  readonly kind: Kind;
}

/** A zone as it is used. */
export interface AskedZone extends Zone {
  /** What logs, metrics and clients are told: it hides a key in the zone. */
  readonly shown: string;
  /** Of metrics. */
  readonly label: { readonly zone: string };
  /** Undefined: it is used untested. */
  readonly health: Health | undefined;
}

/** What came of a query. */
export interface Outcome {
  readonly query: Query;
  /** Nothing: the name is not listed. `skipped`: the zone has failed its test. */
  readonly said: Listed | Trouble | "skipped" | undefined;
}

/** Asks. The promise never rejects for what the DNS does, and takes no longer than the longest timeout of a zone. */
export function askAll(
  queries: readonly Query[],
  io: Pick<Io, "dns" | "after">,
): Promise<readonly Outcome[]> {
  return new Promise((resolve, reject) => new Round(queries, io, resolve, reject));
}

class Round {
  readonly #queries: readonly Query[];
  readonly #said: (DnsAnswer<"A"> | Trouble | "skipped" | undefined)[];
  readonly #cancels: (() => void)[] = [];
  /** Questions and tests that are waited for. */
  #open = 0;
  readonly #resolve: (outcomes: readonly Outcome[]) => void;

  constructor(
    queries: readonly Query[],
    { dns, after }: Pick<Io, "dns" | "after">,
    resolve: (outcomes: readonly Outcome[]) => void,
    reject: (cause: unknown) => void,
  ) {
    this.#queries = queries;
    this.#resolve = resolve;
    this.#said = new Array(queries.length).fill(undefined);
    // One that is held until all are asked: an answer may be there at once.
    this.#open = 1;
    for (const [i, query] of queries.entries()) this.#ask(i, query, dns, reject);
    this.#waitForTests();
    if (this.#open > 1) this.#watch(after);
    this.#done();
  }

  #ask(i: number, { zone, name, kind }: Query, dns: Io["dns"], reject: (cause: unknown) => void): void {
    if (zone.health?.fault(kind) !== undefined) {
      this.#said[i] = "skipped";
      return;
    }
    this.#open++;
    const took = (said: DnsAnswer<"A"> | Trouble) => {
      // Too late: it is recorded as such.
      if (this.#said[i] !== undefined) return;
      this.#said[i] = said;
      this.#done();
    };
    dns.resolve(`${name}.${zone.zone}`, "A").then(took, (cause: unknown) => {
      if (cause instanceof DnsError) {
        took({ error: cause.code, text: `the name servers failed (${cause.code})` });
      } else reject(cause);
    });
  }

  /** A zone whose first test is under way may prove to be none. */
  #waitForTests(): void {
    for (const test of new Set(this.#queries.map(({ zone }) => zone.health?.first))) {
      if (test === undefined) continue;
      this.#open++;
      test.finally(() => this.#done());
    }
  }

  #watch(after: Io["after"]): void {
    const limits = new Set(this.#queries.map(({ zone }) => zone.timeout));
    const longest = Math.max(...limits);
    for (const limit of limits) {
      this.#cancels.push(after(limit, () => {
        this.#late(limit);
        if (limit === longest) this.#finish();
      }));
    }
  }

  #late(limit: number): void {
    for (const [i, { zone }] of this.#queries.entries()) {
      if (zone.timeout !== limit || this.#said[i] !== undefined) continue;
      this.#said[i] = { error: "late", text: `no answer within ${limit} ms` };
      this.#done();
    }
  }

  #done(): void {
    if (--this.#open === 0) this.#finish();
  }

  #finish(): void {
    if (this.#open < 0) return;
    this.#open = -1;
    for (const cancel of this.#cancels) cancel();
    this.#resolve(this.#queries.map((query, i) => ({ query, said: this.#reading(query, this.#said[i]!) })));
  }

  /** A zone that failed its test meanwhile is not believed. */
  #reading({ zone, kind }: Query, said: DnsAnswer<"A"> | Trouble | "skipped"): Outcome["said"] {
    if (said === "skipped" || zone.health?.fault(kind) !== undefined) return "skipped";
    return "error" in said ? said : readAnswer(said, zone.patterns);
  }
}
