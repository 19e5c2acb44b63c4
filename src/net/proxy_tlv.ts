/**
 * The vectors of PROXY protocol version 2 (§2.2): type, two octets of length, value; the value of TLS holds a second
 * level of the same form. A length that lies is a fault, a known type that is given twice as well: of two names one
 * reader takes the first and another the last.
 */
import type { ProxyFault, ProxyTlv } from "./proxy_header.ts";

/** The types of both levels. */
export const TYPE = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  tls: 0x20,
  version: 0x21,
  commonName: 0x22,
  cipher: 0x23,
  signatureAlgorithm: 0x24,
  keyAlgorithm: 0x25,
  group: 0x26,
  signatureScheme: 0x27,
  certificate: 0x28,
  namespace: 0x30,
} as const;

/** Which types a level knows, and what its vectors must not go beyond, in words. */
export interface LevelForm {
  readonly types: ReadonlySet<number>;
  readonly within: string;
}

export const FIRST_LEVEL: LevelForm = {
  types: new Set([
    TYPE.alpn,
    TYPE.authority,
    TYPE.crc32c,
    TYPE.noop,
    TYPE.uniqueId,
    TYPE.tls,
    TYPE.namespace,
  ]),
  within: "the header",
};

export const TLS_LEVEL: LevelForm = {
  types: new Set([
    TYPE.version,
    TYPE.commonName,
    TYPE.cipher,
    TYPE.signatureAlgorithm,
    TYPE.keyAlgorithm,
    TYPE.group,
    TYPE.signatureScheme,
    TYPE.certificate,
  ]),
  within: "the TLV of TLS",
};

/** Texts of printable ASCII in the second level. */
export const TLS_TEXTS = [
  "version",
  "cipher",
  "signatureAlgorithm",
  "keyAlgorithm",
  "group",
  "signatureScheme",
] as const;

/** Bits of the first octet of TLS. */
export const CLIENT = { tls: 1, certificateOnConnection: 2, certificateInSession: 4 } as const;

/** Octets of TLS before its second level: the bits, and the result of the verification. */
export const TLS_HEAD = 5;

/** Octets. A host name has no more. */
export const AUTHORITY_LIMIT = 255;
export const UNIQUE_ID_LIMIT = 128;

/** Octets of a vector before its value. */
const HEAD = 3;

/** The vectors of one level: the values of known types as views, the others copied. */
export interface Level {
  readonly known: ReadonlyMap<number, Uint8Array>;
  readonly other: readonly ProxyTlv[];
}

/** Reads vectors that fill `bytes` to the last octet. */
export function readLevel(bytes: Uint8Array, { types, within }: LevelForm): Level | ProxyFault {
  const known = new Map<number, Uint8Array>();
  const other: ProxyTlv[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at + HEAD;
    // Where the head itself is cut off, `start` lies beyond the end already.
    const end = start + (bytes[at + 1]! << 8 | bytes[at + 2]!);
    if (end > bytes.length) return { fault: `a TLV goes on behind ${within}; allowed is to end in it` };
    const type = bytes[at]!;
    const value = bytes.subarray(start, end);
    if (!types.has(type)) other.push({ type, value: Uint8Array.from(value) });
    else if (known.has(type) && type !== TYPE.noop) {
      return { fault: `the TLV ${typeName(type)} is there twice; allowed is once` };
    } else known.set(type, value);
    at = end;
  }
  return { known, other };
}

/** A type as two hex digits. */
export function typeName(type: number): string {
  return type.toString(16).padStart(2, "0");
}

/** Writes one vector. Its length is cut to 16 bits: whoever puts a header together checks the sum. */
export function vector(type: number, value: Uint8Array): Uint8Array {
  const octets = new Uint8Array(HEAD + value.length);
  octets.set([type, value.length >> 8, value.length]);
  octets.set(value, HEAD);
  return octets;
}

/** One after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
