/**
 * What a reply says to a question: records, no such records, no such name, another name to ask for, or a refusal
 * (RFC 1034 §4.3, RFC 2308 §2, RFC 6604).
 */

import type { DnsErrorCode, DnsRecords } from "../policy/effects.ts";
import { isWithin } from "./name.ts";
import type { Message, Question, Resource } from "./packet.ts";
import { type Failure, failure } from "./query.ts";

/** Times are in seconds. */
export type Reading =
  | { readonly says: "ok"; readonly records: readonly DnsRecords[Question["type"]][]; readonly ttl: number }
  /** `ttl` is undefined where the reply does not tell for how long. */
  | { readonly says: "nodata" | "nxdomain"; readonly ttl: number | undefined }
  /** The records are those of another name, and this reply does not hold them. */
  | { readonly says: "alias"; readonly name: string; readonly ttl: number }
  | Failure;

/** Aliases that one reply may lead through. */
const ALIASES = 16;

const NXDOMAIN = 3;
const REFUSALS: Readonly<Record<number, readonly [DnsErrorCode, string]>> = {
  1: ["EFORMERR", "FORMERR"],
  2: ["ESERVFAIL", "SERVFAIL"],
  4: ["ENOTIMP", "NOTIMP"],
  5: ["EREFUSED", "REFUSED"],
};

/** Reads a reply to this question. */
export function readReply(message: Message, question: Question): Reading {
  const { rcode } = message;
  if (rcode !== 0 && rcode !== NXDOMAIN) return refusal(rcode);
  const end = followAliases(message.answers, question);
  if (end === undefined) return failure("EBADRESP", "its aliases form a loop");
  if (rcode === NXDOMAIN) return { says: "nxdomain", ttl: shortest(end.ttl, negativeTtl(message, end.name)) };
  const found = message.answers.filter(({ name, type }) => name === end.name && type === question.type);
  if (found.length > 0) {
    const ttl = Math.min(end.ttl, ...found.map((each) => each.ttl));
    return { says: "ok", records: found.map(({ data }) => data), ttl };
  }
  return nothing(message, question, end);
}

function refusal(rcode: number): Failure {
  const [code, word] = REFUSALS[rcode] ?? ["EBADRESP", `code ${rcode}`];
  return failure(code, `it answered ${word}`);
}

/** No error and no record: there is none, or another name has to be asked for, or another server. */
function nothing(message: Message, question: Question, end: Chain): Reading {
  const ttl = negativeTtl(message, end.name);
  const known = ttl !== undefined || end.name === question.name;
  if (!known) return { says: "alias", ...end };
  if (isReferral(message)) return failure("EREFUSED", "it only refers to other servers");
  return { says: "nodata", ttl: shortest(end.ttl, ttl) };
}

/** The servers of a part of the tree instead of an answer, from a server that looks nothing up (RFC 2308 §2.2). */
function isReferral({ authoritative, recursive, authorities }: Message): boolean {
  return !authoritative && !recursive && authorities.some(({ type }) => type === "NS");
}

/** Where a chain of aliases ends, and the shortest time of its links (Infinity where there is none). */
interface Chain {
  readonly name: string;
  readonly ttl: number;
}

/** Undefined for a chain that does not end. */
function followAliases(answers: readonly Resource[], { name, type }: Question): Chain | undefined {
  let end: Chain = { name, ttl: Infinity };
  if (type === "CNAME") return end;
  for (let left = ALIASES; left > 0; left--) {
    const link = answers.find((each) => each.type === "CNAME" && each.name === end.name);
    if (link?.type !== "CNAME") return end;
    end = { name: link.data, ttl: Math.min(end.ttl, link.ttl) };
  }
  return undefined;
}

/** How long a "no" about this name holds (RFC 2308 §5); undefined without the SOA of its zone. */
function negativeTtl({ authorities }: Message, name: string): number | undefined {
  const found = authorities.find((each) => each.type === "SOA" && isWithin(name, each.name));
  return found?.type === "SOA" ? Math.min(found.ttl, found.data.minttl) : undefined;
}

function shortest(chain: number, negative: number | undefined): number | undefined {
  return negative === undefined ? undefined : Math.min(chain, negative);
}
