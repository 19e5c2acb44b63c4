/**
 * A backend that keeps to the protocol but for one thing: it may reply once too often. What it says comes in pieces, when
 * it is let; so a reply may be there long before or long after the command that it seems to answer.
 */
import { EXTENSIONS, Scene } from "../../src/testing/scene.ts";
import type { FakeWire } from "../../src/testing/network.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";

/** A reply that nobody asked for. */
export interface Stammer {
  readonly at: string;
  /** It comes before the reply that is due, and not behind it. */
  readonly before: boolean;
  readonly reply: string;
  /** On every connection, and not only on the first. */
  readonly always: boolean;
}

export interface StammererOptions {
  readonly stammer?: Stammer | undefined;
  /** Replies by verb; otherwise recipients whose local part begins with "no" are refused. */
  readonly answers?: Readonly<Record<string, string>>;
}

export class Stammerer {
  /** Recipients of each message that it has taken. */
  readonly delivered: string[][] = [];
  readonly #wire: FakeWire;
  readonly #options: StammererOptions;
  #accepted: string[] = [];
  #rcpts = 0;
  #input = "";
  #output = "220 backend.example ESMTP\r\n";
  #mode: "command" | "data" | "chunk" = "command";
  /** Octets of the chunk that is being read, and whether it is the last. */
  #chunk = { size: 0, last: false };

