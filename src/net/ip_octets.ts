/**
 * IP addresses as octets and as text, for the PROXY protocol. Text is read as inet_pton does, IPv4 without leading
 * zeros; it is written the one way the runtimes write it too (RFC 5952 §4, §5), so that addresses compare as strings.
 */
import { plainHost } from "./address.ts";

/** The 4 octets of a dotted quad; undefined for anything else, leading zeros included: to some readers they are octal. */
export function ipv4Octets(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

/** The 16 octets of an IPv6 address, whose last 32 bits may be a dotted quad; undefined for anything else, zones included. */
export function ipv6Octets(text: string): Uint8Array | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const front = groupsOf(head, tail === undefined);
  const back = groupsOf(tail ?? "", true);
  if (front === undefined || back === undefined) return undefined;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...front, ...new Array<number>(missing).fill(0), ...back];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

/** The 16-bit groups of half an address; `last` where nothing follows, so that a dotted quad may end it. */
function groupsOf(half: string, last: boolean): number[] | undefined {
  if (half === "") return [];
  const groups: number[] = [];
  const words = half.split(":");
  for (const [at, word] of words.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(word)) {
      groups.push(parseInt(word, 16));
      continue;
    }
    const quad = last && at === words.length - 1 ? ipv4Octets(word) : undefined;
    if (quad === undefined) return undefined;
    groups.push(quad[0]! << 8 | quad[1]!, quad[2]! << 8 | quad[3]!);
  }
  return groups;
}

/** The 4 or 16 octets of a host as `Address` has it; undefined for what is no IP address (a path). Mapped IPv6 is IPv4. */
export function hostOctets(host: string): Uint8Array | undefined {
  const plain = plainHost(host);
  const octets = plain.includes(":") ? ipv6Octets(plain) : ipv4Octets(plain);
  return octets !== undefined && isMapped(octets) ? octets.slice(12) : octets;
}

/** 4 or 16 octets as the host of an `Address`. Mapped IPv6 becomes IPv4. */
export function octetsHost(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (isMapped(octets)) return octets.subarray(12).join(".");
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(octets[at]! << 8 | octets[at + 1]!);
  const words = groups.map((group) => group.toString(16));
  const { at, length } = longestZeros(groups);
  if (length < 2) return words.join(":");
  return `${words.slice(0, at).join(":")}::${words.slice(at + length).join(":")}`;
}

function isMapped(octets: Uint8Array): boolean {
  return octets[10] === 255 && octets[11] === 255 && octets.subarray(0, 10).every((octet) => octet === 0);
}

/** Where the longest run of zero groups is; the first of equals (RFC 5952 §4.2.3). */
function longestZeros(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  return best;
}
