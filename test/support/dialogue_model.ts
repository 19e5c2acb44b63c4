/**
 * A session as RFC 5321 and RFC 3030 have it, for streams made of a small vocabulary: which codes a client hears, and
 * which messages are taken. It reads a whole stream at once with string searches, so it shares no idea with the machine
 * in `src/smtp/server.ts` that is held against it.
 */
import type { Extensions } from "../../src/smtp/extensions.ts";
import type { Limits } from "../../src/smtp/limits.ts";
import { readCounted, readData } from "./dialogue_reader.ts";

/** What the owner of the machine offers to EHLO. */
export const OFFERED: Extensions = new Map([
  ["PIPELINING", ""],
  ["SIZE", "1000"],
  ["8BITMIME", ""],
  ["SMTPUTF8", ""],
  ["DSN", ""],
  ["CHUNKING", ""],
  ["BINARYMIME", ""],
]);

/** The owner's answer to a mailbox or a name: its local part says it. */
export function answerTo(name: string): number {
  return name.startsWith("bad") ? 550 : name.startsWith("later") ? 451 : 250;
}

type Phase = "start" | "ready" | "mail" | "rcpt" | "bdat";

/** What a line of the vocabulary means; the code is for when it is in its place. */
const SYNTAX: readonly (readonly [form: RegExp, code: number])[] = [
  [/^(?:RSET|QUIT|DATA|STARTTLS) +\S/i, 501],
  [/^(?:HELO|EHLO) *$/i, 501],
  [/^(?:HELO|EHLO) +\S+ +\S/i, 501],
  [/^VRFY *$/i, 501],
  [/^MAIL FROM: *[^< ]/i, 501],
  [/^MAIL FROM:<[^>]*> .*NOSUCH/i, 555],
  [/^MAIL FROM:<[^>]*> .*SIZE=9999/i, 552],
  [/^RCPT TO: *(?:[^< ]|<>)/i, 501],
  [/^(?:MAIL(?! FROM:)|RCPT(?! TO:))/i, 501],
];

const ABSENT = /^(?:SEND|SOML|SAML|TURN|ATRN|AUTH|XCLIENT)(?: |$)/i;
const HTTP = /^(?:GET|POST) /i;

export class Model {
  readonly codes: number[] = [220];
  /** Messages answered 250. */
  readonly messages: string[] = [];
  closed = false;
  readonly #limits: Limits;
  #octets = "";
  #phase: Phase = "start";
  #sender = "";
  #binary = false;
  #chunks = "";
  #errors = 0;
  #refused = 0;
  #idle = 0;
  #taken = 0;
  #recipients = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Reads a stream; what is not complete at its end is not answered. */
  run(octets: string): this {
    this.#octets = octets;
    while (!this.closed && this.#line());
    return this;
  }

  #line(): boolean {
    const octets = this.#octets;
    if (octets.startsWith("\x16\x03")) return this.#close(421);
    const { commandLine } = this.#limits;
    const end = octets.indexOf("\r\n");
    const seen = octets.slice(0, Math.min(end === -1 ? octets.length : end + 2, commandLine));
    if (/\0|(?<!\r)\n|\r[^\n]/.test(seen)) return this.#close(500);
    const length = end === -1 ? octets.length : end + 2;
    if (length > commandLine || (end === -1 && length === commandLine)) return this.#tooLong(end);
    if (end === -1) return false;
    this.#octets = octets.slice(end + 2);
    return this.#command(octets.slice(0, end));
  }

  #tooLong(end: number): boolean {
    if (/^BDAT/i.test(this.#octets)) return this.#close(500);
    this.#error(500);
    this.#octets = end === -1 ? "" : this.#octets.slice(end + 2);
    return end !== -1;
  }

  #command(line: string): boolean {
    const verb = line.split(" ")[0]!.toUpperCase();
    const place = this.#place(verb);
    if (verb === "BDAT") return this.#bdat(line, place);
    if (place !== undefined) return this.#error(place);
    if (HTTP.test(line)) return this.#close(421);
    if (ABSENT.test(line)) return this.#error(502);
    const syntax = SYNTAX.find(([form]) => form.test(line));
    if (syntax) return this.#error(syntax[1]);
    switch (verb) {
      case "NOOP":
        return this.#local(250);
      case "HELP":
        return this.#local(214);
      case "VRFY":
        return this.#local(252);
      case "EXPN":
      case "STARTTLS":
        return this.#error(502);
      case "RSET":
        this.#forget();
        return this.#local(250);
      case "QUIT":
        return this.#close(221);
      case "HELO":
      case "EHLO":
        return this.#hello(line);
      case "MAIL":
        return this.#mail(line);
      case "RCPT":
        return this.#rcpt(line);
      case "DATA":
        return this.#data();
      default:
        return this.#error(500);
    }
  }

