/**
 * What a message on the wire means, thought out anew and slowly, with string searches instead of states: the reader
 * that `src/smtp/data.ts` is held against (RFC 5321 §2.3.8, §4.1.1.4, §4.5.2). One character per byte.
 */

const END = "\r\n.\r\n";

/** What is to be found in octets after DATA. */
export interface Reading {
  /** Octets that belong to the message and its end; undefined when the end has not come. */
  readonly end: number | undefined;
  /** The first bare CR, bare LF or NUL of the header. */
  readonly fault: "bare CR" | "bare LF" | "NUL in the header" | undefined;
  /** The message as far as it is certain, without dot-stuffing; faults notwithstanding. */
  readonly message: string;
  /** Index of the octet that shows the fault. */
  readonly faultAt: number;
}

/** Reads octets after DATA. */
export function readData(octets: string): Reading {
  const found = `\r\n${octets}`.indexOf(END);
  const body = octets.slice(0, found === -1 ? certain(octets) : found);
  const looked = found === -1 ? octets : octets.slice(0, found);
  const { fault, at } = firstFault(looked, found === -1);
  return { end: found === -1 ? undefined : found + 3, fault, faultAt: at, message: unstuffed(body) };
}

/** Reads a message framed by count: all of it is there. */
export function readCounted(octets: string): Pick<Reading, "fault" | "faultAt" | "message"> {
  const { fault, at } = firstFault(octets, false);
  return { fault, faultAt: at, message: octets };
}

/** Every end of a line as CRLF. */
export function normalized(message: string): string {
  return message.replace(/\r\n|\r|\n/g, "\r\n");
}

/** What of an unfinished message no later octet can change: not a CR, nor a dot that may be the end. */
function certain(octets: string): number {
  return octets.length - (/(?:^|\r\n)(\.\r?)$/.exec(octets)?.[1] ?? /\r?$/.exec(octets)![0]).length;
}

function unstuffed(body: string): string {
  return body.split("\r\n").map((line) => line.startsWith(".") ? line.slice(1) : line).join("\r\n");
}

/** `open`: more may come, so a CR at the end is not bare yet. */
function firstFault(octets: string, open: boolean): { fault: Reading["fault"]; at: number } {
  const header = octets.startsWith("\r\n") ? 0 : `${octets}\r\n\r\n`.indexOf("\r\n\r\n");
  const candidates: { fault: Reading["fault"]; at: number }[] = [];
  const cr = /\r(?!\n)/.exec(open ? octets.replace(/\r$/, "") : octets);
  const lf = /(?<!\r)\n/.exec(octets);
  const nul = octets.slice(0, header).indexOf("\0");
  if (cr) candidates.push({ fault: "bare CR", at: cr.index + 1 });
  if (lf) candidates.push({ fault: "bare LF", at: lf.index });
  if (nul !== -1) candidates.push({ fault: "NUL in the header", at: nul });
  candidates.sort((one, other) => one.at - other.at);
  return candidates[0] ?? { fault: undefined, at: octets.length };
}

/** All strings of up to `length` of these symbols, the short ones first. */
export function permutations(symbols: readonly string[], length: number): string[] {
  let longest = [""];
  const all = [...longest];
  for (let i = 0; i < length; i++) {
    longest = longest.flatMap((start) => symbols.map((symbol) => start + symbol));
    all.push(...longest);
  }
  return all;
}