  constructor(wire: FakeWire, options: StammererOptions) {
    this.#wire = wire;
    this.#options = options;
    wire.onWritten = (bytes) => {
      this.#input += latin1Text(bytes);
      while (this.#read());
    };
  }

  /** Lets so many octets of what it has to say go. */
  deliver(octets: number): void {
    if (this.#output === "") return;
    const piece = this.#output.slice(0, octets);
    this.#output = this.#output.slice(piece.length);
    this.#wire.send(latin1(piece));
  }

  get silent(): boolean {
    return this.#output === "";
  }

  #read(): boolean {
    if (this.#mode === "chunk") return this.#readChunk();
    const end = this.#mode === "data" ? /(?:^|\r\n)\.\r\n/.exec(this.#input) : /\r\n/.exec(this.#input);
    if (end === null) return false;
    const line = this.#input.slice(0, end.index);
    this.#input = this.#input.slice(end.index + end[0].length);
    if (this.#mode === "data") this.#take();
    else this.#command(line);
    return true;
  }

  #readChunk(): boolean {
    if (this.#input.length < this.#chunk.size) return false;
    this.#input = this.#input.slice(this.#chunk.size);
    if (this.#chunk.last) this.#take();
    else {
      this.#mode = "command";
      this.say("250 2.0.0 Chunk");
    }
    return true;
  }

  #take(): void {
    this.#mode = "command";
    this.delivered.push(this.#accepted);
    this.#accepted = [];
    this.say("250 2.0.0 Kept");
  }

  #command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase();
    const chunk = /^BDAT (\d+)( LAST)?$/.exec(line);
    if (chunk !== null) {
      this.#chunk = { size: Number(chunk[1]), last: chunk[2] !== undefined };
      this.#mode = "chunk";
      return;
    }
    const reply = this.#options.answers?.[verb] ?? this.#answer(verb, line);
    const { stammer } = this.#options;
    const place = verb === "RCPT" && ++this.#rcpts === 1 ? "first RCPT" : verb;
    const stammers = stammer?.at === place;
    if (stammers && stammer.before) this.say(stammer.reply);
    this.say(reply);
    if (stammers && !stammer.before) this.say(stammer.reply);
  }

  #answer(verb: string, line: string): string {
    switch (verb) {
      case "EHLO":
        return ["backend.example", ...EXTENSIONS].map((one, i) =>
          `250${i === EXTENSIONS.length ? " " : "-"}${one}`
        ).join("\r\n");
      case "RCPT": {
        const mailbox = line.slice(9, -1);
        if (mailbox.startsWith("no")) return "550 5.1.1 no such mailbox";
        this.#accepted.push(mailbox);
        return "250 2.1.5 Ok";
      }
      case "DATA":
        if (this.#accepted.length === 0) return "554 5.5.1 No valid recipients";
        this.#mode = "data";
        return "354 Go ahead";
      case "RSET":
        this.#accepted = [];
        return "250 2.0.0 Ok";
      default:
        return "250 2.0.0 Ok";
    }
  }

  /** Says something, asked or not. */
  say(reply: string): void {
    this.#output += `${reply}\r\n`;
  }
}

/** What a client says. */
export interface Session {
  /** Which of its recipients the backend knows. */
  readonly recipients: readonly boolean[];
  /** Whether it waits for answers: always, never, or it says all from MAIL to DATA in one write. */
  readonly ahead: "no" | "yes" | "in one write";
  /** When a backend is dialled. */
  readonly dial: "mail" | "rcpt";
  /** Its message comes by BDAT. */
  readonly chunks: boolean;
  /** Octets that the backends say at a time. */
  readonly sizes: readonly number[];
}

/** What came of a session. */
export interface Talk {
  readonly scene: Scene;
  readonly backends: readonly Stammerer[];
  /** The recipients that the client was told are accepted. */
  readonly told: string[];
  /** The message's reply. */
  readonly end: string | undefined;
}

/** Plays a session with one message. */
export function talk(said: Session, options: Omit<StammererOptions, "answers">): Talk {
  const scene = new Scene({ dial: said.dial });
  const backends: Stammerer[] = [];
  scene.onDial = (dial) => {
    const stammer = backends.length === 0 || options.stammer?.always ? options.stammer : undefined;
    backends.push(new Stammerer(dial.open(), { stammer }));
  };
  const mailboxes = said.recipients.map((good, i) => `${good ? "" : "no"}${i}@mx.example`);
  const commands = [
    "EHLO client.example\r\n",
    "MAIL FROM:<s@client.example>\r\n",
    ...mailboxes.map((mailbox) => `RCPT TO:<${mailbox}>\r\n`),
    ...(said.chunks ? ["BDAT 6 LAST\r\na: b\r\n"] : ["DATA\r\n", "a: b\r\n.\r\n"]),
  ];
  // With DATA, but without what only 354 allows; and never with BDAT, which is a message already.
  const envelope = 1 + mailboxes.length + (said.chunks ? 0 : 1);
  const replies: string[] = [];
  let sent = 0;
  const sizes = [...said.sizes];
  const speak = () => {
    const count = said.ahead === "in one write" && sent === 1 ? envelope : 1;
    scene.send(commands.slice(sent, sent + count).join(""));
    sent += count;
  };
  for (let turn = 0, still = 0; turn < 500 && still < 5; turn++) {
    replies.push(...wholeReplies(scene));
    const opened = !commands[sent]?.startsWith("a: b") || replies.at(-1)?.startsWith("354");
    if (sent < commands.length && opened && (mayGoAhead(said, sent) || replies.length > sent)) speak();
    const spoke = backends.some((backend) => !backend.silent);
    for (const backend of backends) backend.deliver(sizes.shift() ?? 7);
    still = spoke || scene.events.settle() ? 0 : still + 1;
  }
  const answers = replies.slice(3, 3 + mailboxes.length);
  return {
    scene,
    backends,
    told: mailboxes.filter((_, i) => answers[i]?.startsWith("2")),
    end: replies.slice(3 + mailboxes.length).find((reply) => !reply.startsWith("354")),
  };
}

/** Behind EHLO, and up to DATA. */
function mayGoAhead({ ahead }: Session, sent: number): boolean {
  return sent === 0 || (ahead !== "no" && sent > 1);
}

const heardOf = new WeakMap<Scene, string>();

/** The replies that have come since the last call. */
function wholeReplies(scene: Scene): string[] {
  let text = (heardOf.get(scene) ?? "") + scene.take();
  const replies: string[] = [];
  for (;;) {
    const [reply] = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text) ?? [];
    if (reply === undefined) break;
    replies.push(reply);
    text = text.slice(reply.length);
  }
  heardOf.set(scene, text);
  return replies;
}

/** The envelopes that backends have taken, each with its recipients. */
export function deliveredTo(backends: readonly Stammerer[]): string[][] {
  return backends.flatMap(({ delivered }) => delivered);
}
