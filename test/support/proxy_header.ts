/** Headers of the PROXY protocol put together octet by octet, and read whole and in pieces. */
import { Buffer } from "node:buffer";
import {
  type ProxyFault,
  type ProxyHeader,
  type ProxyLimits,
  ProxyReader,
} from "../../src/net/proxy_protocol.ts";

/** Octets of texts (one character per octet), numbers (one octet each) and octets, one after the other. */
export function octets(...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => {
    if (typeof part === "number") return [part];
    return typeof part === "string" ? Array.from(part, (character) => character.charCodeAt(0)) : [...part];
  }));
}

/** One vector. */
export function tlv(type: number, value: string | Uint8Array, length: number = value.length): Uint8Array {
  return octets(type, length >> 8, length & 255, value);
}

/** Version 2: command and family as octets, then what stands behind the length, which is right unless it is given. */
export function v2(
  command: number,
  family: number,
  rest: Uint8Array,
  length: number = rest.length,
): Uint8Array {
  return octets("\r\n\r\n\0\r\nQUIT\n", command, family, length >> 8, length & 255, rest);
}

/** 192.0.2.1:56324 to 198.51.100.2:25. */
export const IPV4 = octets(192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0, 25);
/** [2001:db8::1]:1 to [2001:db8::2]:65535. */
export const IPV6 = octets(
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
  ...[0, 1, 255, 255],
);

/** What a reader made of a connection's octets: `rest` is all that came behind the header. */
export type Outcome = { readonly header: ProxyHeader; readonly rest: string } | ProxyFault | "more";

/**
 * Reads octets in pieces of the given sizes (around again and again). Each piece is wiped after its turn, as a wire does
 * with its own, and every other one is a Buffer, whose slice() copies nothing.
 */
export function readInPieces(bytes: Uint8Array, sizes: readonly number[], limits?: ProxyLimits): Outcome {
  const reader = new ProxyReader(limits);
  let outcome: Outcome = "more";
  for (let at = 0, turn = 0; at < bytes.length || turn === 0; turn++) {
    const octets = bytes.slice(at, at + sizes[turn % sizes.length]!);
    const piece = turn % 2 === 0 ? Buffer.from(octets) : octets;
    at += piece.length;
    const read = reader.push(piece);
    if (read !== undefined && "header" in read) {
      const before: string = typeof outcome === "object" && "rest" in outcome ? outcome.rest : "";
      outcome = { header: read.header, rest: before + String.fromCharCode(...read.rest) };
    } else if (read !== undefined) outcome = read;
    piece.fill(0xee);
  }
  return outcome;
}

/** Reads octets whole. */
export function readWhole(bytes: Uint8Array, limits?: ProxyLimits): Outcome {
  return readInPieces(bytes, [Math.max(1, bytes.length)], limits);
}

/** The fault of octets; an error where there is none. */
export function faultOf(bytes: Uint8Array, limits?: ProxyLimits): string {
  const read = readWhole(bytes, limits);
  if (read === "more") return "none: more is needed";
  return "fault" in read ? read.fault : `none: ${JSON.stringify(read.header)}`;
}

/** The header of octets; an error where there is none. */
export function headerOf(bytes: Uint8Array, limits?: ProxyLimits): ProxyHeader {
  const read = readWhole(bytes, limits);
  if (read !== "more" && "header" in read) return read.header;
  throw new Error(read === "more" ? "the header is not complete" : read.fault);
}
