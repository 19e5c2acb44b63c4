/** Measures a field in rounds, A B C A B C, and speaks of medians and of ratios within a round. */
import { type Contender, type Entry, reason, type Run } from "./field.ts";

/** What a contender did, round by round; empty where it was absent or failed. */
export interface Outcome<Sample> {
  readonly title: string;
  readonly samples: Sample[];
  /** Why there is no figure, or no further one. */
  failure?: string;
}

export async function inRounds<Sample>(
  entries: readonly Entry[],
  run: Run,
  warm: (contender: Contender) => Promise<unknown>,
  measure: (contender: Contender) => Promise<Sample>,
): Promise<Outcome<Sample>[]> {
  const outcomes: Outcome<Sample>[] = entries.map((entry) => ({
    title: entry.title,
    samples: [],
    ...("absent" in entry ? { failure: entry.absent } : {}),
  }));
  for (let round = 0; round <= run.rounds; round++) {
    if (round > 1 && performance.now() > run.deadline) {
      run.progress(`out of time after ${round - 1} of ${run.rounds} rounds`);
      break;
    }
    for (const [place, entry] of entries.entries()) {
      const outcome = outcomes[place]!;
      if (outcome.failure !== undefined || "absent" in entry) continue;
      try {
        if (round === 0) await warm(entry);
        else outcome.samples.push(await measure(entry));
      } catch (error) {
        outcome.failure = reason(error);
        run.progress(`${outcome.title}: ${outcome.failure}`);
      }
    }
  }
  return outcomes;
}

/** The median of one figure over all rounds. */
export function median<Sample>(outcome: Outcome<Sample>, figure: (sample: Sample) => number): number {
  return middle(outcome.samples.map(figure));
}

/** The median over the rounds of figure ÷ the other's figure in the same round. */
export function ratio<Sample>(
  outcome: Outcome<Sample>,
  other: Outcome<Sample> | undefined,
  figure: (sample: Sample) => number,
): number {
  const pairs = outcome.samples.flatMap((sample, round) => {
    const rival = other?.samples[round];
    return rival === undefined ? [] : [figure(sample) / figure(rival)];
  });
  return middle(pairs);
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
