/**
 * What a pool tells of itself: lines for the log, and what its connections came to.
 */
import type { Metrics } from "../policy/metrics.ts";
import type { Backend, Standing } from "./backend.ts";

/** Takes a line for the log. */
export type Tell = (
  level: "info" | "warn",
  event: string,
  fields: Readonly<Record<string, string | number>>,
) => void;

/** Counts dials that came to an end: `ready`, or why they did not come through. */
export type CountDial = (backend: Backend, use: "mail" | "look", outcome: string) => void;

/** The counter behind `CountDial`; the same one for every pool. */
export function dialCounter(metrics: Metrics): CountDial {
  const counter = metrics.counter(
    "sallyport_backend_connects_total",
    "Connections to backends, up to the reply to EHLO, by what came of them.",
    ["backend", "use", "outcome"],
  );
  return ({ name }, use, outcome) => counter.add(name, use, outcome);
}

const STANDINGS: readonly Standing[] = ["up", "half-open", "down", "drained"];

/** Registers how backends stand; it is read when somebody asks. */
export function registerStandings(metrics: Metrics, backends: () => readonly Backend[]): void {
  metrics.reading(
    "gauge",
    "sallyport_backend_state",
    "1 for the state that a backend is in: up, half-open (looked at again), down, drained.",
    () =>
      backends().flatMap(({ name, standing }) =>
        STANDINGS.map((state) => ({
          labels: { backend: name, state },
          value: state === standing ? 1 : 0,
        }))
      ),
  );
  metrics.reading(
    "gauge",
    "sallyport_backend_connections",
    "Open connections to backends.",
    () => backends().map(({ name, connections }) => ({ labels: { backend: name }, value: connections })),
  );
}
