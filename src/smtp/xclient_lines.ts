/**
 * XCLIENT (postfix.org XCLIENT_README), the client's side: tells a backend whose session it serves. The order is made
 * for Postfix, whose servers forget most and check most:
 * - every XCLIENT makes it forget HELO, PROTO and LOGIN unless that same command says them;
 * - after ADDR it may take no further XCLIENT;
 * - NAME sets REVERSE_NAME too, so that REVERSE_NAME must come later.
 */
import { attribute, COMMAND_LIMIT, hostName, packed, type Writer } from "./attribute_lines.ts";
import {
  type ClientFacts,
  isGreeting,
  isLogin,
  isPort,
  TEMPUNAVAIL,
  writtenAddress,
} from "./client_facts.ts";

type Table = readonly (readonly [name: string, write: Writer<ClientFacts>])[];

const VERB = "XCLIENT";

/** What a server remembers over several commands. */
const REMEMBERED: Table = [
  ["NAME", ({ name }) => tellName(name)],
  ["REVERSE_NAME", ({ reverseName }) => tellName(reverseName)],
  ["DESTADDR", ({ destAddr }) => tellAddress(destAddr)],
  ["DESTPORT", ({ destPort }) => tellPort(destPort)],
];

/** What the last command must say; Exim wants PORT where ADDR is. */
const LAST: Table = [
  ["PROTO", ({ proto }) => proto],
  ["HELO", ({ helo }) => (typeof helo === "string" && isGreeting(helo) ? helo : undefined)],
  ["LOGIN", ({ login }) => (typeof login === "string" && isLogin(login) ? login : undefined)],
  ["PORT", ({ port }) => tellPort(port)],
  ["ADDR", ({ addr }) => tellAddress(addr)],
];

/**
 * The commands, without CRLF, that tell a backend all it wants to know: one, or several to be sent each after the
 * reply to the one before. None where nothing is advertised.
 * @param advertised the attributes behind XCLIENT in the backend's EHLO reply, in capitals
 */
export function xclientLines(facts: ClientFacts, advertised: ReadonlySet<string>): string[] {
  const remembered = written(REMEMBERED, facts, advertised);
  const last = lastOf(facts, advertised);
  let room = COMMAND_LIMIT - VERB.length - lengthOf(last);
  let at = remembered.length;
  while (at > 0 && remembered[at - 1]!.length <= room) room -= remembered[--at]!.length;
  return [...packed(VERB, remembered.slice(0, at)), ...packed(VERB, [...remembered.slice(at), ...last])];
}

/** A greeting and a user name that do not fit together into one command: the client's EHLO will tell the greeting. */
function lastOf(facts: ClientFacts, advertised: ReadonlySet<string>): string[] {
  const last = written(LAST, facts, advertised);
  if (VERB.length + lengthOf(last) <= COMMAND_LIMIT) return last;
  return written(LAST, { ...facts, helo: null }, advertised);
}

function lengthOf(attributes: readonly string[]): number {
  return attributes.reduce((length, each) => length + each.length, 0);
}

function written(table: Table, facts: ClientFacts, advertised: ReadonlySet<string>): string[] {
  return table.filter(([name]) => advertised.has(name)).flatMap(([name, write]) => {
    const value = write(facts);
    // Of PROTO a server takes no [UNAVAILABLE]; where it is left out it is SMTP.
    return value === undefined && name === "PROTO" ? [] : [attribute(name, value)];
  });
}

function tellName(name: ClientFacts["name"]): string | undefined {
  return typeof name === "object" && name !== null ? TEMPUNAVAIL : hostName(name);
}

function tellAddress(address: string | null | undefined): string | undefined {
  return typeof address === "string" ? writtenAddress(address) : undefined;
}

function tellPort(port: number | null | undefined): string | undefined {
  return typeof port === "number" && isPort(port) ? `${port}` : undefined;
}
