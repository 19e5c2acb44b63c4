/**
 * What a server offers in its EHLO reply (RFC 5321 §4.1.1.1), read from a backend's and written to a client.
 */
import type { Reply } from "./reply.ts";
import { textOf } from "./reply.ts";

/** Keyword in upper case → its parameters as written (`""` where it has none). */
export type Extensions = ReadonlyMap<string, string>;

/** A server that offers nothing. */
export const NO_EXTENSIONS: Extensions = new Map();

/** What an offer is worth on a connection that is not secured: REQUIRETLS promises nothing there (RFC 8689 §4.2.1). */
export function offeredUnsecured(extensions: Extensions): Extensions {
  if (!extensions.has("REQUIRETLS")) return extensions;
  const left = new Map(extensions);
  left.delete("REQUIRETLS");
  return left;
}

/** Octets of a reply line without code and line end (RFC 5321 §4.5.3.1.5). */
const LINE_LIMIT = 506;

/**
 * Reads the extension lines of an EHLO reply. Lines that are no ehlo-line are passed over: longer than a reply line may be, or
 * with other than printable ASCII. What is read here is offered to clients, who may have no room for more.
 */
export function readExtensions(ehlo: Reply): Extensions {
  const offered = new Map<string, string>();
  for (const line of textOf(ehlo).slice(1)) {
    if (line.length > LINE_LIMIT) continue;
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]([\t -~]*))?$/.exec(line.trimEnd());
    if (match) offered.set(match[1]!.toUpperCase(), (match[2] ?? "").trim());
  }
  return offered;
}
