/**
 * What a DNS list's answer means. Only 127.0.0.0/8 can be a listing (RFC 5782 §2.3): a zone that was given up, and sold,
 * answers every question with the address of a web server. And some answers within it are none: with 127.255.255.x a list
 * says that it does not answer us (too many questions, a public resolver, a wrong key), and many say so with 127.0.0.1.
 */
import type { DnsAnswer } from "sallyport";
import { type Filter, matches } from "./filter.ts";

/** Answers that are meant, and what they weigh. */
export interface Pattern {
  /** All that can be a listing, where there is none. */
  readonly filter: Filter | undefined;
  readonly weight: number;
}

/** A list knows the name that it was asked for. */
export interface Listed {
  /** Its answers that count. */
  readonly answers: readonly string[];
  /** The sum of the patterns that they match. */
  readonly weight: number;
}

/** Nothing follows for the name. `error` is a word for metrics, `text` tells people. */
export interface Trouble {
  readonly error: string;
  readonly text: string;
}

/** @returns undefined where the list does not know the name, or not in a way that is meant */
export function readAnswer(
  { records, stale }: DnsAnswer<"A">,
  patterns: readonly Pattern[],
): Listed | Trouble | undefined {
  // A listing past its time is to be forgotten (RFC 5782 §4).
  if (stale) return { error: "stale", text: "its last answer is past its time, and it could not be asked" };
  if (records.length === 0) return undefined;
  const all = records.map(octetsOf);
  for (const [i, octets] of all.entries()) {
    if (octets[0] !== 127) return { error: "stray", text: `it answered ${records[i]}, as no list does` };
    if (isErrorCode(octets)) return refused(records[i]!);
  }
  let weight = 0;
  const met = new Set<string>();
  for (const pattern of patterns) {
    const hits = records.filter((_, i) => isMeant(pattern, all[i]!));
    if (hits.length === 0) continue;
    weight += pattern.weight;
    for (const hit of hits) met.add(hit);
  }
  if (met.size > 0) return { answers: [...met], weight };
  return all.some(isRefusal) ? refused("127.0.0.1") : undefined;
}

function refused(answer: string): Trouble {
  return { error: "refused", text: `it answered ${answer}: an error of its own, no listing` };
}

export function octetsOf(address: string): number[] {
  return address.split(".").map(Number);
}

/** 127.255.255.x, whatever a filter says. */
export function isErrorCode([a, b, c]: readonly number[]): boolean {
  return a === 127 && b === 255 && c === 255;
}

/** 127.0.0.1 is a listing only for who asks for it. */
function isRefusal([a, b, c, d]: readonly number[]): boolean {
  return a === 127 && b === 0 && c === 0 && d === 1;
}

function isMeant({ filter }: Pattern, octets: readonly number[]): boolean {
  return filter === undefined ? !isRefusal(octets) : matches(filter, octets);
}
