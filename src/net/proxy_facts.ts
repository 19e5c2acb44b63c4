/**
 * What the vectors of PROXY protocol version 2 tell of a client (§2.2.1 to §2.2.7), read strictly: what the sender
 * writes itself must be as the protocol has it. Only a certificate's common name, in which a client may have any
 * octets, is taken as it comes.
 */
import { crc32c } from "./crc32c.ts";
import type { ProxyCertificate, ProxyFacts, ProxyFault, ProxyTls } from "./proxy_header.ts";
import {
  AUTHORITY_LIMIT,
  CLIENT,
  FIRST_LEVEL,
  type Level,
  readLevel,
  TLS_HEAD,
  TLS_LEVEL,
  TLS_TEXTS,
  TYPE,
  typeName,
  UNIQUE_ID_LIMIT,
} from "./proxy_tlv.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads the vectors of a header.
 * @param header all of it, for the checksum; what is kept of it is copied
 * @param from where the vectors begin; they end with the header
 */
export function readFacts(header: Uint8Array, from: number): ProxyFacts | ProxyFault {
  const level = readLevel(header.subarray(from), FIRST_LEVEL);
  if ("fault" in level) return level;
  return checksumFault(header, level.known.get(TYPE.crc32c)) ?? factsOf(level);
}

/** `given` is a view of `header`, which says where it stands. */
function checksumFault(header: Uint8Array, given: Uint8Array | undefined): ProxyFault | undefined {
  if (given === undefined) return undefined;
  if (given.length !== 4) return badLength(TYPE.crc32c, "4 octets");
  const at = given.byteOffset - header.byteOffset;
  const zeroed = Uint8Array.from(header).fill(0, at, at + 4);
  if (crc32c(zeroed) === number32(given)) return undefined;
  return { fault: "the checksum is wrong; allowed is the CRC32c of the header" };
}

function factsOf({ known, other }: Level): ProxyFacts | ProxyFault {
  const facts: Mutable<ProxyFacts> = {};
  const [alpn, authority, uniqueId, tls, namespace] = [
    TYPE.alpn,
    TYPE.authority,
    TYPE.uniqueId,
    TYPE.tls,
    TYPE.namespace,
  ].map((type) => known.get(type));
  if (alpn !== undefined) facts.alpn = String.fromCharCode(...alpn);
  if (authority !== undefined) {
    facts.authority = hostText(authority);
    if (facts.authority === undefined) return BAD_AUTHORITY;
  }
  if (uniqueId !== undefined) {
    if (uniqueId.length > UNIQUE_ID_LIMIT) {
      return badLength(TYPE.uniqueId, `${UNIQUE_ID_LIMIT} octets at most`);
    }
    facts.uniqueId = Uint8Array.from(uniqueId);
  }
  if (namespace !== undefined) {
    facts.namespace = plainText(namespace);
    if (facts.namespace === undefined) return badText(TYPE.namespace);
  }
  if (tls !== undefined) {
    const read = readTls(tls);
    if ("fault" in read) return read;
    facts.tls = read.tls;
  }
  if (other.length > 0) facts.other = other;
  return facts;
}

/** `tls` is undefined where the vector says that the client does not speak TLS. */
function readTls(value: Uint8Array): { readonly tls: ProxyTls | undefined } | ProxyFault {
  if (value.length < TLS_HEAD) return badLength(TYPE.tls, `${TLS_HEAD} octets at least`);
  const level = readLevel(value.subarray(TLS_HEAD), TLS_LEVEL);
  if ("fault" in level) return level;
  const tls: Mutable<ProxyTls> = {};
  for (const name of TLS_TEXTS) {
    const text = level.known.get(TYPE[name]);
    if (text === undefined) continue;
    tls[name] = plainText(text);
    if (tls[name] === undefined) return badText(TYPE[name]);
  }
  const bits = value[0]!;
  if (bits & (CLIENT.certificateOnConnection | CLIENT.certificateInSession)) {
    tls.certificate = certificateOf(bits, number32(value.subarray(1)), level);
  }
  if (level.other.length > 0) tls.other = level.other;
  // HAProxy writes the vector for plain connections too, with no bit set.
  return { tls: bits & CLIENT.tls ? tls : undefined };
}

function certificateOf(bits: number, verifyError: number, { known }: Level): ProxyCertificate {
  const [name, der] = [known.get(TYPE.commonName), known.get(TYPE.certificate)];
  return {
    verifyError,
    fresh: (bits & CLIENT.certificateOnConnection) !== 0,
    ...(name === undefined ? {} : { commonName: new TextDecoder("utf-8", { ignoreBOM: true }).decode(name) }),
    ...(der === undefined ? {} : { der: Uint8Array.from(der) }),
  };
}

function number32(octets: Uint8Array): number {
  return new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0);
}

/** Printable ASCII; undefined where it is not. */
function plainText(octets: Uint8Array): string | undefined {
  const text = String.fromCharCode(...octets);
  return isPlainText(text) ? text : undefined;
}

/** Whether a text is printable ASCII, spaces included. */
export function isPlainText(text: string): boolean {
  return /^[ -~]*$/.test(text);
}

/** UTF-8 without control characters, no longer than a host name; undefined where it is not. */
function hostText(octets: Uint8Array): string | undefined {
  if (octets.length > AUTHORITY_LIMIT) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
    return isHostText(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a text has no control characters. */
export function isHostText(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}

const BAD_AUTHORITY: ProxyFault = {
  fault: `bad text in the TLV ${
    typeName(TYPE.authority)
  }; allowed is UTF-8 without control characters, ${AUTHORITY_LIMIT} octets at most`,
};

function badText(type: number): ProxyFault {
  return { fault: `bad text in the TLV ${typeName(type)}; allowed is printable ASCII` };
}

function badLength(type: number, allowed: string): ProxyFault {
  return { fault: `bad length of the TLV ${typeName(type)}; allowed is ${allowed}` };
}
