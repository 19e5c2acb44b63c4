/**
 * The judge of scores: plugins find, and this decides.
 */
import { shown } from "./options.ts";
import { definePlugin, type Plugin, type PluginBody } from "./plugin.ts";
import { type Stage, STAGES } from "./stages.ts";
import { defer, reject } from "./verdict.ts";

export interface ThresholdOptions {
  /** From this score on: 550. */
  readonly reject?: number | undefined;
  /** From this score on: 450. */
  readonly defer?: number | undefined;
  /** Where it judges; `rcpt` unless given: the recipient is in the log then. */
  readonly stages?: readonly Stage[] | undefined;
}

const make = definePlugin("threshold", (options: ThresholdOptions): PluginBody => {
  const { reject: rejects = Infinity, defer: defers = Infinity, stages = ["rcpt"] } = options;
  const judge = ({ findings }: { readonly findings: { readonly score: number } }) => {
    const { score } = findings;
    if (score >= rejects) return reject("5.7.1", `Refused: score ${rounded(score)}`);
    if (score >= defers) return defer("4.7.1", `Refused for now: score ${rounded(score)}`);
    return undefined;
  };
  return { onError: "defer", ...Object.fromEntries(stages.map((stage) => [stage, judge])) };
});

function rounded(score: number): number {
  return Math.round(score * 100) / 100;
}

/** Refuses by the sum of what `score` has given: `threshold({ reject: 10, defer: 6 })`. */
export function threshold(options: ThresholdOptions): Plugin {
  const mistakes = thresholdMistakes(options);
  return mistakes.length > 0 ? { name: "threshold", onError: "defer", mistakes } : make(options);
}

function thresholdMistakes(options: ThresholdOptions): string[] {
  const mistakes: string[] = [];
  for (const [name, value] of Object.entries(options)) {
    if (name === "stages") {
      if (!Array.isArray(value) || value.length === 0) {
        mistakes.push(
          `options.stages: ${JSON.stringify(value)} was given; at least one of ${
            STAGES.join(", ")
          } is needed`,
        );
        continue;
      }
      for (const stage of value as unknown[]) {
        if ((STAGES as readonly unknown[]).includes(stage)) continue;
        mistakes.push(`options.stages: ${shown(stage)} was given; allowed are ${STAGES.join(", ")}`);
      }
    } else if (name !== "reject" && name !== "defer") {
      mistakes.push(`options: there is no option ${name}; allowed are reject, defer, stages`);
    } else if (value !== undefined && !Number.isFinite(value)) {
      mistakes.push(`options.${name}: ${shown(value)} was given; allowed is a number`);
    }
  }
  if (options.reject === undefined && options.defer === undefined) {
    mistakes.push("options: neither reject nor defer was given; at least one is needed");
  }
  return mistakes;
}
