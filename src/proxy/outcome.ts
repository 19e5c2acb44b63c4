/**
 * How a transaction ended: for the log, for those who observe, and for what waits to learn whether the mail was taken.
 */
import type { Fate } from "../policy/layer.ts";
import type { Outcome } from "../policy/observation.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Transaction } from "./transaction.ts";

/** What a reply makes of what it answers. */
export function outcomeOf({ code }: Reply): Outcome {
  return code < 300 ? "delivered" : code < 500 ? "deferred" : "rejected";
}

/** Nothing is lost of a transaction that nobody was accepted for: it ended when its sender or recipients were refused. */
export function endOf({ accepted, refusedAs }: Transaction, outcome: Outcome): Outcome {
  const nobody = accepted.length === 0 && (outcome === "lost" || outcome === "reset");
  return nobody ? refusedAs ?? outcome : outcome;
}

/** What a transaction's end means for what waits for it. */
export function fateOf({ delivered }: Transaction, outcome: Outcome): Fate {
  if (outcome === "ambiguous") return "unknown";
  return delivered ? "taken" : "not taken";
}