  /** The code for a command out of its place. */
  #place(verb: string): number | undefined {
    const phase = this.#phase;
    if (["MAIL", "RCPT", "DATA", "BDAT", "STARTTLS", "ETRN"].includes(verb) && phase === "start") return 503;
    if (["VRFY", "EXPN", "RCPT", "DATA"].includes(verb) && phase === "bdat") return 503;
    if (["MAIL", "STARTTLS", "ETRN"].includes(verb) && phase !== "ready") return 503;
    if (["RCPT", "DATA", "BDAT"].includes(verb) && phase === "ready") return 503;
    if (["DATA", "BDAT"].includes(verb) && phase === "mail") return 554;
    return undefined;
  }

  #hello(line: string): boolean {
    const code = answerTo(line.slice(5).trim());
    if (code !== 250) return this.#error(code);
    this.#forget();
    this.#phase = "ready";
    return this.#local(250);
  }

  #mail(line: string): boolean {
    const sender = /<(.*?)>/.exec(line)![1]!;
    if (this.#taken >= this.#limits.messages) return this.#close(421);
    const code = answerTo(sender);
    if (code !== 250) return this.#error(code);
    this.#phase = "mail";
    this.#sender = sender;
    this.#recipients = 0;
    this.#binary = / BODY=BINARYMIME/i.test(line);
    return this.#say(250);
  }

  #rcpt(line: string): boolean {
    if (this.#recipients >= this.#limits.recipients) return this.#say(452);
    const code = answerTo(/<(.*?)>/.exec(line)![1]!);
    if (code === 250) {
      this.#recipients++;
      this.#phase = "rcpt";
      return this.#say(250);
    }
    this.#say(code);
    return ++this.#refused >= this.#limits.refusedRecipients ? this.#close(421) : true;
  }

  #data(): boolean {
    if (this.#binary) return this.#error(503);
    if (this.#sender.startsWith("nodata")) return this.#error(451);
    this.#say(354);
    const { end, fault, faultAt, message } = readData(this.#octets);
    if (end === undefined) return false;
    const before = fault === undefined ? message : readData(this.#octets.slice(0, faultAt)).message;
    this.#octets = this.#octets.slice(end);
    return this.#ended(message, this.#refusal(fault, before));
  }

  /** The code for a message with this fault, and as much before it. */
  #refusal(fault: string | undefined, before: string): number | undefined {
    return before.length > this.#limits.messageSize ? 552 : fault === undefined ? undefined : 550;
  }

  #bdat(line: string, place: number | undefined): boolean {
    const [, digits, last] = /^BDAT +(\d{1,15})( +LAST)? *$/i.exec(line) ?? [];
    if (digits === undefined) return this.#close(501);
    const chunk = this.#octets.slice(0, Number(digits));
    if (chunk.length < Number(digits)) return false;
    this.#octets = this.#octets.slice(chunk.length);
    if (place !== undefined) return this.#error(place);
    if (this.#phase === "rcpt" && this.#sender.startsWith("nodata")) {
      this.#forget();
      return this.#error(451);
    }
    this.#phase = "bdat";
    this.#chunks += chunk;
    return last === undefined
      ? this.#chunkEnd(chunk === "")
      : this.#ended(this.#chunks, this.#chunkRefusal(false));
  }

  #chunkEnd(empty: boolean): boolean {
    const refusal = this.#chunkRefusal(true);
    if (refusal === undefined) return empty ? this.#local(250) : this.#say(250);
    this.#forget();
    return this.#error(refusal);
  }

  /** `open`: a CR at the end of the chunks so far may still find its LF. */
  #chunkRefusal(open: boolean): number | undefined {
    const all = this.#chunks;
    const end = all.startsWith("\r\n") ? 2 : all.indexOf("\r\n\r\n") + 4;
    const lines = this.#binary && end !== 3 ? all.slice(0, end) : all;
    const { fault, faultAt } = readCounted(open ? lines.replace(/\r$/, "") : lines);
    return this.#refusal(fault, fault === undefined ? all : all.slice(0, faultAt));
  }

  #ended(message: string, refusal: number | undefined): boolean {
    if (refusal === undefined) this.messages.push(message);
    this.#forget();
    this.#taken++;
    this.#idle = 0;
    return this.#say(refusal ?? 250);
  }

  #forget(): void {
    if (this.#phase !== "start") this.#phase = "ready";
    this.#chunks = "";
    this.#binary = false;
  }

  #local(code: number): boolean {
    this.#say(code);
    return ++this.#idle > this.#limits.idleCommands ? this.#close(421) : true;
  }

  #error(code: number): boolean {
    this.#say(code);
    return ++this.#errors >= this.#limits.errors ? this.#close(421) : true;
  }

  #say(code: number): boolean {
    this.codes.push(code);
    return true;
  }

  #close(code: number): boolean {
    this.#say(code);
    this.closed = true;
    return false;
  }
}
