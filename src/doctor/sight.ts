/**
 * Whom the backend takes the client for, from what it says: many servers name the address in their reply to EHLO or in a
 * refusal.
 */
import type { Heard } from "./heard.ts";

/** Whether an address stands in the text, and not as a part of another. */
export function names(text: string, address: string): boolean {
  const literal = address.replace(/[.:]/g, "\\$&");
  return new RegExp(`(?<![0-9A-Fa-f.:])(?:IPv6:)?${literal}(?![0-9A-Fa-f:]|\\.\\d)`, "i").test(text);
}

/** Those of the replies that name the address, fit to print. */
export function naming(replies: readonly Heard[], address: string): string[] {
  return replies.filter((heard) => heard.kind === "reply" && names(heard.lines.join("\n"), address))
    .map(({ text }) => text);
}
