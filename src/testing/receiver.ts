/**
 * A backend that takes mail: it answers every command by itself and keeps what it was sent.
 */
import { latin1, latin1Text } from "../smtp/reply.ts";
import { addedFields } from "./added_fields.ts";
import type { FakeDial, FakeWire } from "./network.ts";

/** CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4). */
export const STRICT = /\r\n\.\r\n/;

/** A message that was taken, without dot-stuffing and without the proxy's trace field. One character per byte. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** The fields that plugins put before it, with their line ends. */
  readonly added: string;
  readonly message: string;
}

/** How it behaves. */
export interface ReceiverOptions {
  /** Lines of its EHLO reply. */
  readonly extensions: readonly string[];
  /** What ends a message: the mail servers of the world do not agree about it. */
  readonly ends?: RegExp;
  /**
   * What it answers in place of its usual reply, lines separated by LF: to a command line, to "." for the end of a
   * message, to "connect", to "greeting". Instead of a reply: `<close>`, `<reset>`, `<silence>`, and `<refuse>` to a dial.
   */
  readonly answer?: (command: string) => string | undefined;
}

/** Answers dials, and keeps what comes. */
export class Receiver {
  readonly mails: Mail[] = [];
  /** Every command line. */
  readonly commands: string[] = [];
  /** Command lines of which no sense could be made. */
  readonly nonsense: string[] = [];
  readonly extensions: readonly string[];
  readonly ends: RegExp;
  readonly answer: (command: string) => string | undefined;

  constructor({ extensions, ends = STRICT, answer = () => undefined }: ReceiverOptions) {
    this.extensions = extensions;
    this.ends = ends;
    this.answer = answer;
  }

  /** Takes a dial, or not. */
  meet(dial: FakeDial): void {
    const answer = this.answer("connect");
    if (answer === "<refuse>") return dial.refuse();
    if (answer !== "<silence>") new Receiving(this, dial.open()).greet();
  }
}

class Receiving {
  readonly #receiver: Receiver;
  readonly #wire: FakeWire;
  #mode: "command" | "data" | "chunk" = "command";
  #line = "";
  #from = "";
  #to: string[] = [];
  #message: string[] = [];
  /** The last octets of data, in which an end may have begun. */
  #tail = "";
  #chunk = 0;
  #last = false;

  constructor(receiver: Receiver, wire: FakeWire) {
    this.#receiver = receiver;
    this.#wire = wire;
    wire.onWritten = (bytes) => this.#read(latin1Text(bytes));
  }

  greet(): void {
    this.#say("greeting", "220 receiver.example");
  }

  /** @returns whether it was a 2yz or 3yz */
  #say(command: string, usual: string): boolean {
    const answer = this.#receiver.answer(command) ?? usual;
    if (answer === "<close>") this.#wire.sendClose();
    else if (answer === "<reset>") this.#wire.reset();
    else if (answer !== "<silence>") this.#wire.send(latin1(answer.replaceAll("\n", "\r\n") + "\r\n"));
    return /^[23]/.test(answer);
  }

  #read(octets: string): void {
    while (octets !== "") {
      if (this.#mode === "data") octets = this.#data(octets);
      else if (this.#mode === "chunk") octets = this.#octets(octets);
      else octets = this.#command(octets);
    }
  }

  #command(octets: string): string {
    const end = (this.#line + octets).indexOf("\r\n");
    if (end === -1) {
      this.#line += octets;
      return "";
    }
    const line = (this.#line + octets).slice(0, end);
    const rest = octets.slice(end + 2 - this.#line.length);
    this.#line = "";
    this.#receiver.commands.push(line);
    this.#obey(line);
    return rest;
  }

  #obey(line: string): void {
    const mailbox = /<(.*?)>/.exec(line)?.[1] ?? "";
    const [verb, ...words] = line.split(" ");
    switch (verb) {
      case "EHLO":
        return void this.#say(line, this.#hello());
      case "MAIL":
        this.#forget();
        if (this.#say(line, "250 2.1.0 Ok")) this.#from = mailbox;
        return;
      case "RCPT":
        if (this.#say(line, "250 2.1.5 Ok")) this.#to.push(mailbox);
        return;
      case "DATA":
        return this.#dataBegins(line);
      case "BDAT":
        this.#mode = "chunk";
        this.#chunk = Number(words[0]);
        this.#last = words[1] === "LAST";
        if (this.#chunk === 0) this.#chunkEnd();
        return;
      case "RSET":
        this.#forget();
        return void this.#say(line, "250 2.0.0 Ok");
      case "QUIT":
        return void this.#say(line, "221 2.0.0 Bye");
      default:
        this.#receiver.nonsense.push(line);
        this.#say(line, "500 5.5.1 What?");
    }
  }

  #hello(): string {
    const lines = ["receiver.example", ...this.#receiver.extensions];
    return lines.map((text, i) => `250${i === lines.length - 1 ? " " : "-"}${text}`).join("\n");
  }

  #dataBegins(line: string): void {
    if (this.#to.length === 0) return void this.#say(line, "554 5.5.1 No recipients");
    if (!this.#say(line, "354 Go ahead")) return;
    this.#mode = "data";
    this.#tail = "\r\n";
  }

  #data(octets: string): string {
    const text = this.#tail + octets;
    // Every end ends in CR or LF; most writes hold neither, and there are millions of them.
    const end = /[\r\n]/.test(octets) ? this.#receiver.ends.exec(text) : null;
    if (end === null) {
      this.#message.push(octets);
      this.#tail = text.length > 64 ? text.slice(-8) : text;
      return "";
    }
    const after = end.index + end[0].length - this.#tail.length;
    this.#message.push(octets.slice(0, after));
    this.#mode = "command";
    // The end is the last line; what was stuffed before it is not.
    const whole = this.#message.join("");
    this.#keep(unstuffed(whole.slice(0, whole.lastIndexOf("."))));
    return octets.slice(after);
  }

  #octets(octets: string): string {
    const taken = octets.slice(0, this.#chunk);
    this.#message.push(taken);
    this.#chunk -= taken.length;
    if (this.#chunk === 0) this.#chunkEnd();
    return octets.slice(taken.length);
  }

  #chunkEnd(): void {
    this.#mode = "command";
    if (this.#last) this.#keep(this.#message.join(""));
    else this.#say("BDAT", "250 2.0.0 Got it");
  }

  #keep(octets: string): void {
    if (this.#say(".", "250 2.0.0 Kept")) {
      this.#receiver.mails.push({ from: this.#from, to: this.#to, ...parts(octets) });
    }
    this.#forget();
  }

  #forget(): void {
    this.#from = "";
    this.#to = [];
    this.#message = [];
  }
}

function unstuffed(message: string): string {
  return message.replace(/(^|\r\n)\./g, "$1");
}

/** Without the trace field that the proxy puts before it. */
function parts(octets: string): Pick<Mail, "added" | "message"> {
  const found = addedFields(octets);
  if (found === undefined) return { added: "", message: `(no trace field)${octets}` };
  return { added: found.added, message: octets.slice(found.added.length + found.trace.length) };
}
