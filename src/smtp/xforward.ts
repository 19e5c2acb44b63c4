/**
 * XFORWARD (postfix.org XFORWARD_README): tells a backend's log of a client, once per transaction, before MAIL. It
 * gives no rights. The first command of a transaction makes all other attributes unknown, further ones add to it.
 */
import { attribute, hostName, packed, type Writer } from "./attribute_lines.ts";
import { type ClientFacts, holdsControls, isGreeting, isPort, writtenAddress } from "./client_facts.ts";

/** What is said of a client and its message. */
export interface ForwardedFacts extends Pick<ClientFacts, "name" | "addr" | "port" | "helo"> {
  /** The protocol of the client, as in `ESMTPS`; at most 64 characters. */
  readonly proto?: string | null | undefined;
  /** What the message is called in our own log. */
  readonly ident?: string | null | undefined;
  /** LOCAL has the backend rewrite addresses as for its own users. REMOTE where nothing is said. */
  readonly source?: "LOCAL" | "REMOTE" | undefined;
}

// A server takes [UNAVAILABLE] for SOURCE as LOCAL (Postfix), which no stranger's message must be: it is always said.
const TABLE: readonly (readonly [name: string, write: Writer<ForwardedFacts>])[] = [
  ["NAME", ({ name }) => hostName(name)],
  ["ADDR", ({ addr }) => (typeof addr === "string" ? writtenAddress(addr) : undefined)],
  ["PORT", ({ port }) => (typeof port === "number" && isPort(port) ? `${port}` : undefined)],
  ["PROTO", ({ proto }) => (typeof proto === "string" && /^[!-~]{1,64}$/.test(proto) ? proto : undefined)],
  ["HELO", ({ helo }) => (typeof helo === "string" && isGreeting(helo) ? helo : undefined)],
  ["IDENT", ({ ident }) => (typeof ident === "string" && isIdentity(ident) ? ident : undefined)],
  ["SOURCE", ({ source }) => source ?? "REMOTE"],
];

/**
 * The commands, without CRLF, for one transaction; they may be sent together. None where nothing is advertised.
 * @param advertised the attributes behind XFORWARD in the backend's EHLO reply, in capitals
 */
export function xforwardLines(facts: ForwardedFacts, advertised: ReadonlySet<string>): string[] {
  const attributes = TABLE.filter(([name]) => advertised.has(name))
    .map(([name, write]) => attribute(name, write(facts)));
  return packed("XFORWARD", attributes);
}

function isIdentity(text: string): boolean {
  return /^[ -~\x80-\xff]+$/.test(text) && !holdsControls(text);
}
