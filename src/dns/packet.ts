/**
 * DNS messages as bytes and back (RFC 1035, EDNS by RFC 6891), over dns-packet. Only what was asked for comes through:
 * records of class IN and of the types in `DnsRecords`, whose names are plain text.
 */

import { Buffer } from "node:buffer";
import { type Answer, decode, encode, RECURSION_DESIRED } from "dns-packet";
import type { DnsRecords, RecordType } from "../policy/effects.ts";
import { canonicalV6 } from "./address.ts";
import { endOfSections } from "./frame.ts";

/** A name (plain, see `plainName`) and the type of record wanted of it. */
export interface Question {
  readonly name: string;
  readonly type: RecordType;
}

/** A record as it came; `ttl` in seconds. */
export type Resource = {
  [T in RecordType]: {
    readonly type: T;
    readonly name: string;
    readonly ttl: number;
    readonly data: DnsRecords[T];
  };
}[RecordType];

/** What a reply holds. */
export interface Message {
  /** RFC 1035 §4.1.1, with the upper bits of RFC 6891 §6.1.3. */
  readonly rcode: number;
  readonly truncated: boolean;
  readonly authoritative: boolean;
  /** The server looks up what it does not know. */
  readonly recursive: boolean;
  readonly answers: readonly Resource[];
  readonly authorities: readonly Resource[];
  /** Octets. */
  readonly size: number;
}

/** Octets that an answer over UDP may have and still pass every network unfragmented. */
const UDP_SIZE = 1232;

const OPT = {
  type: "OPT",
  name: ".",
  udpPayloadSize: UDP_SIZE,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
} as const;

/** A query that asks for recursion, with the id 0. */
export function encodeQuery({ name, type }: Question, edns: boolean): Uint8Array {
  return encode({
    type: "query",
    id: 0,
    flags: RECURSION_DESIRED,
    questions: [{ name, type, class: "IN" }],
    additionals: edns ? [{ ...OPT, options: [] }] : [],
  });
}

/** The same name with each letter's case as chance has it, which a liar must guess (draft-vixie-dnsext-dns0x20 §2). */
export function mixedCase(name: string, random: () => number): string {
  return name.replace(/[a-z]/g, (letter) => random() < 0.5 ? letter : letter.toUpperCase());
}

/** Reads a reply; undefined where it is no DNS message. */
export function decodeReply(bytes: Uint8Array): Message | undefined {
  const end = endOfSections(bytes);
  if (end < 0) return undefined;
  try {
    return message(bytes, end);
  } catch {
    // dns-packet throws at whatever it cannot read.
    return undefined;
  }
}

function message(bytes: Uint8Array, end: number): Message | undefined {
  const packet = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  // Where it took other lengths for the records than they say, what it read are not the records.
  if (decode.bytes !== end) return undefined;
  const opt = packet.additionals?.find((each) => each.type === "OPT");
  return {
    rcode: bytes[3]! & 15 | (opt?.extendedRcode ?? 0) << 4,
    truncated: packet.flag_tc,
    authoritative: packet.flag_aa,
    recursive: packet.flag_ra,
    answers: resources(packet.answers),
    authorities: resources(packet.authorities),
    size: bytes.length,
  };
}

function resources(answers: readonly Answer[] | undefined): Resource[] {
  return (answers ?? []).flatMap((answer) => {
    const found = resource(answer);
    return found === undefined ? [] : [found];
  });
}

function resource(answer: Answer): Resource | undefined {
  if (answer.type === "OPT" || answer.class !== "IN" || answer.flush) return undefined;
  const name = nameOf(answer.name);
  if (name === undefined) return undefined;
  // A time with its highest bit set is no time at all (RFC 2181 §8).
  const ttl = (answer.ttl ?? 0) > 0x7fff_ffff ? 0 : answer.ttl ?? 0;
  const data = dataOf(answer);
  return data === undefined ? undefined : { ...data, name, ttl };
}

type Data = Resource extends infer R ? R extends Resource ? Pick<R, "type" | "data"> : never : never;

/** Undefined for other types, and for a name that is no plain text: it may be about to reach a log or a field. */
function dataOf(answer: Answer): Data | undefined {
  switch (answer.type) {
    case "A":
      return { type: answer.type, data: answer.data };
    case "AAAA":
      return { type: answer.type, data: canonicalV6(answer.data) };
    case "CNAME":
    case "NS":
    case "PTR": {
      const data = nameOf(answer.data);
      return data === undefined ? undefined : { type: answer.type, data };
    }
    case "MX": {
      const exchange = nameOf(answer.data.exchange);
      if (exchange === undefined) return undefined;
      return { type: answer.type, data: Object.freeze({ exchange, priority: answer.data.preference ?? 0 }) };
    }
    case "SRV": {
      const { target, port, priority = 0, weight = 0 } = answer.data;
      const name = nameOf(target);
      if (name === undefined) return undefined;
      return { type: answer.type, data: Object.freeze({ name, port, priority, weight }) };
    }
    case "SOA":
      return soa(answer.data);
    case "TLSA": {
      const { usage, selector, matchingType, certificate } = answer.data;
      const copy = Uint8Array.from(certificate);
      return { type: answer.type, data: Object.freeze({ usage, selector, matchingType, certificate: copy }) };
    }
    case "TXT":
      return { type: answer.type, data: strings(answer.data) };
    default:
      return undefined;
  }
}

function soa(given: Extract<Answer, { type: "SOA" }>["data"]): Data | undefined {
  const nsname = nameOf(given.mname);
  const hostmaster = nameOf(given.rname);
  if (nsname === undefined || hostmaster === undefined) return undefined;
  const { serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0 } = given;
  const data = Object.freeze({ nsname, hostmaster, serial, refresh, retry, expire, minttl: minimum });
  return { type: "SOA", data };
}

function strings(data: string | Buffer | (string | Buffer)[]): readonly string[] {
  const list = Array.isArray(data) ? data : [data];
  return Object.freeze(list.map((each) => typeof each === "string" ? each : each.toString("latin1")));
}

/** In lower case, "" for the root; undefined where it holds anything but printable ASCII. */
function nameOf(given: string): string | undefined {
  if (given === ".") return "";
  return /^[\x21-\x7e]+$/.test(given) ? given.toLowerCase() : undefined;
}
