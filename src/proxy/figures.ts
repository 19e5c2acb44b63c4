/**
 * The proxy's own figures among the metrics.
 */
import type { Metrics } from "../policy/metrics.ts";
import type { Counters } from "./journal.ts";

/** Registers them; they are read when somebody asks. */
export function registerFigures(metrics: Metrics, counters: Counters, sessions: () => number): void {
  const sum = (name: string, help: string, read: () => number) =>
    metrics.reading("counter", `sallyport_${name}_total`, help, () => [{ value: read() }]);
  sum("sessions", "Sessions.", () => counters.sessions);
  sum("ambiguous", "Ends of data that no reply came to.", () => counters.ambiguous);
  sum("unacknowledged", "Messages taken whose client had gone.", () => counters.unacknowledged);
  metrics.reading(
    "counter",
    "sallyport_transactions_total",
    "Transactions by how they ended.",
    () => Object.entries(counters.outcomes).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
  metrics.reading(
    "gauge",
    "sallyport_open_sessions",
    "Sessions that are open.",
    () => [{ value: sessions() }],
  );
}
