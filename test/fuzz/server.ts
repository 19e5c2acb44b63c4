/**
 * Streams for the client-facing machine: sessions made of commands good, bad and out of place, of messages whose lines
 * end in every way, of chunks and of junk. Each is played whole and in pieces, and held against the model of a session.
 */
import { DEFAULT_LIMITS, type Limits } from "../../src/smtp/limits.ts";
import { latin1, latin1Text, type Reply, reply } from "../../src/smtp/reply.ts";
import { Server, type ServerEvent } from "../../src/smtp/server.ts";
import { answerTo, Model, OFFERED } from "../support/dialogue_model.ts";
import { below, cut, pick, type Random } from "./random.ts";

/** Small enough for every bound to be met. */
const LIMITS: Limits = {
  ...DEFAULT_LIMITS,
  commandLine: 120,
  messageSize: 700,
  recipients: 3,
  messages: 4,
  errors: 7,
  refusedRecipients: 4,
  idleCommands: 12,
};

const REPLIES: ReadonlyMap<number, Reply> = new Map(
  [250, 354, 451, 550, 552].map((code) => [code, reply(code, "", "so")]),
);
const PHASES = ["start", "ready", "mail", "rcpt", "bdat"];

/** What came of one way of playing a stream. */
interface Played {
  readonly codes: number[];
  /** Messages that were answered 250. */
  readonly messages: string[];
  readonly events: string[];
}

/** Plays a stream in pieces to a machine whose owner takes all that the model takes. */
export function play(pieces: readonly string[]): Played {
  const server = new Server({
    limits: LIMITS,
    bareLineFeeds: "reject",
    relay: new Set(),
  }, { ref: "0123456789" });
  const played = { codes: [] as number[], messages: [] as string[], events: [] as string[] };
  const owner = new Owner(server, played);
  server.greet(reply(220, "", "mx.example"), 0);
  owner.hear();
  for (const piece of pieces) {
    const view = latin1(piece);
    server.receive(view, 0);
    owner.hear();
    server.keep();
    view.fill(0x2e);
  }
  return played;
}

class Owner {
  readonly #server: Server;
  readonly #played: Played;
  #sender = "";
  #message = "";

  constructor(server: Server, played: Played) {
    this.#server = server;
    this.#played = played;
  }

  /** Takes all events, and looks at the machine after each. */
  hear(): void {
    for (let event = this.#server.next(); event !== undefined; event = this.#server.next()) {
      this.#handle(event);
      this.#look();
    }
    this.#look();
    this.#listen();
  }

  #handle(event: ServerEvent): void {
    const { events } = this.#played;
    if (event.kind === "body") return void event.content.forEach((part) => this.#message += latin1Text(part));
    events.push(event.kind);
    switch (event.kind) {
      case "helo": {
        const code = answerTo(event.domain);
        if (code === 250) this.#server.answerHelo(REPLIES.get(code)!, OFFERED, 0);
        else this.#server.answer(REPLIES.get(code)!, 0);
        return;
      }
      case "mail":
        this.#sender = event.path.mailbox;
        this.#message = "";
        return this.#answer(answerTo(event.path.mailbox));
      case "rcpt":
        return this.#answer(answerTo(event.path.mailbox));
      case "data":
        this.#message = "";
        return this.#answer(this.#sender.startsWith("nodata") ? 451 : 354);
      case "chunk":
        if (this.#server.phase !== "bdat" && this.#sender.startsWith("nodata")) return this.#answer(451);
        return this.#server.takeChunk(0);
      case "chunk end":
        return this.#answer(
          event.fault === undefined ? 250 : event.fault === "message too large" ? 552 : 550,
        );
      case "end":
        if (event.fault === undefined) this.#played.messages.push(this.#message);
        return this.#answer(
          event.fault === undefined ? 250 : event.fault === "message too large" ? 552 : 550,
        );
    }
  }

  #answer(code: number): void {
    this.#server.answer(REPLIES.get(code)!, 0);
  }

  /** The machine is always in a state that the table has, and waits for a time that can come. */
  #look(): void {
    const { phase, deadline } = this.#server;
    if (!PHASES.includes(phase)) throw new Error(`the machine is in phase ${phase}`);
    if (Number.isNaN(deadline) || deadline < 0) throw new Error(`the machine waits until ${deadline}`);
  }

  #listen(): void {
    const heard = latin1Text(this.#server.output() ?? new Uint8Array(0));
    for (const line of heard.split("\r\n").slice(0, -1)) {
      if (line[3] === " ") this.#played.codes.push(Number(line.slice(0, 3)));
    }
  }
}

