/** IPv6 addresses as text, the one way that the runtimes write a client's address too, so that both compare as strings. */

/**
 * An IPv6 address in the form of RFC 5952 §4: the longest run of zero groups (the first of equals) shortened, no
 * leading zeros, lower case. IPv4-mapped addresses end in dots (§5).
 * @param text any form, without a zone
 */
export function canonicalV6(text: string): string {
  const groups = groupsOf(text);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${groups.slice(6).flatMap((group) => [group >> 8, group & 255]).join(".")}`;
  }
  const { at, length } = longestZeros(groups);
  const words = groups.map((group) => group.toString(16));
  if (length < 2) return words.join(":");
  return `${words.slice(0, at).join(":")}::${words.slice(at + length).join(":")}`;
}

/** An IP address without its zone, IPv6 in canonical form. */
export function plainAddress(address: string): string {
  const [plain = ""] = address.split("%", 1);
  return plain.includes(":") ? canonicalV6(plain) : plain;
}

function groupsOf(text: string): number[] {
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => `${group(a, b)}:${group(c, d)}`);
  const [head = [], tail = []] = hex.split("::").map((half) => half === "" ? [] : half.split(":"));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return [...head, ...zeros, ...tail].map((word) => parseInt(word, 16));
}

/** Two octets in decimal as a group. */
function group(high: string, low: string): string {
  return (Number(high) << 8 | Number(low)).toString(16);
}

function longestZeros(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  return best;
}
