/**
 * The big runs: `bun test/fuzz/run.ts [server|client] [COUNT] [SEED]`. Prints the rate, and every stream that goes
 * wrong with the seed that makes it again; exit 1 where one does.
 */
import process from "node:process";
import * as client from "./client.ts";
import { type Random, seeded } from "./random.ts";
import * as server from "./server.ts";

/** What is wrong with the stream of a seed, or undefined. */
export type Try = (seed: number) => string | undefined;

function trying<T>(
  stream: (random: Random) => T,
  fault: (random: Random, given: T) => string | undefined,
): Try {
  return (seed) => {
    const random = seeded(seed);
    const given = stream(random);
    try {
      const found = fault(random, given);
      return found === undefined ? undefined : `${found}\n  ${JSON.stringify(given)}`;
    } catch (cause) {
      return `${(cause as Error).stack}\n  ${JSON.stringify(given)}`;
    }
  };
}

/** One for each machine, with how many streams a run has unless said. */
export const TRIES: Readonly<Record<"server" | "client", { readonly count: number; readonly trial: Try }>> = {
  server: { count: 1_000_000, trial: trying(server.stream, server.fault) },
  client: { count: 100_000, trial: trying(client.stream, client.fault) },
};

/** Tries `count` seeds from `first` on; what went wrong, with its seed. */
export function run(trial: Try, first: number, count: number, most = 5): string[] {
  const wrong: string[] = [];
  for (let seed = first; seed < first + count && wrong.length < most; seed++) {
    const found = trial(seed);
    if (found !== undefined) wrong.push(`seed ${seed}: ${found}`);
  }
  return wrong;
}

function main([which, countGiven, seedGiven]: readonly string[]): void {
  const first = Number(seedGiven ?? 1);
  for (const [name, { count: usual, trial }] of Object.entries(TRIES)) {
    if (which !== undefined && which !== name) continue;
    const count = Number(countGiven ?? usual);
    const began = performance.now();
    const wrong = run(trial, first, count);
    const seconds = (performance.now() - began) / 1000;
    const rate = Math.round(count / seconds).toLocaleString("en");
    console.log(`${name}: ${count} streams from seed ${first}, ${rate} a second, ${wrong.length} wrong`);
    for (const found of wrong) console.log(found);
    if (wrong.length > 0) process.exitCode = 1;
  }
}

if (import.meta.main) main(process.argv.slice(2));
