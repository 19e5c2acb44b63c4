/**
 * Where the memory and the sqlite driver keep states: a shelf for each kind. What is done with the states
 * stands once, in shelved.ts and the rules it calls. Times are milliseconds since 1970.
 */
import type { Level } from "./rate.ts";
import type { Triplet } from "./greylist.ts";

/** A state that has not expired. */
export interface Kept<T> {
  readonly value: T;
  readonly expires: number;
}

/** States of one kind by key. What has expired (`expires` is `now` or before it) is not there. */
export interface Shelf<T> {
  get(key: string, now: number): Kept<T> | undefined;
  set(key: string, value: T, expires: number, now: number): void;
  delete(key: string): void;
}

/** Holders of places by key; one whose time is over holds none. */
export interface Places {
  count(key: string, now: number): number;
  holds(key: string, holder: string, now: number): boolean;
  take(key: string, holder: string, expires: number, now: number): void;
  release(key: string, holder: string): void;
}

/** All the kinds of state that a store has. */
export interface Shelves {
  /** Values and counters. */
  readonly values: Shelf<string>;
  readonly levels: Shelf<Level>;
  readonly triplets: Shelf<Triplet>;
  /** How many triplets of a group have passed. */
  readonly passes: Shelf<number>;
  /** How many triplets of a group were new in its period. */
  readonly strangers: Shelf<number>;
  readonly places: Places;
}

/** The name of a group's key on a shelf; no two pairs have the same one. */
export function keyIn(group: string, key: string): string {
  return `${group.length}:${group}:${key}`;
}
