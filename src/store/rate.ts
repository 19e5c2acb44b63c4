/**
 * The rule of rates (GCRA): a bucket fills by the cost of each draw, and empties by one every `interval`. It is kept
 * as a level and its time, not as one "theoretical arrival time": a level is exact in whole draws however short the
 * interval, and a clock that was put back keeps no client waiting for it. `scripts.ts` has the same rule in Lua.
 */
import type { Rate, RateAnswer } from "../policy/effects.ts";
import { keyIn, type Shelf } from "./shelf.ts";

/** How full a bucket was, in units of the cost, and when. */
export interface Level {
  readonly level: number;
  readonly at: number;
}

/** Milliseconds by which a draw may come too early: what rounding makes of "exactly now". */
export const EARLY = 0.001;

/** Draws on all rates, or on none. */
export function draw(
  levels: Shelf<Level>,
  group: string,
  rates: readonly Rate[],
  now: number,
): RateAnswer {
  // A key that comes twice is drawn on twice.
  const filled = new Map<string, number>();
  const before = rates.map(({ key, interval, cost }) => {
    const level = filled.get(key) ?? levelNow(levels.get(keyIn(group, key), now)?.value, interval, now);
    filled.set(key, level + cost);
    return level;
  });
  const answer = judge(rates, before);
  if (!answer.allowed) return answer;
  for (const { key, interval, cost } of rates) {
    if (cost > 0) keep(levels, keyIn(group, key), filled.get(key)!, interval, now);
  }
  return answer;
}

/** Gives back what was drawn; what has emptied by itself stays empty. */
export function refund(levels: Shelf<Level>, group: string, rates: readonly Rate[], now: number): void {
  for (const { key, interval, cost } of rates) {
    const place = keyIn(group, key);
    const kept = levels.get(place, now);
    if (kept === undefined || cost === 0) continue;
    const level = levelNow(kept.value, interval, now) - cost;
    if (level > 0) keep(levels, place, level, interval, now);
    else levels.delete(place);
  }
}

function levelNow(kept: Level | undefined, interval: number, now: number): number {
  if (kept === undefined) return 0;
  return Math.max(0, kept.level - Math.max(0, now - kept.at) / interval);
}

function keep(levels: Shelf<Level>, place: string, level: number, interval: number, now: number): void {
  levels.set(place, { level, at: now }, now + level * interval, now);
}

function judge(rates: readonly Rate[], before: readonly number[]): RateAnswer {
  let limiting = -1;
  let retryAfter = 0;
  for (const [index, rate] of rates.entries()) {
    const wait = waitFor(rate, before[index]!);
    if (wait > retryAfter) [limiting, retryAfter] = [index, wait];
  }
  const allowed = limiting === -1;
  const remaining = rates.map((rate, index) => left(rate, before[index]! + (allowed ? rate.cost : 0)));
  return { allowed, limiting, retryAfter, remaining };
}

/** Whole milliseconds until the rate has room for the draw. */
function waitFor({ interval, burst, cost }: Rate, level: number): number {
  if (cost === 0) return 0;
  if (cost > burst) return Infinity;
  const wait = (level + cost - burst) * interval;
  // Half of it, so that who waits as told is not refused again for the other half.
  return wait <= EARLY ? 0 : Math.ceil(wait - EARLY / 2);
}

/** The highest cost that would be allowed. */
function left({ interval, burst }: Rate, level: number): number {
  return Math.max(0, Math.min(burst, Math.floor(burst - level + EARLY / interval)));
}
