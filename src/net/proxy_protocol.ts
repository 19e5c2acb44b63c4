/**
 * The PROXY protocol (haproxy.org, versions 1 and 2): the first octets of a connection from a trusted sender say whose
 * connection it is. A listener either demands a header or takes none; whether one is there is never guessed (§2).
 *
 * Octets in, values out: whoever owns the connection keeps the time (3 s at least) and closes it on a fault.
 */
import { NO_HEADER, type ProxyFault, type ProxyHeader, type ProxyHeaderRead } from "./proxy_header.ts";
import { joined } from "./proxy_tlv.ts";
import { proxyV1Unknown, readV1 } from "./proxy_v1.ts";
import { readV2 } from "./proxy_v2.ts";
import { proxyV2Local } from "./proxy_v2_writer.ts";

export type {
  LocalHeader,
  ProxiedHeader,
  ProxyCertificate,
  ProxyFacts,
  ProxyFault,
  ProxyHeader,
  ProxyTls,
  ProxyTlv,
  UnknownHeader,
} from "./proxy_header.ts";
export { hostOctets } from "./ip_octets.ts";
export { isHostText, isPlainText } from "./proxy_facts.ts";
export { AUTHORITY_LIMIT } from "./proxy_tlv.ts";
export { proxyV1 } from "./proxy_v1.ts";
export { type ProxyV2, proxyV2 } from "./proxy_v2_writer.ts";

/** A header with the octets behind it, or why there is none: the connection is then to be closed. */
export type ProxyRead = {
  readonly header: ProxyHeader;
  /** The first octets of the client: a view of those pushed last, void with them. */
  readonly rest: Uint8Array;
} | ProxyFault;

/** Bounds of a reader. */
export interface ProxyLimits {
  /** Octets of a header of version 2. One of version 1 has 107 at the most. */
  readonly header: number;
}

/** Room for a client's certificate. */
export const DEFAULT_PROXY_LIMITS: ProxyLimits = { header: 4096 };

const EMPTY = new Uint8Array(0);
const [V1, V2] = [0x50, 0x0d];

/** Reads one header from the beginning of a connection, however it is cut into pieces. */
export class ProxyReader {
  readonly #limits: ProxyLimits;
  #kept: Uint8Array = EMPTY;
  #read: ProxyHeaderRead | ProxyFault | undefined;

  constructor(limits: ProxyLimits = DEFAULT_PROXY_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes the next octets; undefined while the header is not complete. After it, all that is pushed is `rest`; after
   * a fault there is nothing but the fault.
   */
  push(bytes: Uint8Array): ProxyRead | undefined {
    if (this.#read !== undefined) return given(this.#read, bytes);
    const before = this.#kept.length;
    const all = before === 0 ? bytes : joined([this.#kept, bytes]);
    const read = readHeader(all, this.#limits.header);
    if (read === undefined) {
      // Never more than a header may have: that would have been a fault. Not slice(): a Buffer's copies nothing.
      this.#kept = before === 0 ? Uint8Array.from(bytes) : all;
      return undefined;
    }
    this.#kept = EMPTY;
    this.#read = read;
    return "fault" in read ? read : given(read, bytes.subarray(read.length - before));
  }
}

function given(read: ProxyHeaderRead | ProxyFault, rest: Uint8Array): ProxyRead {
  return "fault" in read ? read : { header: read.header, rest };
}

function readHeader(bytes: Uint8Array, limit: number): ProxyHeaderRead | ProxyFault | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] === V1) return readV1(bytes);
  return bytes[0] === V2 ? readV2(bytes, limit) : NO_HEADER;
}

/**
 * A header for a connection of one's own, as in a health check. Version 1 has only UNKNOWN for that, which many
 * servers refuse: `proxyV1` with the connection's own two addresses serves better there (§2.1).
 */
export function proxyLocal(version: 1 | 2): Uint8Array {
  return version === 1 ? proxyV1Unknown() : proxyV2Local();
}
