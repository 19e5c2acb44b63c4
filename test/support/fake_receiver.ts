/**
 * A backend that takes mail: it answers every command by itself, as the mailboxes say, and keeps what it was sent. What
 * ends a message is a setting, since the mail servers of the world do not agree about it.
 */
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import type { Scene } from "../../src/testing/scene.ts";
import type { FakeWire } from "../../src/testing/network.ts";

/** CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4). */
export const STRICT = /\r\n\.\r\n/;
/**
 * All line ends that any server is known to have taken for one. Servers that drop NULs are not reckoned with: exact
 * octets go before them.
 */
export const LAX = /(?:\r\n|\n|\r)\.(?:\r\n|\n|\r)/;

/** A message that was taken. Octets are one character per byte, without dot-stuffing where it came with DATA. */
export interface Taken {
  readonly from: string;
  readonly to: readonly string[];
  readonly message: string;
}

/** How it answers a mailbox: its local part begins with the word. */
const ANSWERS: readonly (readonly [string, string])[] = [
  ["bad", "550 5.1.1 no"],
  ["later", "450 4.2.0 later"],
];

/** Answers all dials of a scene, and keeps what comes. */
export class FakeReceiver {
  readonly taken: Taken[] = [];
  /** Every command line. */
  readonly commands: string[] = [];
  /** Octets on which no sense could be made. */
  readonly nonsense: string[] = [];
  readonly ends: RegExp;

  constructor(scene: Scene, extensions: readonly string[], ends: RegExp = STRICT) {
    this.ends = ends;
    scene.network.onDial = (dial) => new Receiving(this, dial.open(), extensions).greet();
  }
}

class Receiving {
  readonly #receiver: FakeReceiver;
  readonly #wire: FakeWire;
  readonly #extensions: readonly string[];
  #mode: "command" | "data" | "chunk" = "command";
  #line = "";
  #from = "";
  #to: string[] = [];
  #message: string[] = [];
  /** The last octets of data, in which an end may have begun. */
  #tail = "";
  #chunk = 0;
  #last = false;

  constructor(receiver: FakeReceiver, wire: FakeWire, extensions: readonly string[]) {
    this.#receiver = receiver;
    this.#wire = wire;
    this.#extensions = extensions;
    wire.onWritten = (bytes) => this.#read(latin1Text(bytes));
  }

  greet(): void {
    this.#say("220 receiver.example");
  }

  #say(reply: string): void {
    this.#wire.send(latin1(`${reply}\r\n`));
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
    const mailbox = /<(.*)>/.exec(line)?.[1] ?? "";
    const answer = ANSWERS.find(([word]) => mailbox.startsWith(word))?.[1];
    const [verb, ...words] = line.split(" ");
    switch (verb) {
      case "EHLO":
        return this.#say(
          ["receiver.example", ...this.#extensions].map((text, i, all) =>
            `250${i === all.length - 1 ? " " : "-"}${text}`
          ).join("\r\n"),
        );
      case "MAIL":
        this.#forget();
        this.#from = mailbox;
        return this.#say(answer ?? "250 2.1.0 Ok");
      case "RCPT":
        if (answer === undefined) this.#to.push(mailbox);
        return this.#say(answer ?? "250 2.1.5 Ok");
      case "DATA":
        if (this.#to.length === 0) return this.#say("554 5.5.1 No recipients");
        this.#mode = "data";
        this.#tail = "\r\n";
        return this.#say("354 Go ahead");
      case "BDAT":
        this.#mode = "chunk";
        this.#chunk = Number(words[0]);
        this.#last = words[1] === "LAST";
        if (this.#chunk === 0) this.#chunkEnd();
        return;
      case "RSET":
        this.#forget();
        return this.#say("250 2.0.0 Ok");
      case "QUIT":
        return this.#say("221 2.0.0 Bye");
      default:
        this.#receiver.nonsense.push(line);
        return this.#say("500 5.5.1 What?");
    }
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
    else this.#say("250 2.0.0 Got it");
  }

  #keep(message: string): void {
    this.#receiver.taken.push({ from: this.#from, to: this.#to, message: withoutTrace(message) });
    this.#forget();
    this.#say("250 2.0.0 Kept");
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

/** Without the trace field that the proxy puts first. */
function withoutTrace(message: string): string {
  const field = /^Received: [^\r\n]*\r\n(?:\t[^\r\n]*\r\n)+?\t\w{3}, [^\r\n]* \+0000\r\n/.exec(message);
  return field === null ? `(no trace field)${message}` : message.slice(field[0].length);
}
