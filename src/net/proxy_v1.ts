/**
 * PROXY protocol version 1 (§2.1): one line of text, at most 107 octets with its CRLF. One space between two fields,
 * no leading zeros, nothing else: two readers that differ in what they forgive can be made to see two clients.
 */
import { hostOctets, ipv4Octets, ipv6Octets, octetsHost } from "./ip_octets.ts";
import { NO_HEADER, type ProxyFault, type ProxyHeaderRead, proxyPort } from "./proxy_header.ts";
import type { Address } from "./wire.ts";

const [CR, LF] = [13, 10];
/** Octets of a line with its CRLF. */
const LIMIT = 107;
const START = "PROXY ";

const TOO_LONG: ProxyFault = {
  fault: `no CRLF within ${LIMIT} octets; allowed is a line of at most ${LIMIT} octets`,
};
const BARE: ProxyFault = { fault: "a CR or LF stands alone; allowed is CRLF at the end of the line" };
const FIELDS: ProxyFault = {
  fault:
    "wrong fields; allowed is PROXY, TCP4 or TCP6, two addresses and two ports, each after exactly one space, or PROXY UNKNOWN",
};

const ADDRESS_FORMS = {
  TCP4: "an IPv4 address, four numbers from 0 to 255 without leading zeros",
  TCP6: "an IPv6 address without a zone",
};

/** Reads the line that `bytes` begin with; undefined while it has not ended. */
export function readV1(bytes: Uint8Array): ProxyHeaderRead | ProxyFault | undefined {
  for (let at = 0; at < START.length; at++) {
    if (at === bytes.length) return undefined;
    if (bytes[at] !== START.charCodeAt(at)) return NO_HEADER;
  }
  const end = lineEnd(bytes);
  if (typeof end !== "number") return end;
  const read = readLine(String.fromCharCode(...bytes.subarray(0, end)));
  return "fault" in read ? read : { header: read, length: end + 2 };
}

/** Where the CRLF stands; undefined while it is not there. */
function lineEnd(bytes: Uint8Array): number | ProxyFault | undefined {
  for (let at = START.length; at < LIMIT - 1; at++) {
    if (at === bytes.length) return undefined;
    if (bytes[at] === LF) return BARE;
    if (bytes[at] !== CR) continue;
    if (at + 1 === bytes.length) return undefined;
    return bytes[at + 1] === LF ? at : BARE;
  }
  return TOO_LONG;
}

function readLine(line: string): ProxyHeaderRead["header"] | ProxyFault {
  // What follows UNKNOWN "must be ignored", whatever it is.
  if (line === "PROXY UNKNOWN" || line.startsWith("PROXY UNKNOWN ")) {
    return { version: 1, command: "unknown" };
  }
  const fields = line.split(" ");
  const [, family, from = "", to = "", fromPort = "", toPort = ""] = fields;
  if (fields.length !== 6 || (family !== "TCP4" && family !== "TCP6")) return FIELDS;
  const octets = family === "TCP4" ? ipv4Octets : ipv6Octets;
  const [source, destination] = [octets(from), octets(to)];
  if (source === undefined) return badAddress("source", family);
  if (destination === undefined) return badAddress("destination", family);
  if (!isPort(fromPort)) return badPort("source");
  if (!isPort(toPort)) return badPort("destination");
  return {
    version: 1,
    command: "proxy",
    source: { host: octetsHost(source), port: Number(fromPort) },
    destination: { host: octetsHost(destination), port: Number(toPort) },
  };
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

function badAddress(which: string, family: "TCP4" | "TCP6"): ProxyFault {
  return { fault: `bad ${which} address; allowed is ${ADDRESS_FORMS[family]}` };
}

function badPort(which: string): ProxyFault {
  return { fault: `bad ${which} port; allowed is 0 to 65535 without leading zeros` };
}

/**
 * A header of version 1. Addresses of two families, and what are no IP addresses, can only be written UNKNOWN: a
 * server then knows nothing of the client, and many refuse the connection.
 * @throws TypeError on a port that is none
 */
export function proxyV1(source: Address, destination: Address): Uint8Array {
  const [from, to] = [hostOctets(source.host), hostOctets(destination.host)];
  if (from === undefined || to === undefined || from.length !== to.length) return proxyV1Unknown();
  const family = from.length === 4 ? "TCP4" : "TCP6";
  const hosts = `${octetsHost(from)} ${octetsHost(to)}`;
  return ascii(`PROXY ${family} ${hosts} ${proxyPort(source)} ${proxyPort(destination)}\r\n`);
}

/** A header of version 1 that tells no addresses. */
export function proxyV1Unknown(): Uint8Array {
  return ascii("PROXY UNKNOWN\r\n");
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
