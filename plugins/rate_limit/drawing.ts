/**
 * Drawing on several limits at once: on all of them or, where one refuses, on none.
 */
import type { Io, Rate, RateAnswer, Store } from "sallyport";
import type { Draw, Limit } from "./limit.ts";
import type { Stores } from "./stores.ts";

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

export const NOTHING: Drawn = { over: [], delayed: [], taken: [], unknown: false };

/** The rates of a group are one question to the store; several groups are asked at the same time. */
export async function drawAll(draws: readonly Draw[], stores: Stores, io: Io): Promise<Drawn> {
  const [{ group: first } = { group: "" }] = draws;
  if (draws.every(({ group }) => group === first)) return await drawGroup(first, draws, stores, io);
  const groups = Map.groupBy(draws, ({ group }) => group);
  const each = await Promise.all([...groups].map(([group, own]) => drawGroup(group, own, stores, io)));
  const over = each.flatMap((drawn) => drawn.over);
  const taken = each.flatMap((drawn) => drawn.taken);
  const unknown = each.some((drawn) => drawn.unknown);
  const refused = over.some(({ limit }) => limit.refuses) || (unknown && stores.fallback === "defer");
  if (!refused) return { over, delayed: each.flatMap((drawn) => drawn.delayed), taken, unknown };
  await giveBack(taken, stores, io);
  return { over, delayed: [], taken: [], unknown };
}

async function drawGroup(
  group: string,
  draws: readonly Draw[],
  stores: Stores,
  io: Io,
): Promise<Drawn> {
  const over: Over[] = [];
  let rest = draws;
  while (rest.length > 0) {
    const rates = rest.map(({ rate }) => rate);
    const told = await stores.ask(io, (store) => store.draw(group, rates));
    if (told === undefined) return { over, delayed: [], taken: [], unknown: true };
    const { answer, store } = told;
    if (answer.allowed) {
      over.push(...full(rest, answer));
      const back = rest.filter(({ limit }) => limit.givesBack).map(({ rate }) => rate);
      const taken = back.length === 0 ? [] : [{ store, group, rates: back }];
      return { over, delayed: delaysOf(rest, answer), taken, unknown: false };
    }
    const { limit, rate } = rest[answer.limiting]!;
    over.push({ limit, rate, wait: answer.retryAfter });
    if (limit.refuses) break;
    // It only scores, so the others count all the same.
    rest = rest.filter((draw) => draw.limit !== limit);
  }
  return { over, delayed: [], taken: [], unknown: false };
}

/** Limits that were only asked, and have no room for one more. */
function full(draws: readonly Draw[], { remaining }: RateAnswer): Over[] {
  return draws.flatMap(({ limit, rate }, i) =>
    limit.of === "errors" && remaining[i] === 0 ? [{ limit, rate, wait: rate.interval }] : []
  );
}

/** What was lent of a burst has to be waited for, to the next whole draw. */
function delaysOf(draws: readonly Draw[], { remaining }: RateAnswer): Delayed[] {
  return draws.flatMap(({ limit, lent, rate }, i) => {
    const borrowed = lent - remaining[i]!;
    return borrowed > 0 ? [{ limit, ms: borrowed * rate.interval }] : [];
  });
}

/** Gives back what was drawn for mail that was not taken. */
export async function giveBack(
  taken: readonly Taken[],
  stores: Stores,
  io: Pick<Io, "store" | "local" | "now" | "log" | "count">,
): Promise<void> {
  await Promise.all(
    taken.map(({ store, group, rates }) => stores.attempt(io, () => store.refund(group, rates))),
  );
}
