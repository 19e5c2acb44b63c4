/**
 * What Redis answers to the scripts, read. Between it and us may stand what is no Redis, or one with other scripts: an
 * answer of any other form is an error of the store, and never taken for "no room" or "a stranger". A reader throws
 * where it is none.
 */
import type { GreylistAnswer, LeaseAnswer, RateAnswer } from "../policy/effects.ts";
import { STATES } from "./scripts.ts";

export function readCount(answer: unknown): number {
  return whole(answer, -Infinity);
}

/** @param keys how many rates were drawn on */
export function readDraw(answer: unknown, keys: number): RateAnswer {
  const [limiting, wait, ...remaining] = list(answer, 2 + keys);
  const index = whole(limiting, -1, keys - 1);
  const retryAfter = whole(wait, -1);
  for (const left of remaining) whole(left, 0);
  return {
    allowed: index === -1,
    limiting: index,
    retryAfter: retryAfter === -1 ? Infinity : retryAfter,
    remaining: remaining as number[],
  };
}

export function readGreylist(answer: unknown): GreylistAnswer {
  const [state, wait, age] = list(answer, 3);
  return { state: STATES[whole(state, 0, STATES.length - 1)]!, wait: whole(wait, 0), age: whole(age, 0) };
}

export function readLease(answer: unknown): LeaseAnswer {
  const [held, count] = list(answer, 2);
  return { held: whole(held, 0, 1) === 1, count: whole(count, 0) };
}

function list(answer: unknown, length: number): readonly unknown[] {
  if (Array.isArray(answer) && answer.length === length) return answer;
  throw new TypeError(`no list of ${length}`);
}

/** Redis has no other numbers. */
function whole(given: unknown, least: number, most = Infinity): number {
  if (Number.isInteger(given) && (given as number) >= least && (given as number) <= most) {
    return given as number;
  }
  throw new TypeError("no whole number, or none that can be meant");
}
