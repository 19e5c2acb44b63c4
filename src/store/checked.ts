/**
 * What may be asked of a store. Anything else is the caller's mistake and no fault of the store: a RangeError, before
 * any driver sees a number that Lua, SQL and JavaScript take differently.
 */
import type { GreylistTriplet, Rate } from "../policy/effects.ts";

/** 300 years: the longest time, in milliseconds, that every driver can add to a date without losing digits. */
const LONGEST = 1e13;

/** @throws RangeError */
export function checkRates(deed: string, rates: readonly Rate[]): void {
  for (const { interval, burst, cost } of rates) {
    if (!isTime(interval)) refuse(deed, "interval", interval, TIMES);
    if (!isCount(burst)) refuse(deed, "burst", burst, COUNTS);
    if (!isCount(cost)) refuse(deed, "cost", cost, COUNTS);
    if (burst * interval > LONGEST) {
      refuse(deed, "interval", interval, `so much that ${burst} of them are 300 years at the most`);
    }
  }
}

/** @throws RangeError */
export function checkTriplet(deed: string, triplet: GreylistTriplet): void {
  const { delay, window, memory, passes, strangers, period } = triplet;
  if (delay !== 0 && !isTime(delay)) refuse(deed, "delay", delay, "milliseconds from 0");
  if (!isTime(window) || window <= delay) refuse(deed, "window", window, "milliseconds above the delay");
  if (!isTime(memory)) refuse(deed, "memory", memory, TIMES);
  if (!isCount(passes)) refuse(deed, "passes", passes, COUNTS);
  if (!isCount(strangers)) refuse(deed, "strangers", strangers, COUNTS);
  if (!isTime(period)) refuse(deed, "period", period, TIMES);
}

/** @throws RangeError */
export function checkLease(deed: string, limit: number, ttl: number): void {
  if (!isCount(limit)) refuse(deed, "limit", limit, COUNTS);
  checkTtl(deed, ttl);
}

/** @throws RangeError */
export function checkCount(deed: string, by: number, ttl: number): void {
  if (!Number.isSafeInteger(by)) refuse(deed, "by", by, "a whole number");
  checkTtl(deed, ttl);
}

/** @throws RangeError */
export function checkTtl(deed: string, ttl: number): void {
  if (!isTime(ttl)) refuse(deed, "ttl", ttl, TIMES);
}

/** What `work` throws is a rejection, as of an async function; it costs less than one. */
export function rejecting<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (cause) {
    return Promise.reject(cause);
  }
}

const TIMES = "milliseconds above 0 and up to 300 years";
const COUNTS = "a whole number from 0";

function isTime(value: number): boolean {
  return value > 0 && value <= LONGEST;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function refuse(deed: string, what: string, given: number, allowed: string): never {
  throw new RangeError(`Cannot ${deed}: ${what} ${given} was given; allowed is ${allowed}`);
}
