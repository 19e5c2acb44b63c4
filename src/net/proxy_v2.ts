/**
 * PROXY protocol version 2, read (§2.2): a signature, command, family and length in 16 octets, then addresses, then
 * vectors. The length says where the header ends, whatever it holds; nothing is read before all of it is there.
 */
import { octetsHost } from "./ip_octets.ts";
import { readFacts } from "./proxy_facts.ts";
import {
  NO_HEADER,
  type ProxyFacts,
  type ProxyFault,
  type ProxyHeader,
  type ProxyHeaderRead,
} from "./proxy_header.ts";
import type { Address } from "./wire.ts";

/** The 12 octets that a header begins with. */
export const SIGNATURE: Uint8Array = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10);
/** Octets before the addresses. */
const HEAD = 16;
/** Version and command in one octet. */
export const [LOCAL, PROXY] = [0x20, 0x21] as const;
/** Family and protocol in one octet. */
export const [UNSPECIFIED, TCP4, TCP6] = [0x00, 0x11, 0x21] as const;

const VERSION = 2;
const COMMANDS = 2;
const FAMILIES = 4;
const PROTOCOLS = 3;
/** Octets of both addresses and ports, by family: unspecified, IPv4, IPv6, Unix. */
const ADDRESSES = [0, 12, 36, 216] as const;

const BAD_VERSION: ProxyFault = {
  fault: "another version than 2 after the signature of version 2; allowed is 2",
};
const BAD_COMMAND: ProxyFault = { fault: "unknown command; allowed is 0 (LOCAL) or 1 (PROXY)" };
const BAD_FAMILY: ProxyFault = {
  fault: "unknown address family; allowed is 0 (unspecified), 1 (IPv4), 2 (IPv6) or 3 (Unix)",
};
const BAD_PROTOCOL: ProxyFault = {
  fault: "unknown transport protocol; allowed is 0 (unspecified), 1 (stream) or 2 (datagram)",
};

/**
 * Reads the header that `bytes` begin with; undefined while it is not all there. What is kept of it is copied.
 * @param limit octets of a whole header
 */
export function readV2(bytes: Uint8Array, limit: number): ProxyHeaderRead | ProxyFault | undefined {
  const fault = headFault(bytes, limit);
  if (fault !== undefined) return fault;
  if (bytes.length < HEAD) return undefined;
  const length = lengthOf(bytes);
  if (bytes.length < length) return undefined;
  const header = readHeader(bytes.subarray(0, length));
  return "fault" in header ? header : { header, length };
}

/** Octet by octet, so that the first wrong one is told at once, however many came with it. */
function headFault(bytes: Uint8Array, limit: number): ProxyFault | undefined {
  const wrong = SIGNATURE.findIndex((octet, at) => at < bytes.length && bytes[at] !== octet);
  if (wrong !== -1) return NO_HEADER;
  const [command, family] = bytes.subarray(SIGNATURE.length, HEAD);
  if (command === undefined) return undefined;
  if (command >> 4 !== VERSION) return BAD_VERSION;
  if ((command & 15) >= COMMANDS) return BAD_COMMAND;
  if (family === undefined) return undefined;
  // Of a LOCAL header the family "is ignored" (§2.2).
  if (command === PROXY && family >> 4 >= FAMILIES) return BAD_FAMILY;
  if (command === PROXY && (family & 15) >= PROTOCOLS) return BAD_PROTOCOL;
  if (bytes.length < HEAD) return undefined;
  const length = lengthOf(bytes);
  if (length > limit) return { fault: `a header of too many octets; allowed are ${limit}` };
  const least = HEAD + (command === PROXY ? addressLength(family) : 0);
  return length < least
    ? { fault: `no room for the addresses; allowed are ${least} octets at least` }
    : undefined;
}

function lengthOf(head: Uint8Array): number {
  return HEAD + (head[14]! << 8 | head[15]!);
}

/** Octets that the addresses take. Without a family or a protocol nobody can say. */
function addressLength(family: number): number {
  return (family & 15) === 0 ? 0 : ADDRESSES[family >> 4]!;
}

function readHeader(header: Uint8Array): ProxyHeader | ProxyFault {
  const family = header[13]!;
  if (header[12] === LOCAL) return { version: 2, command: "local" };
  const length = addressLength(family);
  // What an unspecified family has for addresses is not known, so neither is where vectors would begin.
  if (length === 0) return { version: 2, command: "unknown" };
  const facts = readFacts(header, HEAD + length);
  if ("fault" in facts) return facts;
  return family === TCP4 || family === TCP6
    ? { version: 2, command: "proxy", ...addresses(header, length), ...facts }
    : unknown(facts);
}

/** Datagrams and Unix sockets are no mail clients: the protocol lets a server take them as unspecified. */
function unknown(facts: ProxyFacts): ProxyHeader {
  return { version: 2, command: "unknown", ...facts };
}

/** Both addresses, then both ports. */
function addresses(header: Uint8Array, length: number): { source: Address; destination: Address } {
  const size = (length - 4) / 2;
  const view = new DataView(header.buffer, header.byteOffset + HEAD, length);
  const address = (index: 0 | 1): Address => ({
    host: octetsHost(header.subarray(HEAD + index * size, HEAD + (index + 1) * size)),
    port: view.getUint16(2 * size + 2 * index),
  });
  return { source: address(0), destination: address(1) };
}
