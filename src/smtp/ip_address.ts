/**
 * IP addresses in attributes, read and written in one way: dotted quads without leading zeros, IPv6 as RFC 5952 §4
 * has it, so that two texts of one address are equal. IPv4-mapped IPv6 is IPv4.
 */

/** A dotted quad as it is; undefined for anything else. */
export function plainIpv4(text: string): string | undefined {
  return quadOf(text) === undefined ? undefined : text;
}

/** An IPv6 address in its plain form, IPv4-mapped ones as a dotted quad; undefined for anything else, zones included. */
export function plainIpv6(text: string): string | undefined {
  const groups = eightGroups(text);
  if (groups === undefined) return undefined;
  const [high, low] = [groups[6]!, groups[7]!];
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  }
  const words = groups.map((group) => group.toString(16));
  const { at, length } = longestZeros(groups);
  if (length < 2) return words.join(":");
  return `${words.slice(0, at).join(":")}::${words.slice(at + length).join(":")}`;
}

function quadOf(text: string): number[] | undefined {
  const parts = text.split(".");
  const isQuad = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && +part < 256);
  return isQuad ? parts.map(Number) : undefined;
}

function eightGroups(text: string): number[] | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const front = groupsOf(head, tail === undefined);
  const back = groupsOf(tail ?? "", true);
  if (front === undefined || back === undefined) return undefined;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...front, ...new Array<number>(missing).fill(0), ...back];
}

/** The groups of half an address; `last` where nothing follows, so that a dotted quad may end it. */
function groupsOf(half: string, last: boolean): number[] | undefined {
  if (half === "") return [];
  const groups: number[] = [];
  const words = half.split(":");
  for (const [at, word] of words.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(word)) {
      groups.push(parseInt(word, 16));
      continue;
    }
    const quad = last && at === words.length - 1 ? quadOf(word) : undefined;
    if (quad === undefined) return undefined;
    groups.push(quad[0]! << 8 | quad[1]!, quad[2]! << 8 | quad[3]!);
  }
  return groups;
}

/** Where the longest run of zero groups is; the first of equals. */
function longestZeros(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  return best;
}
