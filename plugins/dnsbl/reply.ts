/**
 * What a refused client is told: which lists know it, and what the heaviest of them says why (RFC 5782 §2.1).
 */
import { DnsError, type Io, utf8Text, within } from "sallyport";
import type { Listed } from "./answers.ts";
import type { Query } from "./question.ts";
import type { Subject } from "./sites.ts";

/** A list that knows a name of the client's. */
export interface Listing {
  readonly query: Query;
  readonly listed: Listed;
}

const WORDS: Readonly<Record<Subject, string>> = {
  client: "Client host",
  helo: "HELO name",
  sender: "Sender domain",
  reverse: "Client name",
};

/** Lists that a reply names. */
const NAMED = 3;
/** Characters of a reason. */
const LONGEST_REASON = 200;
/** Characters of a reply's text. */
const LONGEST_TEXT = 400;

/** The lists that speak against the client, the heaviest first. */
export function accusers(listings: readonly Listing[]): readonly Listing[] {
  return listings.filter(({ listed }) => listed.weight > 0)
    .toSorted((a, b) => b.listed.weight - a.listed.weight);
}

/** @param against not empty */
export function refusalText(against: readonly Listing[], reason: string | undefined): string {
  const names = [...new Set(against.map(({ query }) => query.zone.shown))].slice(0, NAMED).join(", ");
  const text = `${WORDS[against[0]!.query.zone.of]} blocked using ${names}`;
  return shortened(reason === undefined ? text : `${text}: ${reason}`, LONGEST_TEXT);
}

/**
 * What a list says why, as one line of printable ASCII; undefined where it says nothing in time.
 * @param patience milliseconds
 */
export async function reasonOf(
  { query }: Listing,
  io: Pick<Io, "dns" | "after">,
  patience: number,
): Promise<string | undefined> {
  try {
    const answer = await within(io, patience, io.dns.resolve(`${query.name}.${query.zone.zone}`, "TXT"));
    const reason = plainText(answer?.records[0]?.join("") ?? "");
    return reason === "" ? undefined : reason;
  } catch (cause) {
    if (cause instanceof DnsError) return undefined;
    throw cause;
  }
}

/** Whoever runs a list, or its name servers, writes this: it may hold anything. */
function plainText(wire: string): string {
  return shortened(utf8Text(wire).replace(/\s+/g, " ").trim().replace(/[^ -~]/gu, "?"), LONGEST_REASON);
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text;
}
