/**
 * The rule of the greylist: who is let in at once, who has waited, who has to. `scripts.ts` has the same rule in Lua.
 */
import type { GreylistAnswer, GreylistTriplet } from "../policy/effects.ts";
import { keyIn, type Shelves } from "./shelf.ts";

/** When a triplet was first seen, and when its last message was taken. */
export interface Triplet {
  readonly first: number;
  readonly passed: number | undefined;
}

type Lists = Pick<Shelves, "triplets" | "passes" | "strangers">;

/** Asks about a triplet; a new one is remembered, unless it is only peeked at or its group has had too many. */
export function ask(lists: Lists, group: string, triplet: GreylistTriplet, now: number): GreylistAnswer {
  const known = find(lists, group, triplet, now);
  const age = known === undefined ? 0 : Math.max(0, Math.floor(now - known.first));
  if (known?.passed !== undefined) return { state: "passed", wait: 0, age };
  if (triplet.passes > 0 && passesOf(lists, group, now) >= triplet.passes) {
    return { state: "allowed", wait: 0, age };
  }
  if (known === undefined) {
    return { state: begin(lists, group, triplet, now), wait: Math.ceil(triplet.delay), age: 0 };
  }
  const wait = Math.ceil(known.first + triplet.delay - now);
  return wait > 0 ? { state: "early", wait, age } : { state: "matured", wait: 0, age };
}

function begin(lists: Lists, group: string, triplet: GreylistTriplet, now: number): "new" | "crowded" {
  const { key, window, strangers, period, peek } = triplet;
  const before = lists.strangers.get(group, now);
  const count = before?.value ?? 0;
  if (count >= strangers) return "crowded";
  if (peek) return "new";
  lists.strangers.set(group, count + 1, before?.expires ?? now + period, now);
  lists.triplets.set(keyIn(group, key), { first: now, passed: undefined }, now + window, now);
  return "new";
}

/** A message of the triplet was taken. Returns the group's passes: one for each triplet that has passed. */
export function pass(lists: Lists, group: string, triplet: GreylistTriplet, now: number): number {
  const known = find(lists, group, triplet, now);
  const expires = now + triplet.memory;
  const passed = { first: known?.first ?? now, passed: now };
  lists.triplets.set(keyIn(group, triplet.key), passed, expires, now);
  const passes = passesOf(lists, group, now) + (known?.passed === undefined ? 1 : 0);
  if (passes > 0) lists.passes.set(group, passes, expires, now);
  return passes;
}

/**
 * What is remembered of a triplet and still holds. One that was first seen in the future is of a clock that was put
 * back since: it would have to wait for that day.
 */
function find(
  { triplets }: Lists,
  group: string,
  triplet: GreylistTriplet,
  now: number,
): Triplet | undefined {
  const known = triplets.get(keyIn(group, triplet.key), now)?.value;
  if (known === undefined) return undefined;
  if (known.passed !== undefined) return now - known.passed < triplet.memory ? known : undefined;
  const age = now - known.first;
  return age >= 0 && age < triplet.window ? known : undefined;
}

function passesOf({ passes }: Lists, group: string, now: number): number {
  return passes.get(group, now)?.value ?? 0;
}
