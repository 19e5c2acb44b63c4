// The examiner's own reading of message bytes (RFC 5321 §4.1.1.4, §4.5.2), kept apart from src:
// dot-stuffing, the one true end of data, bare line ends, and the field that the proxy puts before.
import { Buffer } from "node:buffer";

/** Latin-1 text as bytes: every character is one byte. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Doubles the dots at line starts; any bytes, no terminator. */
export function dotted(bytes: Buffer): Buffer {
  return bytesOf(bytes.toString("latin1").replace(/(^|\r\n)\./g, "$1.."));
}

/** Takes one dot from every line that begins with one. */
export function undotted(bytes: Buffer): Buffer {
  return bytesOf(bytes.toString("latin1").replace(/(^|\r\n)\./g, "$1"));
}

/** A message as a client sends it after DATA: dots doubled, CRLF.CRLF at the end. The message ends with CRLF or is empty. */
export function stuff(message: Buffer): Buffer {
  return Buffer.concat([dotted(message), bytesOf(".\r\n")]);
}

/** The message of raw DATA bytes, terminator included. */
export function unstuff(raw: Buffer): Buffer {
  return undotted(raw.subarray(0, -3));
}

/** Index of the first CR or LF that is not part of CRLF; -1 when there is none. A last CR counts only when `whole`. */
export function bareLineEnd(bytes: Buffer, whole = true): number {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 10 && bytes[i - 1] !== 13) return i;
    if (bytes[i] === 13 && bytes[i + 1] !== 10 && (whole || i + 1 < bytes.length)) return i;
  }
  return -1;
}

/** How a strict server reads the bytes that follow DATA's 354. */
export interface Reading {
  /** Where CRLF.CRLF ends (index after it), or -1: still open. */
  readonly end: number;
  /** First bare CR or LF before that end, or -1. */
  readonly fault: number;
  /** The message, dots unstuffed, when it ended without a fault. */
  readonly message: Buffer | undefined;
}

/** The reference reading: only CRLF ends a line, only CRLF.CRLF ends data. */
export function readData(stream: Buffer): Reading {
  const view = Buffer.concat([bytesOf("\r\n"), stream]);
  const at = view.indexOf("\r\n.\r\n");
  const end = at < 0 ? -1 : at + 3;
  const span = end < 0 ? stream : stream.subarray(0, end);
  const fault = bareLineEnd(span, end >= 0);
  const message = end >= 0 && fault < 0 ? unstuff(span) : undefined;
  return { end, fault, message };
}

const TRACE = /^Received:[ \t][\x21-\x7e\t ]*(?:\r\n[ \t]+[\x21-\x7e][\x21-\x7e\t ]*)*\r\n$/;

/** What was put before the message, when all else is exact and it is one well-formed Received field; else a complaint. */
export function traceField(delivered: Buffer, sent: Buffer): { field: string } | { fault: string } {
  const size = delivered.length - sent.length;
  if (size < 0) return { fault: `${delivered.length} bytes arrived of ${sent.length}` };
  const body = delivered.subarray(size);
  if (!body.equals(sent)) return { fault: `bytes differ: ${difference(delivered, sent)}` };
  const field = delivered.toString("latin1", 0, size);
  return TRACE.test(field)
    ? { field }
    : { fault: `not one Received field: ${JSON.stringify(field.slice(0, 300))}` };
}

/** "" when the delivery is one Received field and then exactly these bytes. */
export function inexact(delivered: Buffer, sent: Buffer): string {
  const trace = traceField(delivered, sent);
  return "fault" in trace ? trace.fault : "";
}

function difference(delivered: Buffer, sent: Buffer): string {
  let i = 0;
  while (i < sent.length && sent[sent.length - 1 - i] === delivered[delivered.length - 1 - i]) i++;
  const show = (b: Buffer) =>
    JSON.stringify(b.toString("latin1", Math.max(0, b.length - i - 20), b.length - i + 20));
  return `${i} bytes before the end: sent ${show(sent)}, arrived ${show(delivered)}`;
}

/** A small seeded generator (mulberry32): the same numbers in every run. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
