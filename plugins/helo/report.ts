/**
 * What is said of a greeting: the finding, a word for the trail, a count of each fault, and what they cost.
 */
import { type Action, found, type Io, note, type Refusal } from "sallyport";
import { HELO, type HeloFinding } from "./checks.ts";
import type { HeloFault } from "./faults.ts";

export interface Report {
  /** Labels of the metric. */
  readonly counted: readonly { readonly fault: HeloFault }[];
  readonly parts: readonly (Action | Refusal)[];
}

export class Reports {
  readonly #costs: (faults: readonly HeloFault[]) => readonly (Action | Refusal)[];
  /** By what was found out: that is one of few things, so each report is made once. */
  readonly #made = new Map<string, Report>();

  /** @param costs what faults cost here */
  constructor(costs: (faults: readonly HeloFault[]) => readonly (Action | Refusal)[]) {
    this.#costs = costs;
  }

  of(finding: HeloFinding): Report {
    const { faults, resolves, matches } = finding;
    const what = `${resolves} ${matches} ${faults.join(" ")}`;
    let report = this.#made.get(what);
    if (report === undefined) this.#made.set(what, report = this.#make(finding));
    return report;
  }

  #make(finding: HeloFinding): Report {
    const { faults } = finding;
    const noted = faults.length === 0 ? [] : [note("faults", faults.join(" "))];
    return {
      counted: faults.map((fault) => ({ fault })),
      parts: [found(HELO, Object.freeze(finding)), ...noted, ...this.#costs(faults)],
    };
  }
}

/** Counts it, and says it. */
export function told({ counted, parts }: Report, io: Io): Report["parts"] {
  for (const labels of counted) io.count("helo_faults", labels);
  return parts;
}
