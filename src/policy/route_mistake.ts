/**
 * Whether mail can be routed as a plugin says: to a pool that there is, and while no backend has the recipients.
 */
import type { Action } from "./action.ts";
import type { Verdict } from "./verdict.ts";

/** Stages at which a backend has the recipients already. */
const TOO_LATE: readonly string[] = ["data", "headers", "message"];

/**
 * Why it cannot, if so.
 * @param pools the names of the policy's; undefined: any name will do
 */
export function routeMistake(
  parts: readonly (Verdict | Action)[],
  stage: string,
  pools: ReadonlySet<string> | undefined,
): string | undefined {
  for (const part of parts) {
    if (part.kind !== "route") continue;
    if (TOO_LATE.includes(stage)) return `Cannot route at ${stage}: a backend has the recipients already`;
    const { target } = part;
    if (typeof target !== "string" || pools === undefined || pools.has(target)) continue;
    return `Cannot route: pool ${JSON.stringify(target)} was given; allowed are ${[...pools].join(", ")}`;
  }
  return undefined;
}
