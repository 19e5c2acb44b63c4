/**
 * Which steps of a transcript are done at once, and where it can be taken apart.
 */
import type { Step } from "./script.ts";

/** How a dial is answered is said when it is made. */
export function answersDial(step: Step | undefined): boolean {
  return step?.kind === "<" && (step.word === "refuse" || step.word === "silence");
}

/** What makes something happen. */
export function isCause(step: Step): boolean {
  return step.kind === "C" || step.kind === "direction" || (step.kind === "<" && !answersDial(step));
}

/** What cannot be sent ahead of. */
export function isBarrier({ kind, word }: Step): boolean {
  return kind === "direction" || (kind === "C" && word !== undefined) ||
    (kind === "<" && (word === "close" || word === "reset"));
}

/** Parts of a transcript, each starting at a barrier. */
export function parts(steps: readonly Step[]): Step[][] {
  const all: Step[][] = [[]];
  for (const [i, step] of steps.entries()) {
    const before = steps[i - 1]?.kind;
    const unasked = step.kind === "<" && (before === "S" || before === "C");
    if (isBarrier(step) || unasked) all.push([]);
    all.at(-1)!.push(step);
  }
  return all;
}

/** Steps that are one write are kept together: what the client says, or a backend, without anything between. */
export function runs(steps: readonly Step[]): Step[][] {
  const all: Step[][] = [];
  for (const step of steps) {
    const last = all.at(-1)?.[0];
    const joins = last?.kind === step.kind && last.word === undefined && step.word === undefined &&
      (step.kind === "C" || step.kind === "<");
    if (joins) all.at(-1)!.push(step);
    else all.push([step]);
  }
  return all;
}
