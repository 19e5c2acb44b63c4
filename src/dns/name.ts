/**
 * Names as they are asked for: lower case, without a final dot, one character per octet (RFC 1035 §2.3.4, RFC 4343 §3).
 * Labels may begin with an underscore (RFC 8552); a name of other alphabets has to come in its ASCII form.
 */

/** Octets of text a name may have: 255 on the wire, less the first length and the root. */
const NAME_LIMIT = 253;
const LABEL_LIMIT = 63;
const DOT = 0x2e;
const SPACE = 0x20;
const DELETE = 0x7f;

/**
 * The name in lower case and without a final dot.
 * @returns undefined for a name that cannot exist: an empty or overlong label, a space, a control or non-ASCII character
 */
export function plainName(name: string): string | undefined {
  const end = name.charCodeAt(name.length - 1) === DOT ? name.length - 1 : name.length;
  if (end === 0 || end > NAME_LIMIT) return undefined;
  let label = 0;
  let upper = false;
  for (let i = 0; i < end; i++) {
    const code = name.charCodeAt(i);
    if (code === DOT) {
      if (label === 0) return undefined;
      label = 0;
      continue;
    }
    if (code <= SPACE || code >= DELETE || ++label > LABEL_LIMIT) return undefined;
    if (code >= 0x41 && code <= 0x5a) upper = true;
  }
  if (label === 0) return undefined;
  const bare = end === name.length ? name : name.slice(0, end);
  // Only now: toLowerCase makes an ASCII "k" of the Kelvin sign.
  return upper ? bare.toLowerCase() : bare;
}

/** True where `name` is `zone` or below it; the zone "" is the root. */
export function isWithin(name: string, zone: string): boolean {
  return zone === "" || name === zone || name.endsWith(`.${zone}`);
}

/** Labels under which the registries of some countries sell names, so that what one owns has a label more. */
const SECOND_LEVEL = /\.(?:ac|co|com|edu|go|gov|ne|net|nom|or|org)\.[a-z]{2}$/;

/**
 * The part of a plain name that has one owner, roughly, and tells them apart: `example.org`, `example.co.uk`, for the
 * names of addresses the /16 or (IPv6) the /32. Not the zone itself: nobody can make more of these than they buy.
 */
export function ownerZone(name: string): string {
  if (name.endsWith(".in-addr.arpa")) return lastLabels(name, 4);
  if (name.endsWith(".ip6.arpa")) return lastLabels(name, 10);
  return lastLabels(name, SECOND_LEVEL.test(name) ? 3 : 2);
}

function lastLabels(name: string, count: number): string {
  let start = name.length;
  for (let i = 0; i < count && start >= 0; i++) start = name.lastIndexOf(".", start - 1);
  return name.slice(start + 1);
}
