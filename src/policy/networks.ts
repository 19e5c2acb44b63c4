/**
 * Addresses and networks: sets of prefixes, and the network that a client's address stands for. IPv4-mapped IPv6 is
 * IPv4 everywhere (RFC 4291 §2.5.5.2).
 */
import { isIP } from "node:net";

/** 4 or 16 octets of an address; undefined where this is none. */
export function addressOctets(text: string): Uint8Array | undefined {
  const version = isIP(text);
  if (version === 0 || text.includes("%")) return undefined;
  if (version === 4) return Uint8Array.from(text.split("."), Number);
  const octets = ipv6Octets(text);
  return isMapped(octets) ? octets.slice(12) : octets;
}

/** Reads what isIP has called IPv6. */
function ipv6Octets(text: string): Uint8Array {
  const octets = new Uint8Array(16);
  const [head = "", tail] = text.split("::");
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  const place = (groups: readonly number[], at: number) =>
    groups.forEach((group, i) => {
      octets[2 * (at + i)] = group >> 8;
      octets[2 * (at + i) + 1] = group & 255;
    });
  place(front, 0);
  place(back, 8 - back.length);
  return octets;
}

function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
    return [a << 8 | b, c << 8 | d];
  });
}

function isMapped(octets: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (octets[i] !== 0) return false;
  return octets[10] === 255 && octets[11] === 255;
}

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
  const mapped = octets.length === 4 && isIP(text.slice(0, slash)) === 6;
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

/** The network that an address is in, as text: `203.0.113.0/24`, `2001:db8::/64`; what is no address stays as it is. */
export function clientPrefix(address: string, ipv4 = 24, ipv6 = 64): string {
  const octets = addressOctets(address);
  if (octets === undefined) return address;
  const bits = octets.length === 4 ? ipv4 : ipv6;
  return `${octetsText(masked(octets, bits))}/${bits}`;
}

function octetsText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((octets[i]! << 8 | octets[i + 1]!).toString(16));
  // The first longest run of zeros is left out (RFC 5952 §4.2).
  const runs = groups.join(":").match(/\b0(?::0)+\b/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  const text = groups.join(":");
  if (longest === "") return text;
  const at = text.search(new RegExp(`\\b${longest}\\b`));
  return `${text.slice(0, at).replace(/:$/, "")}::${text.slice(at + longest.length).replace(/^:/, "")}`;
}

/** A set of networks. A look-up costs a hash per prefix length in use, however many networks there are. */
export class NetworkSet {
  readonly #lengths = new Map<4 | 16, Map<number, Set<string>>>([[4, new Map()], [16, new Map()]]);

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
    const lengths = this.#lengths.get(octets.length as 4 | 16)!;
    let set = lengths.get(bits);
    if (set === undefined) lengths.set(bits, set = new Set());
    set.add(keyOf(octets));
  }

  /** Whether an address is in one of them; false for what is no address. */
  has(address: string): boolean {
    const octets = addressOctets(address);
    if (octets === undefined) return false;
    for (const [bits, set] of this.#lengths.get(octets.length as 4 | 16)!) {
      if (set.has(keyOf(masked(octets, bits)))) return true;
    }
    return false;
  }
}

function keyOf(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}
