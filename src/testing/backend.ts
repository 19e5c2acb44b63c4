/**
 * A backend's end of one connection, as a transcript sees it: what the proxy wrote, with the trace field checked and
 * taken out. It answers nothing by itself but the greeting and EHLO, and those only if it is told to.
 */
import { latin1, latin1Text } from "../smtp/reply.ts";
import { addedFields } from "./added_fields.ts";
import type { FakeWire } from "./network.ts";

/** Longer than the fields that the proxy adds: whoever has shown so much without a trace field has none. */
const TRACE_LIMIT = 20_000;

/** What stands where a trace field should be and is not. */
export const NO_TRACE = "(no trace field)";

type Mode = "command" | "data" | "chunk";

/** One connection, seen from the backend. One character per byte everywhere. */
export class FakeBackend {
  readonly name: string;
  readonly wire: FakeWire;
  /** What was written and not yet looked at, without trace fields. */
  seen = "";
  /** The last trace field, whole. */
  trace: string | undefined;
  /** Set while the greeting and EHLO are answered without being seen. */
  #automatic: readonly string[] | undefined;
  #raw = "";
  /** The reply line being sent. */
  #reply = "";
  #mode: Mode = "command";
  #traceDue = false;
  /** Octets of the chunk still to come; of data: what was seen of it so far. */
  #chunk = 0;
  #tail = "";

  constructor(name: string, wire: FakeWire) {
    this.name = name;
    this.wire = wire;
    wire.onWritten = (bytes) => {
      this.#raw += latin1Text(bytes);
      while (this.#read());
    };
  }

  /** Greets, and answers EHLO with these lines. */
  greet(extensions: readonly string[]): void {
    this.#automatic = extensions;
    this.send("220 backend.example ESMTP\r\n");
  }

  /** Sends octets as they are; a 354 makes what follows a message. */
  send(octets: string): void {
    this.wire.send(latin1(octets));
    this.#reply += octets;
    const end = this.#reply.lastIndexOf("\r\n");
    if (/^354(?: .*)?$/m.test(this.#reply.slice(0, end))) {
      this.#mode = "data";
      this.#tail = "\r\n";
    }
    if (end !== -1) this.#reply = this.#reply.slice(end + 2);
  }

  /** Reads one piece of what is unread; false when it has to wait for more. */
  #read(): boolean {
    if (this.#raw === "") return false;
    if (this.#mode === "command") return this.#command();
    return this.#traceDue ? this.#readTrace() : this.#mode === "data" ? this.#data() : this.#chunkOctets();
  }

  #command(): boolean {
    const end = this.#raw.indexOf("\r\n") + 2;
    if (end === 1) return false;
    const line = this.#raw.slice(0, end - 2);
    const bdat = /^BDAT (\d+)( LAST)?$/.exec(line);
    if (bdat) {
      if (!this.#announced(Number(bdat[1]), end)) return false;
      this.seen += `BDAT ${this.#chunk}${bdat[2] ?? ""}\r\n`;
      this.#mode = this.#chunk === 0 ? "command" : "chunk";
      return true;
    }
    this.#raw = this.#raw.slice(end);
    if (this.#automatic !== undefined && line.startsWith("EHLO ")) this.#answerHello(this.#automatic);
    else this.seen += `${line}\r\n`;
    if (line.startsWith("MAIL FROM:")) this.#traceDue = true;
    return true;
  }

  #answerHello(extensions: readonly string[]): void {
    const lines = ["backend.example", ...extensions];
    this.#automatic = undefined;
    this.send(lines.map((line, i) => `250${i === lines.length - 1 ? " " : "-"}${line}\r\n`).join(""));
  }

  /** A chunk's size without the trace field that comes with the first one; false while that has not come. */
  #announced(size: number, end: number): boolean {
    if (this.#traceDue) {
      const before = this.#raw.length;
      const head = this.#raw.slice(0, end);
      this.#raw = this.#raw.slice(end);
      const found = this.#readTrace();
      size -= before - end - this.#raw.length;
      this.#raw = found ? this.#raw : head + this.#raw;
      if (!found) return false;
    } else this.#raw = this.#raw.slice(end);
    this.#chunk = size;
    return true;
  }

  #readTrace(): boolean {
    const found = addedFields(this.#raw);
    if (!found && this.#raw.length < TRACE_LIMIT && !this.#raw.includes("\r\n.\r\n")) return false;
    this.#traceDue = false;
    this.trace = found?.trace;
    if (found) this.#raw = found.added + this.#raw.slice(found.added.length + found.trace.length);
    else this.seen += NO_TRACE;
    return true;
  }

  #data(): boolean {
    const text = this.#tail + this.#raw;
    const end = text.indexOf("\r\n.\r\n");
    const taken = end === -1 ? this.#raw.length : end + 5 - this.#tail.length;
    this.seen += this.#raw.slice(0, taken);
    this.#raw = this.#raw.slice(taken);
    this.#tail = text.slice(-4);
    if (end !== -1) this.#mode = "command";
    return true;
  }

  #chunkOctets(): boolean {
    const taken = Math.min(this.#chunk, this.#raw.length);
    this.seen += this.#raw.slice(0, taken);
    this.#raw = this.#raw.slice(taken);
    this.#chunk -= taken;
    if (this.#chunk === 0) this.#mode = "command";
    return true;
  }
}
