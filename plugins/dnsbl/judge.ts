/**
 * Weighs what the lists say: of the client first, then of the names it gives. What was found at an earlier stage counts
 * on, so that several light listings add up.
 */
import {
  type Action,
  ALLOWED,
  type ConnectFacts,
  defer,
  DNSBL,
  type DnsblFinding,
  finding,
  type FindingKey,
  found,
  type Io,
  type Opinion,
  type Refusal,
  reject,
  Remembered,
  score,
  TimedDns,
} from "sallyport";
import { type Outcomes, outcomesOf } from "./outcome.ts";
import { askAll, type Query } from "./question.ts";
import { accusers, type Listing, reasonOf, refusalText } from "./reply.ts";
import { Troubles } from "./troubles.ts";

/** How listings are judged. */
export interface Terms {
  readonly mode: "verdict" | "score";
  readonly threshold: number;
  readonly defer?: number | undefined;
  readonly allowThreshold?: number | undefined;
  readonly reasonTimeout: number;
}

/** Of all clients that no list knows. */
const NOT_LISTED: DnsblFinding = Object.freeze({ score: 0, lists: Object.freeze([]) });

export class Judge {
  readonly #terms: Terms;
  /** This plugin's own listings: another one's beside it are its own affair. */
  readonly #listings: FindingKey<readonly Listing[]> = finding("dnsbl-listings");
  readonly #troubles = new Troubles();
  /** New whenever the health of a zone changes: what was found out before does not hold any more. */
  #known = new Remembered<Outcomes>();
  /** By name and zone; "" where the list says nothing. */
  readonly #reasons = new Remembered<string>();
  /** What most clients come to. */
  readonly #clean: readonly Action[] = [found(this.#listings, []), found(DNSBL, NOT_LISTED)];

  constructor(terms: Terms) {
    this.#terms = terms;
  }

  /** A zone has failed its test, or has passed it again. */
  healthChanged(): void {
    this.#known = new Remembered();
  }

  /**
   * Asks, and says what follows; at once where that was asked lately.
   * @param about what is asked about: the same text, the same questions
   */
  judge(
    session: ConnectFacts,
    about: string,
    questions: () => readonly Query[],
    io: Io,
  ): Opinion | Promise<Opinion> {
    const known = this.#known.get(about, io.now());
    if (known !== undefined) return this.#weigh(session, known, io);
    const queries = questions();
    return queries.length === 0 ? undefined : this.#ask(session, about, queries, io);
  }

  async #ask(session: ConnectFacts, about: string, queries: readonly Query[], io: Io): Promise<Opinion> {
    const known = this.#known;
    const began = io.now();
    const dns = new TimedDns(io.dns);
    const outcomes = outcomesOf(await askAll(queries, { dns, after: io.after }));
    known.keep(about, outcomes, dns.ttl, began);
    return this.#weigh(session, outcomes, io);
  }

  #weigh(session: ConnectFacts, outcomes: Outcomes, io: Io): Opinion | Promise<Opinion> {
    outcomes.tell(this.#troubles, io);
    const { listings: fresh, notes } = outcomes;
    const before = session.findings.get(this.#listings);
    if (fresh.length === 0) {
      if (before !== undefined) return notes;
      if (notes.length === 0 && session.findings.get(DNSBL) === undefined) return this.#clean;
    }
    const all = [...before ?? [], ...fresh];
    const against = accusers(all);
    const verdict = this.#verdict(fresh, sum(all));
    const parts = (reason?: string): Opinion => [
      ...notes,
      found(this.#listings, all),
      found(DNSBL, merged(session.findings.get(DNSBL), fresh, { of: against[0], reason })),
      ...this.#points(fresh),
      ...this.#allowed(all),
      verdict?.(refusalText(against, reason)),
    ];
    if (verdict === undefined) return parts();
    const reason = this.#reason(against[0]!, io);
    return reason instanceof Promise ? reason.then(parts) : parts(reason);
  }

  /** Undefined where the list says nothing, or says it too late. */
  #reason(against: Listing, io: Io): string | undefined | Promise<string | undefined> {
    const patience = this.#terms.reasonTimeout;
    if (patience === 0) return undefined;
    const { name, zone } = against.query;
    const key = `${name}.${zone.zone}`;
    const known = this.#reasons.get(key, io.now());
    if (known !== undefined) return known === "" ? undefined : known;
    const began = io.now();
    const dns = new TimedDns(io.dns);
    return reasonOf(against, { dns, after: io.after }, patience).then((reason) => {
      this.#reasons.keep(key, reason ?? "", dns.ttl, began);
      return reason;
    });
  }

  /** What makes the refusal; nothing where this stage has not added to the sum. */
  #verdict(fresh: readonly Listing[], total: number): ((text: string) => Refusal) | undefined {
    const { mode, threshold, defer: defers = Infinity } = this.#terms;
    if (mode === "score" || !fresh.some(({ listed }) => listed.weight > 0)) return undefined;
    if (total >= threshold) return (text) => reject("5.7.1", text);
    return total >= defers ? (text) => defer("4.7.1", text) : undefined;
  }

  #points(fresh: readonly Listing[]): Action[] {
    if (this.#terms.mode === "verdict") return [];
    return fresh.filter(({ listed }) => listed.weight !== 0).map(({ listed, query }) =>
      score(listed.weight, `${query.zone.of} is on ${query.zone.shown}`)
    );
  }

  #allowed(all: readonly Listing[]): Action[] {
    const { allowThreshold = -Infinity } = this.#terms;
    if (sum(all) > allowThreshold) return [];
    const names = all.filter(({ listed }) => listed.weight < 0).map(({ query }) => query.zone.shown);
    return [found(ALLOWED, `on ${names.join(", ")}`)];
  }
}

function sum(listings: readonly Listing[]): number {
  return listings.reduce((total, { listed }) => total + listed.weight, 0);
}

/** The shared finding, with what is new. */
function merged(
  before: DnsblFinding = { score: 0, lists: [] },
  fresh: readonly Listing[],
  told: { readonly of: Listing | undefined; readonly reason: string | undefined },
): DnsblFinding {
  const lists = fresh.map((each) => ({
    zone: each.query.zone.shown,
    answers: each.listed.answers,
    weight: each.listed.weight,
    reason: told.of === each ? told.reason : undefined,
  }));
  return { score: before.score + sum(fresh), lists: [...before.lists, ...lists] };
}
