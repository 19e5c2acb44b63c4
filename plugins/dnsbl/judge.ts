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
  note,
  type Opinion,
  type Refusal,
  reject,
  score,
} from "sallyport";
import { askAll, type Outcome, type Query } from "./question.ts";
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

export class Judge {
  readonly #terms: Terms;
  /** This plugin's own listings: another one's beside it are its own affair. */
  readonly #listings: FindingKey<readonly Listing[]> = finding("dnsbl-listings");
  readonly #troubles = new Troubles();

  constructor(terms: Terms) {
    this.#terms = terms;
  }

  /** Asks, and says what follows. */
  async judge(session: ConnectFacts, queries: readonly Query[], io: Io): Promise<Opinion> {
    const outcomes = await askAll(queries, io);
    const notes = outcomes.flatMap((outcome) => this.#tell(outcome, io));
    const fresh = outcomes.flatMap(listing);
    const before = session.findings.get(this.#listings);
    if (fresh.length === 0 && before !== undefined) return notes;
    const all = [...before ?? [], ...fresh];
    const against = accusers(all);
    const verdict = this.#verdict(fresh, sum(all));
    const reason = verdict && await reasonOf(against[0]!, io, this.#terms.reasonTimeout);
    return [
      ...notes,
      found(this.#listings, all),
      found(DNSBL, merged(session.findings.get(DNSBL), fresh, { of: against[0], reason })),
      ...this.#points(fresh),
      ...this.#allowed(all),
      verdict?.(refusalText(against, reason)),
    ];
  }

  /** A word for the trail about each zone that had something to say, and about each that should have had. */
  #tell({ query: { zone }, said }: Outcome, io: Io): Action[] {
    if (said === undefined) return [];
    if (said === "skipped") {
      io.count("dnsbl_skipped", { zone: zone.shown });
      return [note(zone.shown, "skipped")];
    }
    if ("error" in said) {
      this.#troubles.tell(zone, said, io);
      return [note(zone.shown, said.error)];
    }
    io.count("dnsbl_listed", { zone: zone.shown });
    return [note(zone.shown, said.answers.join(" "))];
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

function listing({ query, said }: Outcome): Listing[] {
  if (said === undefined || said === "skipped" || "error" in said) return [];
  return [{ query, listed: said }];
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
