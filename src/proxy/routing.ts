/**
 * Where the mail for one recipient goes: what a plugin has said, otherwise what the policy's routes say. A route that
 * fails costs that recipient a 451 and nothing else.
 */
import type { Destination } from "../backend/pools.ts";
import { type Routed, RouteFault } from "../backend/route.ts";
import type { Sent } from "../policy/layer.ts";
import { visible } from "./journal.ts";
import type { Surroundings } from "./surroundings.ts";

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
