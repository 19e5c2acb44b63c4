/**
 * One client's session on a network that exists in memory alone, for `explain`: the client speaks when it was answered,
 * and the backend takes everything.
 */
import type { FakeWire } from "../testing/network.ts";
import { FakeEvents, FakeNetwork } from "../testing/network.ts";
import { Receiver } from "../testing/receiver.ts";
import { latin1, latin1Text } from "../smtp/reply.ts";

/** What one reply may take, in milliseconds. */
const PATIENCE = 60_000;

/** What the made-up backend offers. */
const EXTENSIONS = [
  "PIPELINING",
  "SIZE 104857600",
  "8BITMIME",
  "SMTPUTF8",
  "ENHANCEDSTATUSCODES",
  "DSN",
  "CHUNKING",
];

/** Something the client says (nothing before the greeting), and what it hears. */
export interface MadeUpStep {
  readonly client: string | undefined;
  replies(): Promise<readonly string[]>;
}

export class MadeUpSession {
  readonly #events = new FakeEvents();
  readonly network = new FakeNetwork(this.#events);
  readonly #receiver = new Receiver({ extensions: EXTENSIONS });
  readonly #host: string;
  readonly #tls: boolean;
  #wire: FakeWire | undefined;
  #heard = "";
  /** Verbs that were answered 2yz or 3yz. */
  readonly #accepted = new Set<string>();

  constructor(host: string, tls: boolean) {
    this.#host = host;
    this.#tls = tls;
    this.network.onDial = (dial) => this.#receiver.meet(dial);
    this.#keepGoing();
  }

  /** The network stands still unless somebody turns it. */
  #keepGoing(): void {
    const turn = setInterval(() => {
      this.#events.settle();
      if (this.#wire?.over === true) clearInterval(turn);
    }, 1);
  }

  /** The client's commands one by one, after the greeting; what cannot be said any more is left out. */
  *steps(commands: readonly string[]): Generator<MadeUpStep> {
    yield { client: undefined, replies: () => this.#call() };
    for (const command of commands) {
      if (this.#wire!.over) return;
      const isMessage = command.includes("\r\n");
      if (!this.#makesSense(isMessage ? "message" : command.slice(0, 4))) continue;
      yield { client: isMessage ? "(the message)" : command, replies: () => this.#say(command) };
    }
  }

  /** Nothing comes of a command whose forerunner was refused. */
  #makesSense(verb: string): boolean {
    const accepted = (forerunner: string) => this.#accepted.has(forerunner);
    switch (verb) {
      case "MAIL":
        return accepted("EHLO");
      case "RCPT":
        return accepted("MAIL");
      case "DATA":
        return accepted("RCPT");
      case "message":
        return accepted("DATA");
      default:
        return true;
    }
  }

  /** How it ended. */
  outcome(): string {
    const [mail] = this.#receiver.mails;
    if (mail === undefined) return "Nothing would have been delivered.";
    const added = mail.added === "" ? "" : `\nFields put before it:\n${mail.added.trimEnd()}`;
    return `Delivered to ${mail.to.map((to) => `<${to}>`).join(", ")}.${added}`;
  }

  #call(): Promise<readonly string[]> {
    const wire = this.#wire = this.network.call(this.#host)!;
    if (this.#tls) {
      wire.tls = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: undefined };
    }
    wire.onWritten = (bytes) => void (this.#heard += latin1Text(bytes));
    return this.#reply();
  }

  async #say(command: string): Promise<readonly string[]> {
    this.#wire!.send(latin1(`${command}\r\n`));
    const lines = await this.#reply();
    if (/^[23]/.test(lines.at(-1)!)) this.#accepted.add(command.slice(0, 4));
    return lines;
  }

  /** The next whole reply. */
  async #reply(): Promise<readonly string[]> {
    const until = performance.now() + PATIENCE;
    for (;;) {
      const lines = this.#heard.split("\r\n").slice(0, -1);
      const end = lines.findIndex((line) => /^\d{3}(?: |$)/.test(line));
      if (end >= 0) {
        this.#heard = lines.slice(end + 1).map((line) => `${line}\r\n`).join("");
        return lines.slice(0, end + 1);
      }
      if (this.#wire!.over) return ["<closed>"];
      if (performance.now() > until) return [`<no reply within ${PATIENCE / 1000} s>`];
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
