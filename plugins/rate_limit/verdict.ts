/**
 * What a client hears of limits.
 */
import {
  type Action,
  defer,
  delay,
  disconnect,
  type Refusal,
  reject,
  score,
  type Stage,
  type Verdict,
} from "sallyport";
import type { Delayed, Over } from "./drawing.ts";
import type { Counted } from "./stage.ts";

const TOO_MANY: Readonly<Record<Counted, string>> = {
  connections: "Too many connections",
  messages: "Too many messages",
  recipients: "Too many recipients",
  octets: "Too much mail",
  errors: "Too many errors",
};

/** What is said of limits that have no room: the strictest refusal, and the points of those that score. */
export function verdictOf(over: readonly Over[], stage: Stage): (Verdict | Action)[] {
  const refusals = over.filter(({ limit }) => limit.refuses);
  if (refusals.length === 0) {
    return over.map(({ limit }) => score(limit.points, `beyond the limit ${limit.name}`));
  }
  const never = refusals.find(({ wait }) => wait === Infinity);
  if (never !== undefined) return [tooLarge(never)];
  const forGood = refusals.find(({ limit }) => limit.action === "reject");
  if (forGood !== undefined) return [reject("5.7.1", TOO_MANY[forGood.limit.of])];
  const longest = refusals.reduce((one, other) => (other.wait > one.wait ? other : one));
  return [later(stage, TOO_MANY[longest.limit.of], longest.wait)];
}

/** What a limit that has no room brings about, in a word. */
export function deed({ limit, wait }: Over): "defer" | "reject" | "score" {
  if (!limit.refuses) return "score";
  return wait === Infinity || limit.action === "reject" ? "reject" : "defer";
}

/** More at once than ever passes: to let it come again and again would help nobody. */
export function tooLarge({ limit, rate }: Pick<Over, "limit" | "rate">): Refusal {
  return limit.of === "octets"
    ? reject("5.3.4", `A message may count ${rate.burst} octets here, and this one counts ${rate.cost}`, 552)
    : reject("5.7.1", `This counts as ${rate.cost}, and ${rate.burst} is the most that is ever taken`);
}

/** Refuses for now. A client that connects too often is sent away (421). */
export function later(stage: Stage, text: string, wait: number | undefined): Refusal {
  const seconds = wait === undefined ? undefined : Math.max(1, Math.ceil(wait / 1000));
  const when = seconds === undefined ? "later" : `in ${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  const all = `${text}, try again ${when}`;
  return stage === "connect" ? disconnect("4.7.0", all) : defer("4.7.1", all);
}

/** Nobody can say whether there is room. */
export function unknown(stage: Stage): Refusal {
  const text = "Limits cannot be looked up now, try again later";
  return stage === "connect" ? disconnect("4.3.0", text) : defer("4.3.0", text, 451);
}

/** Longest time that a client may be told to wait, in milliseconds. */
const LONGEST = 120_000;

export function waiting(delayed: readonly Delayed[]): Verdict[] {
  const ms = Math.max(0, ...delayed.map(({ ms }) => ms));
  return ms > 0 ? [delay(Math.min(LONGEST, Math.ceil(ms)))] : [];
}
