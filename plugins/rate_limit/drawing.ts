/**
 * Drawing on several limits at once: on all of them or, where one refuses, on none.
 */
import type { Io, Rate, RateAnswer, Store } from "sallyport";
import type { Draw, Limit } from "./limit.ts";
import type { Stores, Told } from "./stores.ts";

/** A limit that has no room. */
export interface Over {
  readonly limit: Limit;
  readonly rate: Rate;
  /** Milliseconds until it has; Infinity: never for so much. */
  readonly wait: number;
}

/** A limit that has room later. */
export interface Delayed {
  readonly limit: Limit;
  readonly ms: number;
}

/** What was drawn for mail that may not be taken. */
export interface Taken {
  readonly store: Store;
  readonly group: string;
  readonly rates: readonly Rate[];
  /** When. */
  readonly at: number;
}

/** What drawing came to. */
export interface Drawn {
  readonly over: readonly Over[];
  /** Limits for which the client has to wait, and how many milliseconds. */
  readonly delayed: readonly Delayed[];
  readonly taken: readonly Taken[];
  /** True: somebody could not be asked. */
  readonly unknown: boolean;
}

const NONE: readonly never[] = [];

export const NOTHING: Drawn = { over: NONE, delayed: NONE, taken: NONE, unknown: false };

/** The rates of a group are one question to the store; several groups are asked at the same time. */
export function drawAll(draws: readonly Draw[], stores: Stores, io: Io): Promise<Drawn> {
  const { group } = draws[0]!;
  for (const draw of draws) {
    if (draw.group !== group) return drawGroups(Map.groupBy(draws, (draw) => draw.group), stores, io);
  }
  return drawGroup(group, draws, stores, io);
}

async function drawGroups(
  groups: ReadonlyMap<string, readonly Draw[]>,
  stores: Stores,
  io: Io,
): Promise<Drawn> {
  const each = await Promise.all([...groups].map(([group, own]) => drawGroup(group, own, stores, io)));
  const over = each.flatMap((drawn) => drawn.over);
  const taken = each.flatMap((drawn) => drawn.taken);
  const unknown = each.some((drawn) => drawn.unknown);
  const refused = over.some(({ limit }) => limit.refuses) || (unknown && stores.fallback === "defer");
  if (!refused) return { over, delayed: each.flatMap((drawn) => drawn.delayed), taken, unknown };
  await giveBack(taken, stores, io);
  return { over, delayed: [], taken: [], unknown };
}

/** @param over limits that have shown before that they have no room */
function drawGroup(
  group: string,
  draws: readonly Draw[],
  stores: Stores,
  io: Io,
  over: readonly Over[] = NONE,
): Promise<Drawn> {
  const rates = draws.map(rateOf);
  return stores.ask(io, (store) => store.draw(group, rates)).then((told) => {
    if (told === undefined) return { over, delayed: NONE, taken: NONE, unknown: true };
    const { answer: { allowed, limiting, retryAfter } } = told;
    if (allowed) return drawn(group, draws, over, told, io.now());
    const { limit, rate } = draws[limiting]!;
    const beyond = [...over, { limit, rate, wait: retryAfter }];
    // It only scores, so the others count all the same.
    const rest = limit.refuses ? NONE : draws.filter((draw) => draw.limit !== limit);
    if (rest.length > 0) return drawGroup(group, rest, stores, io, beyond);
    return { over: beyond, delayed: NONE, taken: NONE, unknown: false };
  });
}

function rateOf({ rate }: Draw): Rate {
  return rate;
}

function drawn(
  group: string,
  draws: readonly Draw[],
  before: readonly Over[],
  { store, answer: { remaining } }: Told<RateAnswer>,
  at: number,
): Drawn {
  let over = before;
  let delayed: readonly Delayed[] = NONE;
  let back: readonly Rate[] = NONE;
  for (let i = 0; i < draws.length; i++) {
    const { limit, lent, rate } = draws[i]!;
    const left = remaining[i]!;
    // Errors are only looked at, so that there is room for no more of them has to be seen.
    if (limit.of === "errors" && left === 0) over = [...over, { limit, rate, wait: rate.interval }];
    // What was lent of a burst has to be waited for, to the next whole draw.
    if (lent > left) delayed = [...delayed, { limit, ms: (lent - left) * rate.interval }];
    if (limit.givesBack) back = [...back, rate];
  }
  const taken = back.length === 0 ? NONE : [{ store, group, rates: back, at }];
  return { over, delayed, taken, unknown: false };
}

/** Gives back what was drawn for mail that was not taken. */
export async function giveBack(
  taken: readonly Taken[],
  stores: Stores,
  io: Pick<Io, "store" | "local" | "now" | "log" | "count">,
): Promise<void> {
  const now = io.now();
  await Promise.all(taken.map(({ store, group, rates, at }) => {
    const left = rates.flatMap((rate) => leftOf(rate, now - at));
    return left.length === 0 ? undefined : stores.attempt(io, () => store.refund(group, left));
  }));
}

/** What of a draw the bucket has not got back by itself: given back twice, it would allow more than the burst. */
function leftOf(rate: Rate, elapsed: number): Rate[] {
  const cost = rate.cost - Math.max(0, Math.floor(elapsed / rate.interval));
  return cost > 0 ? [{ ...rate, cost }] : [];
}
