/**
 * What the DNS has said, for as long as it holds: answers by their TTL, a "no" by its zone's SOA (RFC 2308), failures
 * for a few seconds (RFC 9520), and past its time an answer that nobody can renew (RFC 8767). Bounded in entries and
 * in memory: whoever writes an SPF record chooses how large it is.
 */

import { LRUCache } from "lru-cache";
import type { DnsAnswer, DnsError } from "../policy/effects.ts";
import type { Found } from "./lookup.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Shortest and longest time for which an answer is kept, whatever its TTL. */
const SHORTEST = SECOND;
const LONGEST = 24 * HOUR;
/** How long a "no" is kept that does not say how long it holds, and the longest for any (RFC 2308 §5 asks for a limit). */
const NO = 30 * SECOND;
const LONGEST_NO = 15 * MINUTE;
/** How long a failure is kept where there is no answer past its time to give instead. */
const FAILURE = 5 * SECOND;
/** How long past its time an answer may be given, and how long until the servers are asked again (RFC 8767 §4, §5). */
const LONGEST_STALE = HOUR;
const STALE = 30 * SECOND;

/** Octets of memory an entry takes besides its records, how many those take for each octet on the wire, and a mean entry. */
const ENTRY = 256;
const PER_OCTET = 4;
const MEAN = 2048;

interface Entry {
  /** What it said last; undefined where only failures have come. */
  readonly found: Found | undefined;
  /** Until when that holds. */
  readonly fresh: number;
  /** Why it could not be asked since. */
  error: DnsError | undefined;
  /** Until when it is not asked again. */
  quiet: number;
}

export class Cache {
  readonly #entries: LRUCache<string, Entry>;

  /** @param entries how many questions are remembered at most */
  constructor(entries: number) {
    this.#entries = new LRUCache({ max: entries, maxSize: entries * MEAN });
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What may be said at `now` without asking. */
  get(key: string, now: number): DnsAnswer | DnsError | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (now < entry.fresh) return answer(entry.found!, entry.fresh - now, false);
    if (now >= entry.quiet) return undefined;
    return stale(entry, now) ?? entry.error;
  }

  /** What may be said where it cannot be asked. */
  getStale(key: string, now: number): DnsAnswer | undefined {
    const entry = this.#entries.get(key);
    return entry && stale(entry, now);
  }

  /** Remembers what the DNS said. */
  keep(key: string, found: Found, now: number): DnsAnswer {
    const lifetime = lifetimeOf(found);
    const entry = { found, fresh: now + lifetime, error: undefined, quiet: 0 };
    this.#entries.set(key, entry, { size: ENTRY + key.length + PER_OCTET * found.size });
    return answer(found, lifetime, false);
  }

  /** Remembers that it could not be asked. @returns what may be said instead */
  fail(key: string, error: DnsError, now: number): DnsAnswer | DnsError {
    const entry = this.#entries.get(key);
    if (entry !== undefined && stale(entry, now) !== undefined) {
      entry.error = error;
      entry.quiet = now + STALE;
      return stale(entry, now) ?? error;
    }
    const failed = { found: undefined, fresh: 0, error, quiet: now + FAILURE };
    this.#entries.set(key, failed, { size: ENTRY + key.length });
    return error;
  }

  clear(): void {
    this.#entries.clear();
  }
}

function answer({ says, records }: Found, ttl: number, stale: boolean): DnsAnswer {
  return { status: says, records, ttl, stale };
}

/** An answer past its time, for as long as it may be given without asking again. */
function stale({ found, fresh, quiet }: Entry, now: number): DnsAnswer | undefined {
  const last = fresh + LONGEST_STALE;
  if (found === undefined || now < fresh || now >= last) return undefined;
  return answer(found, Math.min(quiet > now ? quiet - now : STALE, last - now), true);
}

function lifetimeOf({ says, ttl }: Found): number {
  if (says === "ok") return Math.min(Math.max((ttl ?? 0) * SECOND, SHORTEST), LONGEST);
  return ttl === undefined ? NO : Math.min(Math.max(ttl * SECOND, SHORTEST), LONGEST_NO);
}
