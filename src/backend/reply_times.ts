/**
 * How long a backend may take to reply, step by step (RFC 5321 §4.5.3.2).
 */
import type { BackendTimes } from "../policy/settings.ts";
import type { Step } from "../smtp/client.ts";

/** What is awaited before a message begins: repeated elsewhere, it doubles nothing. */
export const ENVELOPE: ReadonlySet<Step> = new Set<Step>(["xforward", "mail", "rcpt", "data", "rset"]);

/** Milliseconds that the reply to a step may take. */
export function timeFor(step: Step, times: BackendTimes): number {
  switch (step) {
    case "greeting":
      return times.greeting;
    case "ehlo":
    case "helo":
    case "starttls":
    case "xclient":
    case "auth":
      return times.hello;
    case "mail":
    case "ask":
    case "xforward":
      return times.mail;
    case "rcpt":
      return times.rcpt;
    case "data":
      return times.data;
    case "chunk":
    case "end":
      return times.end;
    default:
      return times.rset;
  }
}
