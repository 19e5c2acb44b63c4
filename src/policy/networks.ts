/**
 * Addresses and networks: sets of prefixes, and the network that a client's address stands for. IPv4-mapped IPv6 is
 * IPv4 everywhere (RFC 4291 §2.5.5.2).
 */
import { addressOctets, octetsText } from "../smtp/ip_address.ts";

/** A network: the octets of its first address, and how many bits of them count. */
export interface Network {
  readonly octets: Uint8Array;
  readonly bits: number;
}

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a single address; undefined where it is none of them. */
export function readNetwork(text: string): Network | undefined {
  const slash = text.indexOf("/");
  const octets = addressOctets(slash < 0 ? text : text.slice(0, slash));
  if (octets === undefined) return undefined;
  const all = octets.length * 8;
  if (slash < 0) return { octets, bits: all };
  const length = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(length)) return undefined;
  // The prefix of a mapped network counts the 96 bits that are not there any more.
  const mapped = octets.length === 4 && text.includes(":");
  const bits = Number(length) - (mapped ? 96 : 0);
  return bits >= 0 && bits <= all ? { octets: masked(octets, bits), bits } : undefined;
}

function masked(octets: Uint8Array, bits: number): Uint8Array {
  const left = octets.slice();
  for (let i = 0; i < left.length; i++) {
    const keep = Math.min(8, Math.max(0, bits - 8 * i));
    left[i]! &= 0xff << (8 - keep);
  }
  return left;
}

/** The words of a network, for people and in mistakes. */
export const NETWORK_FORMS = "an address or a network, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";

/** The words of who may be trusted to say who a client is, and which user. */
export const TRUSTED_FORMS =
  `${NETWORK_FORMS}, but not the whole world: whoever is trusted may claim to be any client and any user`;

/** Whether its hosts may be trusted so. */
export function isTrustedNetwork(text: string): boolean {
  return (readNetwork(text)?.bits ?? 0) > 0;
}

/** The network that an address is in, as text: `203.0.113.0/24`, `2001:db8::/64`; what is no address stays as it is. */
export function clientPrefix(address: string, ipv4 = 24, ipv6 = 64): string {
  const octets = addressOctets(address);
  if (octets === undefined) return address;
  const bits = octets.length === 4 ? ipv4 : ipv6;
  return `${octetsText(masked(octets, bits))}/${bits}`;
}

/** A set of networks. A look-up costs a hash per prefix length in use, however many networks there are. */
export class NetworkSet {
  /** By the number of bits: the networks of IPv4 as numbers, those of IPv6 as strings of their octets. */
  readonly #ipv4 = new Map<number, Set<number>>();
  readonly #ipv6 = new Map<number, Set<string>>();

  /** @throws TypeError naming the first text that is no network */
  constructor(networks: readonly string[] = []) {
    for (const text of networks) {
      const network = readNetwork(text);
      if (network === undefined) {
        throw new TypeError(
          `Cannot make a set of networks: ${JSON.stringify(text)} was given; allowed is ${NETWORK_FORMS}`,
        );
      }
      this.add(network);
    }
  }

  add({ octets, bits }: Network): void {
    if (octets.length === 4) put(this.#ipv4, bits, numberOf(octets));
    else put(this.#ipv6, bits, keyOf(octets));
  }

  /** Whether an address is in one of them; false for what is no address. */
  has(address: string): boolean {
    const octets = addressOctets(address);
    if (octets === undefined) return false;
    return octets.length === 4 ? this.#hasIpv4(numberOf(octets)) : this.#hasIpv6(octets);
  }

  #hasIpv4(address: number): boolean {
    for (const [bits, set] of this.#ipv4) {
      const mask = bits === 0 ? 0 : -1 << (32 - bits);
      if (set.has((address & mask) >>> 0)) return true;
    }
    return false;
  }

  #hasIpv6(octets: Uint8Array): boolean {
    for (const [bits, set] of this.#ipv6) if (set.has(keyOf(masked(octets, bits)))) return true;
    return false;
  }
}

function put<Key>(lengths: Map<number, Set<Key>>, bits: number, key: Key): void {
  const set = lengths.get(bits);
  if (set === undefined) lengths.set(bits, new Set([key]));
  else set.add(key);
}

function numberOf([a = 0, b = 0, c = 0, d = 0]: Uint8Array): number {
  return (a << 24 | b << 16 | c << 8 | d) >>> 0;
}

function keyOf(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}

/** Addresses that mean another host everywhere, so nothing public can be known of one (RFC 6890, RFC 4193). */
const PRIVATE = new NetworkSet([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::/127",
  "fc00::/7",
  "fe80::/10",
]);

/** Whether an address is of this machine or of somebody's own network. */
export function isPrivateAddress(address: string): boolean {
  return PRIVATE.has(address);
}

/**
 * An address as the DNS has it: its octets backwards, or for IPv6 its 32 nibbles; undefined for what is no address.
 * `7.113.0.203`, to which `.in-addr.arpa` or a list's zone is added (RFC 1035 §3.5, RFC 3596 §2.5, RFC 5782 §2.1).
 */
export function reversedAddress(address: string): string | undefined {
  const octets = addressOctets(address);
  if (octets === undefined) return undefined;
  if (octets.length === 4) return `${octets[3]}.${octets[2]}.${octets[1]}.${octets[0]}`;
  let name = "";
  for (let i = octets.length - 1; i >= 0; i--) {
    const octet = octets[i]!;
    name += `${(octet & 15).toString(16)}.${(octet >> 4).toString(16)}.`;
  }
  return name.slice(0, -1);
}
