/**
 * What several servers offer in common: a client that is offered no more can be served by any of them.
 */
import type { Extensions } from "./extensions.ts";

/** How two servers' parameters of one keyword become what both can do; undefined: nothing. */
type Meeting = (one: string, other: string) => string | undefined;

const MEETINGS: ReadonlyMap<string, Meeting> = new Map<string, Meeting>([
  ["SIZE", smallerSize],
  ["LIMITS", smallerLimits],
  // RFC 2852 §3: the least time a server can promise.
  ["DELIVERBY", (one, other) => String(Math.max(Number(one) || 0, Number(other) || 0) || "")],
]);

/** The keywords that all have, each with parameters that hold for all. `undefined` when there are no servers. */
export function commonExtensions(all: readonly Extensions[]): Extensions | undefined {
  if (all.length === 0) return undefined;
  const common = new Map(all[0]);
  for (const other of all.slice(1)) {
    for (const [keyword, value] of common) {
      const theirs = other.get(keyword);
      const both = theirs === undefined ? undefined : meet(keyword, value, theirs);
      if (both === undefined) common.delete(keyword);
      else common.set(keyword, both);
    }
  }
  return common;
}

/** Where nothing is known of a keyword's parameters, only the same ones are common. */
function meet(keyword: string, one: string, other: string): string | undefined {
  if (one === other) return one;
  return MEETINGS.get(keyword)?.(one, other);
}

/** RFC 1870 §4: no number, or 0, means no fixed limit. */
export function smallerSize(one: string, other: string): string {
  const sizes = [one, other].map(Number).filter((size) => size > 0);
  return sizes.length === 0 ? "" : String(Math.min(...sizes));
}

/** RFC 9422: of each limit the smaller. */
export function smallerLimits(one: string, other: string): string {
  const limits = new Map<string, number>();
  for (const word of `${one} ${other}`.split(" ")) {
    const [name, value] = word.toUpperCase().split("=");
    const number = Number(value);
    if (/^[A-Z]+MAX$/.test(name!) && number > 0) {
      limits.set(name!, Math.min(number, limits.get(name!) ?? Infinity));
    }
  }
  return [...limits].map(([name, number]) => `${name}=${number}`).join(" ");
}
