/**
 * A message on the wire: dot-stuffing, the one true end of data (RFC 5321 §4.5.2, §4.1.1.4), and the
 * check that only CRLF ends a line (RFC 5321 §2.3.8).
 *
 * `MessageReader` turns what the client sent into the message's own octets; `DotWriter` turns them
 * into what a backend reads. Both sides of the proxy thus read the same lines, whatever was sent.
 */

import { plainEnd, wordsOf } from "./plain_run.ts";

/** Why a message cannot be taken. */
export type MessageFault =
  | "bare CR"
  | "bare LF"
  | "NUL in the header"
  | "header too large"
  | "line too long"
  | "message too large";

/** How a message's octets are framed: DATA with its dots; BDAT by count, as text or as BINARYMIME. */
export type Framing = "dots" | "text" | "binary";

/** What a reader checks. */
export interface MessageChecks {
  readonly headerBlock: number;
  readonly messageLine: number;
  readonly messageSize: number;
  /** True: a bare CR or LF becomes CRLF instead of a fault. */
  readonly normalize: boolean;
}

const CR = 13;
const LF = 10;
const DOT = 46;
const CRLF_BYTES = Uint8Array.of(CR, LF);
const CR_BYTE = Uint8Array.of(CR);
const DOT_BYTE = Uint8Array.of(DOT);
const END_AT_LINE_START = Uint8Array.of(DOT, CR, LF);
const END_IN_LINE = Uint8Array.of(CR, LF, DOT, CR, LF);

/** Where the reader stands, as seen from the octet before. */
type Place =
  | typeof LINE_START
  | typeof IN_LINE
  | typeof AFTER_CR
  | typeof AFTER_DOT
  | typeof AFTER_DOT_CR
  | typeof ENDED;
/** After CRLF, or before the first octet. */
const LINE_START = 0;
const IN_LINE = 1;
/** A CR was read and is held back: only an LF makes it part of the message. */
const AFTER_CR = 2;
/** "." at the start of a line, held back: stuffing, or the end. */
const AFTER_DOT = 3;
/** "." CR at the start of a line, both held back. */
const AFTER_DOT_CR = 4;
/** CRLF.CRLF has been read. */
const ENDED = 5;

/**
 * Reads one message. After each `read`, `content` holds the message's octets found in that read, as views of
 * the given bytes. Once `fault` is set no content follows, but reading goes on to the true end: a client
 * that sent one bad line is still sending its message, and nothing of it may be taken for a command.
 */
export class MessageReader {
  readonly content: Uint8Array[] = [];
  fault: MessageFault | undefined;
  /** Octets of the message so far. */
  size = 0;
  #place: Place = LINE_START;
  #inHeader = true;
  /** Octets of the current line read so far. */
  #line = 0;
  readonly #framing: Framing;
  readonly #checks: MessageChecks;

  constructor(framing: Framing, checks: MessageChecks) {
    this.#framing = framing;
    this.#checks = checks;
  }

  /** True once CRLF.CRLF was read (framing "dots" only). */
  get ended(): boolean {
    return this.#place === ENDED;
  }

  /** Reads `bytes[start, end)` and returns the index after the last byte that belongs to the message. */
  read(bytes: Uint8Array, start: number, end: number): number {
    this.content.length = 0;
    if (start === end) return end;
    const stop = this.#octets() ? this.#pass(bytes, start, end) : this.#scan(bytes, start, end);
    if (this.fault !== undefined) this.content.length = 0;
    return stop;
  }

  /** A message framed by count is complete: a CR still held back has lost its chance of an LF. */
  finish(): void {
    this.content.length = 0;
    if (this.#place === AFTER_CR) this.#bareEnd("bare CR");
    this.#place = LINE_START;
  }

  /** Past the header of a BINARYMIME message there are no lines, only octets. */
  #octets(): boolean {
    return this.#framing === "binary" && !this.#inHeader;
  }

