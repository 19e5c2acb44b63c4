/** The table of the benchmarks that send many sessions: wall time, CPU per session, memory. */
import { median, type Outcome, ratio } from "./rounds.ts";
import { number, type Row, type Table, times } from "./table.ts";

/** What one round of sessions took. */
export interface Sample {
  /** Wall time in seconds. */
  readonly seconds: number;
  /** User + system time of all the proxy's processes per session, in microseconds. */
  readonly cpu: number;
  /** Resident memory of all the proxy's processes after the round, in MB. */
  readonly resident: number;
}

export function sessionTable(
  title: string,
  note: string,
  unit: "session" | "message",
  outcomes: readonly Outcome<Sample>[],
): Table {
  const find = (name: string) => outcomes.find((outcome) => outcome.title.startsWith(name));
  const [direct, ours] = [find("direct"), find("Sallyport")];
  const row = (outcome: Outcome<Sample>): Row => {
    if (outcome.samples.length === 0) {
      return { title: outcome.title, absent: outcome.failure ?? "not measured" };
    }
    const wall = [
      number(median(outcome, (sample) => sample.seconds), 2),
      times(ratio(outcome, direct, (sample) => sample.seconds)),
    ];
    if (outcome === direct) return { title: outcome.title, cells: [...wall, "", "", ""] };
    return {
      title: outcome.title,
      cells: [
        ...wall,
        number(median(outcome, (sample) => sample.cpu), 0),
        times(ratio(outcome, ours, (sample) => sample.cpu)),
        number(median(outcome, (sample) => sample.resident), 1),
      ],
    };
  };
  return {
    title,
    note,
    columns: [
      "through",
      "wall, s",
      "÷ direct",
      `CPU, µs/${unit}`,
      "÷ Sallyport",
      "resident, MB",
    ],
    rows: outcomes.map(row),
  };
}
