/**
 * What a backend says, made fit to print: a terminal obeys escape sequences, and a reply may have any octets and any
 * length.
 */

/** Characters of one shown text. */
const LIMIT = 300;

/** Printable ASCII; everything else as `\xNN` (`\u{…}` for wider characters), cut where it is long. */
export function shown(text: string, limit: number = LIMIT): string {
  let out = "";
  for (const character of text) {
    if (out.length >= limit) return `${out.slice(0, limit)}...`;
    out += /[ -~]/.test(character) ? character : escaped(character.codePointAt(0)!);
  }
  return out.length > limit ? `${out.slice(0, limit)}...` : out;
}

function escaped(code: number): string {
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** Octets of a form, in the way programmers write them: `\r\n.\n`. */
export function spelt(octets: string): string {
  return octets.replace(/[\r\n\0]/g, (octet) => octet === "\r" ? "\\r" : octet === "\n" ? "\\n" : "\\0");
}
