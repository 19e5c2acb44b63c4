/**
 * What a round of questions came to, to be told and judged as often as it is remembered.
 */
import { type Action, type Io, note } from "sallyport";
import type { Outcome } from "./question.ts";
import type { Listing } from "./reply.ts";
import type { Troubles } from "./troubles.ts";

export class Outcomes {
  /** What was found of the client. */
  readonly listings: readonly Listing[];
  /** A word for the trail about each zone that had something to say, and about each that should have had. */
  readonly notes: readonly Action[];
  readonly #notable: readonly Outcome[];

  constructor(notable: readonly Outcome[]) {
    this.#notable = notable;
    this.listings = notable.flatMap(listing);
    this.notes = notable.map(({ query: { zone }, said }) => note(zone.shown, word(said!)));
  }

  /** Counts it, and tells of what has gone wrong. */
  tell(troubles: Troubles, io: Io): void {
    for (const { query: { zone }, said } of this.#notable) {
      if (said === "skipped") io.count("dnsbl_skipped", zone.label);
      else if ("error" in said!) troubles.tell(zone, said, io);
      else io.count("dnsbl_listed", zone.label);
    }
  }
}

/** No list knows the client: so it is with most. */
const NOTHING = new Outcomes([]);

export function outcomesOf(all: readonly Outcome[]): Outcomes {
  const notable = all.filter(({ said }) => said !== undefined);
  return notable.length === 0 ? NOTHING : new Outcomes(notable);
}

function listing({ query, said }: Outcome): Listing[] {
  if (said === undefined || said === "skipped" || "error" in said) return [];
  return [{ query, listed: said }];
}

function word(said: NonNullable<Outcome["said"]>): string {
  if (said === "skipped") return said;
  return "error" in said ? said.error : said.answers.join(" ");
}
