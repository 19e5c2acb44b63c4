/**
 * xtext: bytes as printable ASCII without "+", "=" and space, for values of MAIL and RCPT parameters
 * (RFC 3461 §4) and of XCLIENT and XFORWARD. Texts on both sides are strings of one character per byte.
 */

const PLUS = 0x2b;
const EQUALS = 0x3d;

/**
 * Writes bytes as xtext.
 * @throws TypeError on a character above 255, which is no byte
 */
export function encodeXtext(text: string): string {
  let encoded = "";
  let plain = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isXchar(code)) continue;
    if (code > 255) throw new TypeError(`Cannot write xtext: character ${code} is no byte (0 to 255)`);
    encoded += `${text.slice(plain, at)}+${code < 16 ? "0" : ""}${code.toString(16).toUpperCase()}`;
    plain = at + 1;
  }
  return plain === 0 ? text : encoded + text.slice(plain);
}

/**
 * Reads xtext back into bytes; undefined where it is none. Hex digits may be small: RFC 3461 §4 has capitals
 * only, RFC 4954 §8 takes either.
 */
export function decodeXtext(xtext: string): string | undefined {
  let decoded = "";
  let plain = 0;
  for (let at = 0; at < xtext.length; at++) {
    const code = xtext.charCodeAt(at);
    if (isXchar(code)) continue;
    const byte = code === PLUS
      ? hexDigit(xtext.charCodeAt(at + 1)) * 16 + hexDigit(xtext.charCodeAt(at + 2))
      : NaN;
    if (Number.isNaN(byte)) return undefined;
    decoded += xtext.slice(plain, at) + String.fromCharCode(byte);
    plain = at + 3;
    at += 2;
  }
  return plain === 0 ? xtext : decoded + xtext.slice(plain);
}

function isXchar(code: number): boolean {
  return code > 32 && code < 127 && code !== PLUS && code !== EQUALS;
}

/** The value of a hex digit, NaN for any other character. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : NaN;
}
