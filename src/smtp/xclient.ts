/**
 * XCLIENT (postfix.org XCLIENT_README), the server's side: a trusted sender says whose session this is. Read
 * strictly, since what it says decides what the client may do: what cannot be read in one way is refused, never
 * guessed. xclient_lines.ts writes it.
 */
import {
  type ClientFacts,
  holdsControls,
  isGreeting,
  isHostName,
  isLogin,
  isPort,
  readAddress,
  TEMPUNAVAIL,
  UNAVAILABLE,
  VALUE_LIMIT,
} from "./client_facts.ts";
import type { Refusal } from "./commands.ts";
import { decodeXtext } from "./xtext.ts";

/** What an XCLIENT command says, or the refusal it gets. */
export type XclientRead = { readonly facts: ClientFacts } | { readonly refusal: Refusal };

/** Bounds of XCLIENT. The line as a whole has that of any command. */
export interface XclientLimits {
  /** Octets of one value, decoded. */
  readonly value: number;
}

/** The bound that Postfix has. */
export const DEFAULT_XCLIENT_LIMITS: XclientLimits = { value: VALUE_LIMIT };

interface Row {
  readonly key: keyof ClientFacts;
  /** In words, for the sender. */
  readonly allowed: string;
  /** What the decoded value means; undefined where it is not allowed. */
  read(value: string): ClientFacts[keyof ClientFacts];
}

const SYNTAX = "Syntax: XCLIENT and attributes, each name=value";

/** What may be said not to be known. */
const orUnavailable = (read: Row["read"]): Row["read"] => (value) =>
  value.toUpperCase() === UNAVAILABLE ? null : read(value);
const textThat = (isGood: (value: string) => boolean) => (value: string) => isGood(value) ? value : undefined;

const name = orUnavailable((value) => {
  return value.toUpperCase() === TEMPUNAVAIL ? { failed: "temporary" } : textThat(isHostName)(value);
});
const address = orUnavailable(readAddress);
const port = orUnavailable((value) => {
  return /^(0|[1-9]\d{0,4})$/.test(value) && isPort(Number(value)) ? Number(value) : undefined;
});
const greeting = orUnavailable(textThat(isGreeting));
const login = orUnavailable(textThat(isLogin));
const proto: Row["read"] = (value) => ["SMTP", "ESMTP"].find((each) => each === value.toUpperCase());

const NAME = `a host name, ${UNAVAILABLE} or ${TEMPUNAVAIL}`;
const ADDRESS = `an IPv4 address, IPV6: and an IPv6 address, or ${UNAVAILABLE}`;
const PORT = `0 to 65535 without leading zeros, or ${UNAVAILABLE}`;

// deno-fmt-ignore
const TABLE: ReadonlyMap<string, Row> = new Map<string, Row>([
  ["NAME",         { key: "name",        read: name,     allowed: NAME }],
  ["REVERSE_NAME", { key: "reverseName", read: name,     allowed: NAME }],
  ["ADDR",         { key: "addr",        read: address,  allowed: ADDRESS }],
  ["PORT",         { key: "port",        read: port,     allowed: PORT }],
  ["PROTO",        { key: "proto",       read: proto,    allowed: "SMTP or ESMTP" }],
  ["HELO",         { key: "helo",        read: greeting, allowed: `what HELO takes, or ${UNAVAILABLE}` }],
  ["LOGIN",        { key: "login",       read: login,    allowed: `a user name in UTF-8, or ${UNAVAILABLE}` }],
  ["DESTADDR",     { key: "destAddr",    read: address,  allowed: ADDRESS }],
  ["DESTPORT",     { key: "destPort",    read: port,     allowed: PORT }],
]);

/** The attributes that are read, for the line of EHLO. */
export const XCLIENT_ATTRIBUTES: readonly string[] = [...TABLE.keys()];

/**
 * Reads what follows the verb. Names and specials in any case; values as they are meant, no xtext left.
 * @param argument one character per octet, with or without the spaces before it
 */
export function readXclient(argument: string, limits: XclientLimits = DEFAULT_XCLIENT_LIMITS): XclientRead {
  const words = argument.split(" ").filter((word) => word !== "");
  if (words.length === 0) return refused(SYNTAX);
  const facts = new Map<string, ClientFacts[keyof ClientFacts]>();
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals === -1) return refused(SYNTAX);
    const attribute = word.slice(0, equals).toUpperCase();
    const row = TABLE.get(attribute);
    if (row === undefined) {
      return refused(`Unknown XCLIENT attribute; allowed are ${XCLIENT_ATTRIBUTES.join(", ")}`);
    }
    if (facts.has(row.key)) return refused(`XCLIENT attribute ${attribute} is there twice`);
    const value = readValue(word.slice(equals + 1), row, limits);
    if ("fault" in value) return refused(`Bad XCLIENT attribute ${attribute}: ${value.fault}`);
    facts.set(row.key, value.value);
  }
  return { facts: Object.fromEntries(facts) as ClientFacts };
}

function readValue(xtext: string, row: Row, limits: XclientLimits): { readonly fault: string } | {
  readonly value: ClientFacts[keyof ClientFacts];
} {
  if (xtext === "") return { fault: "it has no value" };
  const text = decodeXtext(xtext);
  if (text === undefined) return { fault: "it is no xtext" };
  if (text.length > limits.value) {
    return { fault: `it is too long, at most ${limits.value} octets are allowed` };
  }
  if (holdsControls(text)) return { fault: "control characters are not allowed" };
  const value = row.read(text);
  return value === undefined ? { fault: `allowed is ${row.allowed}` } : { value };
}

function refused(text: string): XclientRead {
  return { refusal: [501, "5.4", text] };
}
