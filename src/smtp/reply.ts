/**
 * A reply: three digits and one or more lines of text (RFC 5321 §4.2, RFC 3463 enhanced codes).
 *
 * A reply is a value. The proxy's own are made by `reply()`, which derives the class digit of the
 * enhanced code from the basic code, so the two cannot disagree; a backend's is kept as the bytes
 * it came in, so that it reaches the client unchanged.
 */

/** One reply, ready for the wire. */
export interface Reply {
  /** 200 to 599. */
  readonly code: number;
  /** The whole reply with its line ends, as it goes to the peer. */
  readonly bytes: Uint8Array;
}

/** Bytes of a string that holds one byte per character. */
export function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Where a runtime can do it in one piece (node:buffer), it takes a fifth of the time, and that for every line read. */
const nativeText = (globalThis as {
  readonly Buffer?: {
    readonly prototype: { readonly latin1Slice?: (this: Uint8Array, start: number, end: number) => string };
  };
}).Buffer?.prototype.latin1Slice;

/** The reverse of `latin1`. */
export function latin1Text(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  if (nativeText !== undefined) return nativeText.call(bytes, start, end);
  if (end - start <= 4096) {
    return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
  }
  let text = "";
  for (let at = start; at < end; at += 4096) text += latin1Text(bytes, at, Math.min(end, at + 4096));
  return text;
}

/**
 * Makes a reply.
 * @param code basic code, 200 to 599
 * @param enhanced subject and detail of the enhanced code (`"7.1"`), its class comes from `code`; `""` for the
 *   replies that have none (greeting, HELO, EHLO, 3yz)
 * @param text one line, or several; ASCII (or UTF-8 as bytes), no CR, LF or NUL
 * @throws RangeError on a code out of range, TypeError on a text that would not stay one line
 */
export function reply(code: number, enhanced: string, text: string | readonly string[]): Reply {
  if (!(Number.isInteger(code) && code >= 200 && code <= 599)) {
    throw new RangeError(`Cannot make a reply: code ${code} is not within 200 to 599`);
  }
  if (enhanced !== "" && !/^\d{1,3}\.\d{1,3}$/.test(enhanced)) {
    throw new TypeError(
      `Cannot make a reply: enhanced code ${JSON.stringify(enhanced)} is not subject.detail`,
    );
  }
  const lines = typeof text === "string" ? [text] : text;
  if (lines.length === 0) throw new TypeError("Cannot make a reply: it has no line of text");
  const prefix = enhanced === "" ? "" : `${Math.floor(code / 100)}.${enhanced} `;
  let whole = "";
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (/[\r\n\0]/.test(line)) throw new TypeError("Cannot make a reply: its text holds CR, LF or NUL");
    whole += `${code}${i === lines.length - 1 ? " " : "-"}${prefix}${line}\r\n`;
  }
  return { code, bytes: latin1(whole) };
}

/** 2 to 5: what the reply's first digit says. */
export function severity(given: Reply): number {
  return Math.floor(given.code / 100);
}

/** The reply's text lines without codes and line ends; for logs and tests. */
export function textOf(given: Reply): string[] {
  return latin1Text(given.bytes).split("\r\n").slice(0, -1).map((line) => line.slice(4));
}
