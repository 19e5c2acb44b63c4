// The books of a scene: what clients heard, what backends hold, what the log says and what /metrics counts, to the unit.
import { settle } from "./live_soak_ledger.ts";
import type { Attempt } from "./live_soak_load.ts";

interface Line {
  readonly event: string;
  readonly id?: string;
  readonly outcome?: string;
}

export interface Books {
  readonly attempts: readonly Attempt[];
  /** Lines `R ID SIZE SHA1 PROXY-ID` of all backends. */
  readonly records: readonly string[];
  /** The proxy's log. */
  readonly log: string;
  /** The last answer to GET /metrics, when no session was open any more. */
  readonly metrics: string;
}

/** Everything that does not agree, in words. */
export function disagreements({ attempts, records, log, metrics }: Books): string[] {
  const lines = log.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
  return [
    ...settle(attempts, records.join(""), log).faults,
    ...storeFaults(lines, records),
    ...metricFaults(lines, metrics),
  ];
}

/** A transaction is delivered and stored once; stored and ambiguous; or it is stored nowhere. */
function storeFaults(lines: readonly Line[], records: readonly string[]): string[] {
  const outcomes = new Map(
    lines.filter(({ event }) => event === "transaction").map(({ id, outcome }) => [id, outcome]),
  );
  const stored = Map.groupBy(records.map((record) => record.trim().split(" ")[4]!), (id) => id);
  const faults: string[] = [];
  for (const [id, copies] of stored) {
    if (copies.length > 1) faults.push(`${id} is stored ${copies.length} times`);
    const outcome = outcomes.get(id);
    if (outcome !== "delivered" && outcome !== "ambiguous") {
      faults.push(`${id} is stored, and ended ${outcome}`);
    }
  }
  for (const [id, outcome] of outcomes) {
    if (outcome === "delivered" && !stored.has(id!)) faults.push(`${id} is delivered and stored nowhere`);
  }
  return faults;
}

function metricFaults(lines: readonly Line[], metrics: string): string[] {
  const value = (name: string) => {
    const line = metrics.split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? NaN : Number(line.slice(name.length + 1));
  };
  const outcomes = ["delivered", "ambiguous", "deferred", "rejected", "reset", "lost"];
  const pairs = [
    ...outcomes.map((outcome) =>
      [
        `sallyport_transactions_total{outcome="${outcome}"}`,
        lines.filter((line) => line.event === "transaction" && line.outcome === outcome).length,
      ] as const
    ),
    ["sallyport_ambiguous_total", lines.filter(({ event }) => event === "ambiguous").length] as const,
    [
      "sallyport_unacknowledged_total",
      lines.filter(({ event }) => event === "committed, not acknowledged").length,
    ] as const,
  ];
  return pairs.filter(([name, logged]) => value(name) !== logged)
    .map(([name, logged]) => `${name} is ${value(name)}, the log has ${logged}`);
}
