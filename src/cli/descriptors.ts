/**
 * How many descriptors the process may have. At the last one a listener can neither accept nor refuse, and no backend
 * can be reached for the sessions that are open: so sessions stop a little before it.
 */
import { readFileSync } from "node:fs";

/** The share of descriptors that sessions may have. */
const SHARE = 0.95;

/** The most sessions that leave descriptors for backends; Infinity where the system does not say. */
export function sessionBound(limits: string = systemLimits()): number {
  const most = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return most === undefined ? Infinity : Math.max(1, Math.floor(Number(most) * SHARE));
}

/** Linux's view of this process; empty elsewhere. */
function systemLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
