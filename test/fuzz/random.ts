/** Random numbers that a seed repeats, and what is picked with them. */

/** Numbers from 0 up to and without 1. */
export type Random = () => number;

/** Mulberry32. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** From 0 up to and without `bound`. */
export function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)]!;
}

/** Cuts octets into pieces: mostly few, sometimes one octet each. */
export function cut(random: Random, octets: string): string[] {
  const most = pick(random, [1, 2, 7, 40, 400]);
  const pieces: string[] = [];
  for (let at = 0; at < octets.length;) {
    const size = 1 + below(random, most);
    pieces.push(octets.slice(at, at + size));
    at += size;
  }
  return pieces;
}