  #pass(bytes: Uint8Array, start: number, end: number): number {
    this.#give(bytes, start, end);
    this.#place = IN_LINE;
    return end;
  }

  /**
   * `from` is the first octet of this read that was neither given out nor dropped. What is held back stands
   * between what was given and the octet being looked at, and that octet decides it.
   */
  #scan(bytes: Uint8Array, start: number, end: number): number {
    let place = this.#place;
    let from = start;
    let lineFrom = start - this.#line;
    const words = wordsOf(bytes, start, end);
    for (let i = start; i < end; i++) {
      let octet = bytes[i]!;
      if (place === IN_LINE && octet > CR) {
        i = plainEnd(bytes, words, i + 1, end);
        if (i === end) break;
        octet = bytes[i]!;
      }
      if (octet === LF) {
        if (place === AFTER_DOT_CR) {
          this.#place = ENDED;
          return i + 1;
        }
        if (place === AFTER_CR) {
          if (i === start) this.#give(CR_BYTE, 0, 1);
          place = LINE_START;
        } else {
          this.#checkLine(bytes, from, lineFrom, i);
          this.#give(bytes, from, i);
          this.#bareEnd("bare LF");
          from = i + 1;
          // Not LINE_START: after a bare LF a dot is neither stuffing nor an end.
          place = IN_LINE;
        }
        const length = i + 1 - lineFrom;
        if (place === LINE_START) this.#checkLine(bytes, from, lineFrom, i + 1);
        lineFrom = i + 1;
        if (this.#inHeader && length === (place === LINE_START ? 2 : 1)) {
          this.#give(bytes, from, i + 1);
          from = i + 1;
          this.#inHeader = false;
          if (this.#octets()) return this.#pass(bytes, from, end);
        }
        continue;
      }
      if (place === AFTER_CR || place === AFTER_DOT_CR) {
        // The CR before this octet was bare.
        this.#checkLine(bytes, from, lineFrom, i);
        if (place === AFTER_CR && i > start) this.#give(bytes, from, i - 1);
        this.#bareEnd("bare CR");
        if (i - 1 === lineFrom) this.#inHeader = false;
        from = i;
        lineFrom = i;
        place = IN_LINE;
      }
      if (octet === CR) place = place === AFTER_DOT ? AFTER_DOT_CR : AFTER_CR;
      else if (octet === DOT && place === LINE_START && this.#framing === "dots") {
        this.#give(bytes, from, i);
        // A line is counted without its stuffing.
        from = lineFrom = i + 1;
        place = AFTER_DOT;
      } else {
        if (octet === 0 && this.#inHeader) {
          this.#checkLine(bytes, from, lineFrom, i);
          this.#give(bytes, from, i);
          this.fault ??= "NUL in the header";
        }
        place = IN_LINE;
      }
    }
    this.#place = place;
    this.#line = end - lineFrom;
    this.#checkLine(bytes, from, lineFrom, end);
    this.#give(bytes, from, place === AFTER_CR || place === AFTER_DOT_CR ? end - 1 : end);
    return end;
  }

  /** A line that goes on to `to`: where it is too long, what comes before that octet is still counted. */
  #checkLine(bytes: Uint8Array, from: number, lineFrom: number, to: number): void {
    const most = lineFrom + this.#checks.messageLine;
    if (to <= most) return;
    this.#give(bytes, from, most);
    this.fault ??= "line too long";
  }

  /** A bare CR or LF: the end of the message's acceptance, or of a line. */
  #bareEnd(what: "bare CR" | "bare LF"): void {
    if (this.#checks.normalize) this.#give(CRLF_BYTES, 0, 2);
    else this.fault ??= what;
  }

  #give(bytes: Uint8Array, from: number, to: number): void {
    if (from >= to || this.fault !== undefined) return;
    this.size += to - from;
    const { headerBlock, messageSize } = this.#checks;
    // The bound that was passed first, wherever the reads were cut.
    if (this.#inHeader && headerBlock < messageSize && this.size > headerBlock) {
      this.fault = "header too large";
    } else if (this.size > messageSize) this.fault = "message too large";
    else this.content.push(bytes.subarray(from, to));
  }
}

/** Writes one message as DATA wants it: a dot before every line that starts with one. */
export class DotWriter {
  #lineStart = true;

  /** Appends what goes on the wire for `bytes` to `out`, as views of it. */
  write(bytes: Uint8Array, out: Uint8Array[]): void {
    if (bytes.length === 0) return;
    let from = 0;
    if (this.#lineStart && bytes[0] === DOT) out.push(DOT_BYTE);
    for (let dot = bytes.indexOf(DOT, 1); dot !== -1; dot = bytes.indexOf(DOT, dot + 1)) {
      if (bytes[dot - 1] !== LF) continue;
      out.push(bytes.subarray(from, dot), DOT_BYTE);
      from = dot;
    }
    out.push(from === 0 ? bytes : bytes.subarray(from));
    this.#lineStart = bytes[bytes.length - 1] === LF;
  }

  /** The end of data, with the CRLF that a message sent by BDAT may lack. */
  end(): Uint8Array {
    return this.#lineStart ? END_AT_LINE_START : END_IN_LINE;
  }
}
