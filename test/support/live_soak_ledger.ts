// The soak's accounts: what the clients heard, what the sink took and what the proxy logged must agree.
import type { Attempt } from "./live_soak_load.ts";

/** A message in the sink. */
interface Taken {
  readonly size: number;
  readonly sha1: string;
  /** The proxy's name for its transaction. */
  readonly proxyId: string;
  times: number;
}

/** One line of the proxy's log. */
interface Line {
  readonly event: string;
  readonly id?: string;
  readonly outcome?: string;
  readonly ambiguous?: number;
  readonly unacknowledged?: number;
  readonly cause?: string;
}

/** The result: numbers to look at, and what is wrong. */
export interface Account {
  readonly numbers: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

/** @param records the sink's file; @param log the proxy's standard output */
export function settle(attempts: readonly Attempt[], records: string, log: string): Account {
  const faults: string[] = [];
  const taken = readRecords(records);
  const lines = log.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
  const events = (event: string) =>
    new Set(lines.filter((line) => line.event === event).map(({ id }) => id ?? ""));
  const ambiguous = events("ambiguous");
  const unacknowledged = events("committed, not acknowledged");
  const delivered = new Set(
    lines.filter(({ event, outcome }) => event === "transaction" && outcome === "delivered").map(({ id }) =>
      id ?? ""
    ),
  );
  let unheard = 0;
  for (const attempt of attempts) {
    const message = taken.get(attempt.id);
    const { id, way, outcome, heard } = attempt;
    const called = `${id} (${way}, ${attempt.size} octets, ${outcome}: ${heard})`;
    if (message === undefined) {
      if (outcome === "acknowledged") faults.push(`lost: ${called} was acknowledged and is not in the sink`);
      continue;
    }
    if (message.times > 1) faults.push(`duplicate: ${called} is in the sink ${message.times} times`);
    if (message.size !== attempt.size || message.sha1 !== attempt.sha1) {
      faults.push(`changed: ${called} came as ${message.size} other octets`);
    }
    if (outcome === "acknowledged") continue;
    unheard++;
    const { proxyId } = message;
    if (outcome === "unfinished") faults.push(`unfinished: ${called} is in the sink (${proxyId})`);
    // Who left may have been answered before the proxy could know.
    const accounted = ambiguous.has(proxyId) ||
      outcome === "left" && (unacknowledged.has(proxyId) || way === "vanishing" && delivered.has(proxyId));
    if (!accounted) {
      faults.push(`unaccounted: ${called} is in the sink, and the log does not know (${proxyId})`);
    }
    if (heard.startsWith("5")) faults.push(`refused for good: ${called} is in the sink (${proxyId})`);
  }
  faults.push(...logFaults(lines, ambiguous.size, unacknowledged.size));
  const count = (outcome: Attempt["outcome"]) =>
    attempts.filter((attempt) => attempt.outcome === outcome).length;
  return {
    numbers: {
      attempts: attempts.length,
      acknowledged: count("acknowledged"),
      refused: count("refused"),
      left: count("left"),
      unfinished: count("unfinished"),
      "in the sink": taken.size,
      "in the sink without the client's 250": unheard,
      "ambiguous by the log": ambiguous.size,
      "not acknowledged by the log": unacknowledged.size,
      megabytes: Math.round([...taken.values()].reduce((sum, { size }) => sum + size, 0) / 1e6),
    },
    faults,
  };
}

function readRecords(records: string): Map<string, Taken> {
  const taken = new Map<string, Taken>();
  for (const line of records.split("\n")) {
    const [kind, id, size, sha1, proxyId] = line.split(" ");
    if (kind !== "R") continue;
    const known = taken.get(id!);
    if (known === undefined) taken.set(id!, { size: Number(size), sha1: sha1!, proxyId: proxyId!, times: 1 });
    else known.times++;
  }
  return taken;
}

function logFaults(lines: readonly Line[], ambiguous: number, unacknowledged: number): string[] {
  const faults = lines.filter(({ event }) => event === "fault" || event === "lines dropped").map((line) =>
    `log: ${JSON.stringify(line)}`
  );
  const stopped = lines.find(({ event }) => event === "stopped");
  if (stopped === undefined) return [...faults, "log: it does not say that the proxy stopped"];
  if (stopped.ambiguous !== ambiguous || stopped.unacknowledged !== unacknowledged) {
    faults.push(
      `log: it counts ${stopped.ambiguous} ambiguous and ${stopped.unacknowledged} unacknowledged, but names ${ambiguous} and ${unacknowledged}`,
    );
  }
  return faults;
}
