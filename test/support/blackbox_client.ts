// A raw SMTP client for the black-box suite: writes any bytes in any chunking, reads replies strictly
// (a bare CR or LF in a reply is an error), half-closes, resets, stops reading, upgrades to TLS.
import { Buffer } from "node:buffer";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { bytesOf, stuff } from "./blackbox_bytes.ts";
import { sleep } from "./blackbox_wait.ts";

/** One whole reply; `raw` holds its exact bytes as latin-1, last CRLF included. */
export interface Reply {
  readonly code: string;
  readonly raw: string;
  /** The text of every line, codes taken off. */
  readonly lines: readonly string[];
}

/** A reply, or why there was none. */
export type Heard = Reply | "closed" | "silent";

/** Text for a failure message. */
export function told(heard: Heard): string {
  return typeof heard === "string" ? heard : heard.raw.trimEnd();
}

/** The code, or "closed" or "silent". */
export function code(heard: Heard): string {
  return typeof heard === "string" ? heard : heard.code;
}

const REPLY = /^((?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n)/;

/** How bytes are cut on their way out: everything at once, or pieces of `size` bytes, each a segment of its own. */
export interface Cut {
  readonly size: number;
  /** Milliseconds between pieces; 0 yields to the event loop only. */
  readonly gap?: number;
}

export class RawClient {
  readonly #plain: Socket;
  #socket: Socket | TLSSocket;
  #buffer = "";
  #ended = false;
  #wake: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.#plain = socket;
    this.#socket = socket;
    this.#attach(socket);
  }

  /** Connects over TCP, reading nothing yet. */
  static connect(port: number, localAddress?: string): Promise<RawClient> {
    return new Promise((resolve, fail) => {
      const socket = connectTcp({
        port,
        host: "127.0.0.1",
        allowHalfOpen: true,
        ...(localAddress === undefined ? {} : { localAddress }),
      });
      socket.setNoDelay(true);
      socket.once("error", fail);
      socket.once("connect", () => {
        socket.removeListener("error", fail);
        resolve(new RawClient(socket));
      });
    });
  }

  /** Connects, reads the banner and says EHLO. */
  static async greeted(port: number, localAddress?: string): Promise<RawClient> {
    const client = await RawClient.connect(port, localAddress);
    await client.expect("220");
    await client.command("EHLO client.example", "250");
    return client;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What has been read and not yet taken. */
  get unread(): string {
    return this.#buffer;
  }

  /** Writes and waits until the kernel has it (or the connection has gone). */
  async write(data: string | Uint8Array, cut?: Cut): Promise<void> {
    const bytes = typeof data === "string" ? bytesOf(data) : data;
    if (cut === undefined) return await this.#push(bytes);
    for (let i = 0; i < bytes.length && !this.#ended; i += cut.size) {
      await this.#push(bytes.subarray(i, i + cut.size));
      await sleep(cut.gap ?? 0);
    }
  }

  /** The next reply, or why there is none within `limit` ms. */
  async hear(limit = 5000): Promise<Heard> {
    const end = Date.now() + limit;
    for (;;) {
      const reply = this.#takeReply();
      if (reply !== undefined) return reply;
      if (this.#ended) return "closed";
      const left = end - Date.now();
      if (left <= 0) return "silent";
      await this.#news(left);
    }
  }

  /** The next reply; throws when there is none or, if given, its code does not start so. */
  async expect(prefix = "", limit = 5000): Promise<Reply> {
    const heard = await this.hear(limit);
    if (typeof heard === "string" || !heard.code.startsWith(prefix)) {
      throw new Error(
        `expected ${prefix || "a reply"}, got ${told(heard)} (unread: ${JSON.stringify(this.#buffer)})`,
      );
    }
    return heard;
  }

  /** Writes one command and reads its reply. */
  async command(line: string, prefix = ""): Promise<Reply> {
    await this.write(`${line}\r\n`);
    return await this.expect(prefix);
  }

  /** Writes one command and hears what comes. */
  async ask(line: string, limit = 5000): Promise<Heard> {
    await this.write(`${line}\r\n`);
    return await this.hear(limit);
  }

  /** MAIL, RCPT and the message by DATA; what was heard at the step that ended it, the final dot in the good case. */
  async send(message: Buffer, options: Sending = {}): Promise<Sent> {
    const steps = [
      ["MAIL", options.mail ?? "MAIL FROM:<sender@client.example>"],
      ...(options.rcpt ?? ["RCPT TO:<rcpt@backend.example>"]).map((line) => ["RCPT", line]),
      ["DATA", "DATA"],
    ] as const;
    for (const [step, line] of steps) {
      const heard = await this.ask(line as string, options.limit);
      if (!code(heard).startsWith(step === "DATA" ? "354" : "2")) {
        return { step: step as Sent["step"], heard };
      }
    }
    await this.write(stuff(message), options.cut);
    return { step: "dot", heard: await this.hear(options.limit) };
  }

  /** MAIL, RCPT and the message by BDAT in chunks of so many bytes, each answered before the next. */
  async sendChunks(message: Buffer, size: number, options: Sending = {}): Promise<Sent> {
    const mail = await this.ask(options.mail ?? "MAIL FROM:<sender@client.example>", options.limit);
    if (!code(mail).startsWith("2")) return { step: "MAIL", heard: mail };
    for (const line of options.rcpt ?? ["RCPT TO:<rcpt@backend.example>"]) {
      const rcpt = await this.ask(line, options.limit);
      if (!code(rcpt).startsWith("2")) return { step: "RCPT", heard: rcpt };
    }
    let at = 0;
    do {
      const piece = message.subarray(at, at + size);
      at += size;
      const last = at >= message.length;
      await this.write(
        Buffer.concat([bytesOf(`BDAT ${piece.length}${last ? " LAST" : ""}\r\n`), piece]),
        options.cut,
      );
      const heard = await this.hear(options.limit);
      if (last || !code(heard).startsWith("2")) return { step: last ? "dot" : "BDAT", heard };
    } while (true);
  }

  /** Whether the server ends the connection within `limit` ms; late bytes stay in `unread`. */
  async closes(limit = 5000): Promise<boolean> {
    const end = Date.now() + limit;
    while (!this.#ended && Date.now() < end) await this.#news(end - Date.now());
    return this.#ended;
  }

  /** Upgrades to TLS after a 220 to STARTTLS. */
  startTls(servername = "mx.example", identity: { cert?: string; key?: string } = {}): Promise<void> {
    this.#plain.removeAllListeners();
    return new Promise((resolve, fail) => {
      const secure = connectTls({
        ...identity,
        socket: this.#plain,
        servername,
        rejectUnauthorized: false,
      });
      secure.once("error", fail);
      secure.once("secureConnect", () => {
        secure.removeListener("error", fail);
        this.#socket = secure;
        this.#attach(secure);
        resolve();
      });
    });
  }

  stopReading(): void {
    this.#socket.pause();
  }

  /** Sends FIN and goes on reading. */
  finish(): void {
    this.#socket.end();
  }

  /** Sends RST; under TLS too, with no close_notify. */
  reset(): void {
    this.#gone();
    this.#plain.resetAndDestroy();
  }

  /** Closes the TCP connection with FIN and no word, under TLS without close_notify. */
  vanish(): void {
    this.#gone();
    this.#plain.destroy();
  }

  /** Says QUIT and closes. */
  async quit(): Promise<void> {
    if (!this.#ended) await this.ask("QUIT", 1000);
    this.vanish();
  }

  #attach(socket: Socket): void {
    socket.on("data", (bytes: Buffer) => {
      this.#buffer += bytes.toString("latin1");
      this.#notify();
    });
    socket.on("end", () => this.#gone());
    socket.on("error", () => this.#gone());
    socket.on("close", () => this.#gone());
  }

  #gone(): void {
    this.#ended = true;
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #news(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #takeReply(): Reply | undefined {
    const match = REPLY.exec(this.#buffer);
    if (match?.[1] === undefined) {
      const line = /^[^\n]*\n/.exec(this.#buffer)?.[0];
      if (line !== undefined && !/^\d{3}(?:[ -][^\r\n]*)?\r\n$/.test(line)) {
        throw new Error(`no reply line: ${JSON.stringify(line)}`);
      }
      return undefined;
    }
    const raw = match[1];
    this.#buffer = this.#buffer.slice(raw.length);
    const lines = raw.slice(0, -2).split("\r\n");
    return { raw, code: raw.slice(0, 3), lines: lines.map((l) => l.slice(4)) };
  }

  #push(bytes: Uint8Array): Promise<void> {
    if (this.#ended || bytes.length === 0) return Promise.resolve();
    const socket = this.#socket;
    if (socket.write(bytes)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        socket.removeListener("drain", done);
        socket.removeListener("close", done);
        resolve();
      };
      socket.on("drain", done);
      socket.on("close", done);
    });
  }
}

/** What a transaction is made of. */
export interface Sending {
  readonly mail?: string;
  readonly rcpt?: readonly string[];
  readonly cut?: Cut;
  /** Milliseconds to wait for each reply. */
  readonly limit?: number;
}

/** Where a transaction ended, and with what. */
export interface Sent {
  readonly step: "MAIL" | "RCPT" | "DATA" | "BDAT" | "dot";
  readonly heard: Heard;
}