/** What is wrong with a stream, or undefined. */
export function fault(random: Random, stream: string): string | undefined {
  const model = new Model(LIMITS).run(stream);
  const whole = play([stream]);
  if (whole.codes.join() !== model.codes.join()) {
    return `replies ${whole.codes}, the model says ${model.codes}`;
  }
  if (whole.messages.join("|") !== model.messages.join("|")) {
    return "the messages taken are not those of the model";
  }
  const pieces = cut(random, stream);
  const cutUp = play(pieces);
  if (cutUp.codes.join() !== whole.codes.join()) {
    return `cut up it is answered ${cutUp.codes}, whole ${whole.codes}`;
  }
  if (cutUp.messages.join("|") !== whole.messages.join("|")) return "cut up it brings other messages";
  return cutUp.events.join() === whole.events.join()
    ? undefined
    : `cut up: ${cutUp.events}; whole: ${whole.events}`;
}

// ---- streams ----

const MAILBOXES = [
  "a@x.example",
  "bad@x.example",
  "later@x.example",
  "nodata@x.example",
  "b@y.example",
  "a@x.example",
];
const LINES = [
  "NOOP",
  "noop x",
  "HELP",
  "RSET",
  "RSET now",
  "VRFY x",
  "VRFY",
  "EXPN x",
  "QUIT now",
  "EHLO",
  "EHLO a b",
  "EHLO bad.example",
  "HELO later.example",
  "MAIL",
  "MAIL FROM:a@x.example",
  "RCPT TO:<>",
  "RCPT FROM:<a@x.example>",
  "DATA now",
  "SEND FROM:<a@x.example>",
  "AUTH PLAIN",
  "WIBBLE",
  "",
  "x".repeat(117),
  "x".repeat(118),
  "x".repeat(119),
  `NOOP ${"x".repeat(300)}`,
];
const PARAMETERS = [
  "",
  "",
  "",
  " SIZE=10",
  " BODY=8BITMIME",
  " BODY=BINARYMIME",
  " SMTPUTF8",
  " ENVID=BINARYMIME",
  " SIZE=9999",
  " NOSUCH=1",
];
const RARE = [
  "QUIT\r\n",
  "GET / HTTP/1.1\r\n",
  "\x16\x03\x01\x02",
  "NOOP\n",
  "NOOP\rx\r\n",
  "NO\0OP\r\n",
  "BDAT x\r\n",
  `BDAT 1${" ".repeat(200)}\r\n`,
];
const PIECES = [
  "\r\n",
  "\r\n",
  "\r\n",
  ".",
  "..",
  "\r\n.",
  "a",
  "Subject: x",
  "\t",
  "\x80\xff",
  "NOOP\r\n",
  "\r\n\r\n",
];
const BAD_PIECES = ["\r", "\n", "\0", "\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r"];

/** A session. */
export function stream(random: Random): string {
  let text = random() < 0.95 ? "EHLO client.example\r\n" : "";
  const length = 1 + below(random, 14);
  for (let i = 0; i < length; i++) text += step(random);
  return random() < 0.2 ? text.slice(0, below(random, text.length + 1)) : text;
}

function step(random: Random): string {
  const kind = random();
  if (kind < 0.45) return mail(random);
  if (kind < 0.6) return message(random);
  if (kind < 0.7) return chunk(random);
  if (kind < 0.95) return `${pick(random, LINES)}\r\n`;
  return pick(random, RARE);
}

function mail(random: Random): string {
  const parts = random();
  const envelope = `MAIL FROM:<${pick(random, MAILBOXES)}>${pick(random, PARAMETERS)}\r\n`;
  if (parts < 0.2) return envelope;
  const recipients = `RCPT TO:<${pick(random, MAILBOXES)}>\r\n`.repeat(1 + below(random, 2));
  if (parts < 0.4) return recipients;
  return envelope + recipients + (parts < 0.7 ? message(random) : parts < 0.9 ? chunk(random) : "");
}

function message(random: Random): string {
  return `DATA\r\n${octets(random)}\r\n.\r\n`;
}

function chunk(random: Random): string {
  const content = random() < 0.2 ? "" : octets(random);
  const last = random() < 0.6 ? " LAST" : "";
  return `BDAT ${content.length}${last}\r\n${content}${last === "" && random() < 0.5 ? chunk(random) : ""}`;
}

function octets(random: Random): string {
  if (random() < 0.03) return `big:\r\n\r\n${"x".repeat(700)}`;
  const bad = random() < 0.25;
  let text = random() < 0.7 ? "s: x\r\n\r\n" : "";
  const length = below(random, 8);
  for (let i = 0; i < length; i++) {
    text += bad && random() < 0.4 ? pick(random, BAD_PIECES) : pick(random, PIECES);
  }
  return text;
}
