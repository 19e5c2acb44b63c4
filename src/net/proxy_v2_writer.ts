/**
 * PROXY protocol version 2, written (§2.2): the addresses of a client's connection, and what is known of its TLS.
 */
import { crc32c } from "./crc32c.ts";
import { hostOctets } from "./ip_octets.ts";
import { isHostText, isPlainText } from "./proxy_facts.ts";
import {
  type ProxyCertificate,
  type ProxyFacts,
  proxyPort,
  type ProxyTls,
  type ProxyTlv,
} from "./proxy_header.ts";
import {
  AUTHORITY_LIMIT,
  CLIENT,
  FIRST_LEVEL,
  joined,
  type LevelForm,
  TLS_HEAD,
  TLS_LEVEL,
  TLS_TEXTS,
  TYPE,
  typeName,
  UNIQUE_ID_LIMIT,
  vector,
} from "./proxy_tlv.ts";
import { LOCAL, PROXY, SIGNATURE, TCP4, TCP6, UNSPECIFIED } from "./proxy_v2.ts";
import type { Address } from "./wire.ts";

/** What a header of version 2 is to say. */
export interface ProxyV2 extends ProxyFacts {
  readonly source: Address;
  readonly destination: Address;
  /** Adds a checksum. */
  readonly crc32c?: boolean | undefined;
}

/**
 * A header of version 2. Where one address is IPv4 and the other IPv6, both are written as IPv6. Where one is no IP
 * address, the header says only that the client is not known.
 * @throws TypeError on what the protocol cannot carry: a bad port, a text that is too long or holds other characters
 */
export function proxyV2(header: ProxyV2): Uint8Array {
  const [from, to] = [hostOctets(header.source.host), hostOctets(header.destination.host)];
  if (from === undefined || to === undefined) return whole(PROXY, UNSPECIFIED, []);
  const both4 = from.length === 4 && to.length === 4;
  const hosts = both4 ? [from, to] : [as6(from), as6(to)];
  const ports = [header.source, header.destination].map((address) => number16(proxyPort(address)));
  const vectors = factVectors(header);
  if (!header.crc32c) return whole(PROXY, both4 ? TCP4 : TCP6, [...hosts, ...ports, ...vectors]);
  const checksum = vector(TYPE.crc32c, new Uint8Array(4));
  const octets = whole(PROXY, both4 ? TCP4 : TCP6, [...hosts, ...ports, ...vectors, checksum]);
  octets.set(number32(crc32c(octets)), octets.length - 4);
  return octets;
}

/** A header of version 2 for a connection of one's own. */
export function proxyV2Local(): Uint8Array {
  return whole(LOCAL, UNSPECIFIED, []);
}

function whole(command: number, family: number, parts: readonly Uint8Array[]): Uint8Array {
  const rest = joined(parts);
  if (rest.length > 65535) throw refused(`${rest.length} octets behind its head`, "65535");
  return joined([SIGNATURE, Uint8Array.of(command, family, rest.length >> 8, rest.length), rest]);
}

/** IPv4 as IPv4-mapped IPv6. */
function as6(octets: Uint8Array): Uint8Array {
  return octets.length === 16 ? octets : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...octets);
}

function factVectors(facts: ProxyFacts): Uint8Array[] {
  const { alpn, authority, uniqueId, namespace, tls, other = [] } = facts;
  return [
    ...(alpn === undefined ? [] : [vector(TYPE.alpn, oneEach(alpn))]),
    ...(authority === undefined ? [] : [vector(TYPE.authority, authorityOctets(authority))]),
    ...(uniqueId === undefined
      ? []
      : [vector(TYPE.uniqueId, atMost(uniqueId, UNIQUE_ID_LIMIT, "unique id"))]),
    ...(tls === undefined ? [] : [vector(TYPE.tls, tlsValue(tls))]),
    ...(namespace === undefined ? [] : [vector(TYPE.namespace, plain(namespace))]),
    ...otherVectors(other, FIRST_LEVEL),
  ];
}

function tlsValue(tls: ProxyTls): Uint8Array {
  const { certificate, other = [] } = tls;
  const texts = TLS_TEXTS.flatMap((name) => {
    const text = tls[name];
    return text === undefined ? [] : [vector(TYPE[name], plain(text))];
  });
  const parts = [
    tlsHead(certificate),
    ...texts,
    ...certificateVectors(certificate),
    ...otherVectors(other, TLS_LEVEL),
  ];
  return joined(parts);
}

/** The bits, and what the verification came to: "non-zero" where there was no certificate (§2.2.6). */
function tlsHead(certificate: ProxyCertificate | undefined): Uint8Array {
  const head = new Uint8Array(TLS_HEAD);
  head[0] = CLIENT.tls;
  if (certificate !== undefined) head[0] |= CLIENT.certificateInSession;
  if (certificate?.fresh) head[0] |= CLIENT.certificateOnConnection;
  head.set(number32(certificate?.verifyError ?? 1), 1);
  return head;
}

function certificateVectors(certificate: ProxyCertificate | undefined): Uint8Array[] {
  const { commonName, der } = certificate ?? {};
  return [
    ...(commonName === undefined ? [] : [vector(TYPE.commonName, new TextEncoder().encode(commonName))]),
    ...(der === undefined ? [] : [vector(TYPE.certificate, der)]),
  ];
}

function otherVectors(other: readonly ProxyTlv[], { types }: LevelForm): Uint8Array[] {
  return other.map(({ type, value }) => {
    if (Number.isInteger(type) && type >= 0 && type <= 255 && !types.has(type)) return vector(type, value);
    throw refused(`type ${type} as another TLV`, `0 to 255 but ${[...types].map(typeName).join(", ")} (hex)`);
  });
}

function oneEach(text: string): Uint8Array {
  if (!/^[\0-\xff]*$/.test(text)) throw refused("a text of wider characters", "one character per octet");
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function plain(text: string): Uint8Array {
  if (!isPlainText(text)) throw refused(JSON.stringify(text), "printable ASCII");
  return oneEach(text);
}

function authorityOctets(text: string): Uint8Array {
  if (!isHostText(text)) throw refused(JSON.stringify(text), "a host name without control characters");
  return atMost(new TextEncoder().encode(text), AUTHORITY_LIMIT, "host name");
}

function atMost(octets: Uint8Array, limit: number, what: string): Uint8Array {
  if (octets.length > limit) throw refused(`a ${what} of ${octets.length} octets`, `${limit}`);
  return octets;
}

function number16(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number);
}

function number32(number: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, number);
  return octets;
}

function refused(given: string, allowed: string): TypeError {
  return new TypeError(`Cannot write a PROXY header: ${given} was given; allowed is ${allowed}`);
}
