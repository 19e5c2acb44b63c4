/**
 * IP addresses as octets and as text, read and written in one way everywhere. Text is read as inet_pton does, IPv4 without
 * leading zeros (to some readers those are octal); IPv6 is written as RFC 5952 §4 has it and the runtimes do, so that two
 * texts of one address are equal. IPv4-mapped IPv6 is IPv4 (RFC 4291 §2.5.5.2).
 */

const ZERO = 0x30;
const DOT = 0x2e;

/** The 4 octets of a dotted quad; undefined for anything else. */
export function ipv4Octets(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(4);
  let [part, value, digits] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || part === 3) return undefined;
      octets[part++] = value;
      value = digits = 0;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return undefined;
    value = value * 10 + digit;
    digits++;
    if (value > 255) return undefined;
  }
  if (part !== 3 || digits === 0) return undefined;
  octets[3] = value;
  return octets;
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
  const octets = new Uint8Array(16);
  place(octets, front, 0);
  place(octets, back, 8 - back.length);
  return octets;
}

function place(octets: Uint8Array, groups: readonly number[], at: number): void {
  for (const [i, group] of groups.entries()) {
    octets[2 * (at + i)] = group >> 8;
    octets[2 * (at + i) + 1] = group & 255;
  }
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

/** The 4 or 16 octets of an address; undefined for what is none, zones included. */
export function addressOctets(text: string): Uint8Array | undefined {
  const octets = text.includes(":") ? ipv6Octets(text) : ipv4Octets(text);
  return octets !== undefined && isMapped(octets) ? octets.slice(12) : octets;
}

/** 4 or 16 octets as text. */
export function octetsText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (isMapped(octets)) return octets.subarray(12).join(".");
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(octets[at]! << 8 | octets[at + 1]!);
  const words = groups.map((group) => group.toString(16));
  const { at, length } = longestZeros(groups);
  if (length < 2) return words.join(":");
  return `${words.slice(0, at).join(":")}::${words.slice(at + length).join(":")}`;
}

/** A dotted quad as it is; undefined for anything else. */
export function plainIpv4(text: string): string | undefined {
  return ipv4Octets(text) === undefined ? undefined : text;
}

/** An IPv6 address in its plain form, IPv4-mapped ones as a dotted quad; undefined for anything else, zones included. */
export function plainIpv6(text: string): string | undefined {
  const octets = ipv6Octets(text);
  return octets && octetsText(octets);
}

function isMapped(octets: Uint8Array): boolean {
  if (octets[10] !== 255 || octets[11] !== 255) return false;
  for (let at = 0; at < 10; at++) if (octets[at] !== 0) return false;
  return true;
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
