/**
 * The backend-facing machine: which replies are owed, and whether what arrives can be one of them
 * (RFC 5321 §4.2, §4.3.2). No socket and no clock.
 *
 * Commands may be sent ahead (RFC 2920): each `expect` adds one to the replies owed, and replies are matched in
 * order. Whatever is no possible reply is a fault, after which nothing on this connection can be trusted.
 */
import type { Reply } from "./reply.ts";

/** What a reply answers. `end` is the end of data, by dot or by BDAT LAST; `ask` is VRFY, EXPN, ETRN. */
export type Step =
  | "greeting"
  | "ehlo"
  | "helo"
  | "mail"
  | "rcpt"
  | "data"
  | "chunk"
  | "end"
  | "rset"
  | "starttls"
  | "xclient"
  | "xforward"
  | "auth"
  | "ask"
  | "quit";

/** Why a connection to a backend is of no more use. */
export type ClientFault =
  /** The backend said 421: it is closing. */
  | "421"
  /** No reply at all: bytes that break RFC 5321 §4.2. */
  | "garbage"
  /** A reply longer than any bound. */
  | "too long"
  /** A code that cannot answer this step. */
  | "unexpected"
  /** A reply while none was owed. */
  | "unasked";

export type ClientEvent =
  | { readonly kind: "reply"; readonly step: Step; readonly reply: Reply }
  | {
    readonly kind: "fault";
    readonly fault: ClientFault;
    readonly step: Step | undefined;
    readonly text: string;
  };

/** Octets of one reply, all lines together; and of one line (RFC 5321 §4.5.3.1.5 says 512). */
const REPLY_LIMIT = 64 * 1024;
const EMPTY = new Uint8Array(0);
const CR = 13;
const LF = 10;
const SPACE = 32;
const HYPHEN = 45;
const ZERO = 48;

export class Client {
  #owed: Step[] = [];
  #input: Uint8Array = EMPTY;
  #at = 0;
  #broken = false;
  #early = false;

  /** A command was sent that will be answered; or, for `greeting`, the connection was made. */
  expect(step: Step): void {
    // What had arrived before the command was sent cannot be its reply, however well it would fit.
    if (this.#owed.length === 0 && this.torn) this.#early = true;
    this.#owed.push(step);
  }

  /** The step whose reply comes next. */
  get awaited(): Step | undefined {
    return this.#owed[0];
  }

  /** True when no reply is owed and nothing unread has arrived. */
  get quiet(): boolean {
    return this.#owed.length === 0 && this.#input.length === this.#at && !this.#broken;
  }

  /** True when a reply has begun and not ended. */
  get torn(): boolean {
    return this.#input.length > this.#at;
  }

  /** Takes bytes; they are read by `next` and must not change before `keep`. */
  receive(bytes: Uint8Array): void {
    if (this.#input.length === this.#at) this.#input = bytes;
    else {
      const joined = new Uint8Array(this.#input.length - this.#at + bytes.length);
      joined.set(this.#input.subarray(this.#at));
      joined.set(bytes, this.#input.length - this.#at);
      this.#input = joined;
    }
    this.#at = 0;
  }

  /** Copies what is unread. */
  keep(): void {
    this.#input = this.#at === this.#input.length ? EMPTY : this.#input.slice(this.#at);
    this.#at = 0;
  }

  /** The next reply or fault, or undefined. After a fault there is nothing more. */
  next(): ClientEvent | undefined {
    if (this.#broken || this.#input.length === this.#at) return undefined;
    if (this.#early) return this.#fault("unasked");
    const end = this.#replyEnd();
    if (end === undefined) return undefined;
    if (typeof end === "string") return this.#fault(end);
    const bytes = this.#input.slice(this.#at, end);
    const code = codeAt(bytes, 0);
    const step = this.#owed[0];
    if (code === 421) return this.#fault("421");
    if (step === undefined) return this.#fault("unasked");
    if (!possible(step, code)) return this.#fault("unexpected");
    this.#owed.shift();
    this.#at = end;
    return { kind: "reply", step, reply: { code, bytes } };
  }

  /** The index after the reply that starts at `#at`; a fault; or undefined while it is not complete. */
  #replyEnd(): number | ClientFault | undefined {
    const { length } = this.#input;
    let line = this.#at;
    const first = codeAt(this.#input, line);
    for (;;) {
      const lf = this.#input.indexOf(LF, line);
      const shown = lf === -1 ? length : lf;
      if (!startsReply(this.#input, line, shown)) return "garbage";
      if (lf === -1) return length - this.#at > REPLY_LIMIT ? "too long" : undefined;
      if (lf - this.#at > REPLY_LIMIT) return "too long";
      if (!lineIsSound(this.#input, line, lf) || codeAt(this.#input, line) !== first) return "garbage";
      if (this.#input[line + 3] !== HYPHEN) return lf + 1;
      line = lf + 1;
      if (line === length) return undefined;
    }
  }

  #fault(fault: ClientFault): ClientEvent {
    this.#broken = true;
    const shown = this.#input.subarray(this.#at, this.#at + 200);
    const text = Array.from(
      shown,
      (octet) => (octet >= SPACE && octet < 127 ? String.fromCharCode(octet) : "?"),
    ).join("");
    return { kind: "fault", fault, step: this.#owed[0], text };
  }
}

function codeAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! - ZERO) * 100 + (bytes[at + 1]! - ZERO) * 10 + bytes[at + 2]! - ZERO;
}

/** Whether bytes[at, end) can be the start of a reply line: told early, so that garbage needs no line end to be seen. */
function startsReply(bytes: Uint8Array, at: number, end: number): boolean {
  if (end > at && (bytes[at]! < ZERO + 2 || bytes[at]! > ZERO + 5)) return false;
  for (let i = at + 1; i < Math.min(end, at + 3); i++) {
    if (bytes[i]! < ZERO || bytes[i]! > ZERO + 9) return false;
  }
  return end <= at + 3 || bytes[at + 3] === SPACE || bytes[at + 3] === HYPHEN || bytes[at + 3] === CR;
}

/** A whole line, LF at `lf`: digits, a separator or nothing, CRLF, and no CR, LF or NUL inside. */
function lineIsSound(bytes: Uint8Array, at: number, lf: number): boolean {
  if (lf - at < 4 || bytes[lf - 1] !== CR) return false;
  for (let i = at; i < lf - 1; i++) if (bytes[i] === CR || bytes[i] === 0) return false;
  return true;
}

/** Which codes can answer a step (RFC 5321 §4.3.2). */
function possible(step: Step, code: number): boolean {
  if (code >= 400) return true;
  if (step === "data") return code === 354;
  if (step === "auth" && code === 334) return true;
  return code < 300;
}
