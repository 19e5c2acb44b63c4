/**
 * Where the mail for one recipient goes: what a plugin has said, otherwise what the policy's routes say. A route that
 * fails costs that recipient a 451 and nothing else. The recipients of one transaction go to one pool.
 */
import type { Destination } from "../backend/pools.ts";
import { type Routed, RouteFault } from "../backend/route.ts";
import type { Sent } from "../policy/layer.ts";
import type { Refusal } from "../smtp/commands.ts";
import { visible } from "./journal.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Transaction } from "./transaction.ts";

/** The answer to a recipient of whom `destinationOf` could say nothing. */
export const UNROUTED: Refusal = [451, "3.0", "It cannot be told now where this mail goes, try again later"];
const FULL: Refusal = [452, "5.3", "One recipient a transaction here: send another transaction"];
const ELSEWHERE: Refusal = [
  451,
  "5.3",
  "This recipient is served elsewhere than the others: send a separate transaction",
];

/** Takes a transaction to where its next recipient's mail goes. @returns why he cannot have it in this one */
export function join(transaction: Transaction, to: Destination): Refusal | undefined {
  if (transaction.full) return FULL;
  return transaction.goTo(to) ? undefined : ELSEWHERE;
}

/** Undefined where the routes have failed; the log has said why. */
export function destinationOf(
  around: Surroundings,
  id: string,
  routed: Routed,
  sent: Sent | undefined,
): Destination | undefined {
  try {
    const { to, by } = around.pools.destination(routed, sent?.target);
    around.routed?.(to.name, sent?.plugin ?? by);
    return to;
  } catch (cause) {
    if (!(cause instanceof RouteFault)) throw cause;
    around.log.warn("route failed", { id, cause: visible(cause.message) });
    return undefined;
  }
}
