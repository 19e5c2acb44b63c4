/**
 * Finds the next octet that may matter to a line reader: one not above CR. Nearly all octets of nearly all mail are
 * passed over here, so large reads are looked at four octets at a time.
 */

const CR = 13;
/** Below this many octets, setting up costs more than it saves. */
const LARGE = 2048;

/** `bytes` as words, from the first aligned octet on; undefined where it is not worth it. */
export interface Words {
  readonly base: number;
  readonly words: Uint32Array;
}

export function wordsOf(bytes: Uint8Array, start: number, end: number): Words | undefined {
  if (end - start < LARGE) return undefined;
  const base = (4 - (bytes.byteOffset & 3)) & 3;
  return { base, words: new Uint32Array(bytes.buffer, bytes.byteOffset + base, (end - base) >> 2) };
}

/** The index of the first octet of `bytes[at, end)` that is not above CR, or `end`. */
export function plainEnd(bytes: Uint8Array, view: Words | undefined, at: number, end: number): number {
  if (view !== undefined) at = plainWordsEnd(bytes, view, at, end);
  while (at < end && bytes[at]! > CR) at++;
  return at;
}

/** As `plainEnd`, but may stop up to three octets early. */
function plainWordsEnd(bytes: Uint8Array, { base, words }: Words, at: number, end: number): number {
  while (((at - base) & 3) !== 0) {
    if (at >= end || bytes[at]! <= CR) return at;
    at++;
  }
  let word = (at - base) >> 2;
  for (; word < words.length; word++) {
    const four = words[word]! | 0;
    // The high bit of an octet is set here only if some octet is below 0x0e ("has less", S. E. Anderson's bit tricks).
    if (((four - 0x0e0e0e0e) & ~four & 0x80808080) !== 0) break;
  }
  return base + (word << 2);
}
