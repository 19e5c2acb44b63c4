// One connection of the scripted backend: a strict SMTP server (RFC 5321, RFC 3030) that asks the
// script before every reply and keeps all bytes, all commands and all message bytes, ended or not.
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Action, ScriptedBackend, Step } from "./blackbox_backend.ts";
import { unstuff } from "./blackbox_bytes.ts";
import { sleep } from "./blackbox_wait.ts";

const VERBS = new Set(["EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT"]);
/** Verbs that a proxy may well try on a server that does not have them. */
const OPTIONAL_VERBS = new Set(["XCLIENT", "XFORWARD", "STARTTLS", "LHLO", "VRFY"]);
const END = Buffer.from("\r\n.\r\n");
const WHOLE_REPLY = /^(?:\d{3}-[^\r\n]*\r\n)*(\d)\d\d(?: [^\r\n]*)?\r\n/;

/** The bytes of one message as they came, whether it ended or not. */
export interface Body {
  readonly via: "DATA" | "BDAT";
  readonly chunks: Buffer[];
  ended: boolean;
}

export class BackendConnection {
  readonly received: Buffer[] = [];
  readonly commands: string[] = [];
  readonly bodies: Body[] = [];
  readonly anomalies: string[] = [];
  open = true;
  stalled = false;
  /** How the peer left: FIN or RST. */
  peerEnd: "fin" | "reset" | undefined;
  readonly id: number;
  readonly #backend: ScriptedBackend;
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #mode: "command" | "data" = "command";
  #tail: Buffer = Buffer.alloc(0);
  #chunk: { readonly size: number; left: number; readonly last: boolean; readonly line: string } | undefined;
  #mail: string | undefined;
  #recipients: string[] = [];
  #greeted = false;
  #busy = false;
  #killed = false;

  constructor(backend: ScriptedBackend, socket: Socket, id: number) {
    this.id = id;
    this.#backend = backend;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => this.#lost("reset"));
    socket.on("end", () => {
      this.peerEnd ??= "fin";
      socket.end();
    });
    socket.on("close", () => this.#lost(undefined));
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    void this.#greet();
  }

  /** Every byte received, in order. */
  raw(): Buffer {
    return Buffer.concat(this.received);
  }

  /** Whether a message has begun here and not ended. */
  get midMessage(): boolean {
    return this.bodies.some((b) => !b.ended);
  }

  /** Stops reading from the socket, so that the peer's writes pile up. */
  freeze(): void {
    this.#socket.pause();
  }

  thaw(): void {
    this.#socket.resume();
  }

  /** Speaks out of turn. */
  say(bytes: string): void {
    if (this.open) this.#socket.write(Buffer.from(bytes, "latin1"));
  }

  drop(how: "close" | "reset"): void {
    this.open = false;
    this.#killed = true;
    if (how === "reset") this.#socket.resetAndDestroy();
    else this.#socket.end();
  }

  #lost(end: "fin" | "reset" | undefined): void {
    this.open = false;
    if (end !== undefined) this.peerEnd ??= end;
  }

  #take(bytes: Buffer): void {
    const copy = Buffer.from(bytes);
    this.received.push(copy);
    this.#pending = this.#pending.length === 0 ? copy : Buffer.concat([this.#pending, copy]);
    if (this.#greeted) void this.#pump();
  }

  async #greet(): Promise<void> {
    await this.#act("greeting", "", "220 backend.example ESMTP");
    this.#greeted = true;
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (!this.#killed && !this.stalled && await this.#unit());
    this.#busy = false;
  }

  /** Reads one command, chunk or piece of data; false when more bytes are needed. */
  #unit(): Promise<boolean> {
    if (this.#chunk !== undefined) return this.#readChunk();
    return this.#mode === "data" ? this.#readData() : this.#readCommand();
  }

  async #readCommand(): Promise<boolean> {
    const at = this.#pending.indexOf("\r\n");
    if (at < 0) return false;
    const line = this.#pending.toString("latin1", 0, at);
    this.#pending = this.#pending.subarray(at + 2);
    this.commands.push(line);
    if (/[\r\n\0]/.test(line)) this.anomalies.push(`bare CR, LF or NUL in ${JSON.stringify(line)}`);
    await this.#command(line);
    return true;
  }

  async #command(line: string): Promise<void> {
    const verb = line.split(" ", 1)[0]?.toUpperCase() ?? "";
    if (!VERBS.has(verb)) {
      if (!OPTIONAL_VERBS.has(verb)) this.anomalies.push(`no command: ${JSON.stringify(line)}`);
      await this.#act("other", line, "500 5.5.1 Unknown command");
      return;
    }
    switch (verb) {
      case "EHLO": {
        this.#forget();
        await this.#act("EHLO", line, this.#ehloReply());
        return;
      }
      case "HELO":
        this.#forget();
        await this.#act("HELO", line, "250 backend.example");
        return;
      case "MAIL": {
        const early = this.#mail !== undefined;
        if (early) this.anomalies.push("MAIL inside a transaction");
        const code = await this.#act("MAIL", line, early ? "503 5.5.1 Nested MAIL" : "250 2.1.0 Sender ok");
        if (code === "2" && !early) this.#mail = line;
        return;
      }
      case "RCPT": {
        const bad = this.#mail === undefined;
        const code = await this.#act("RCPT", line, bad ? "503 5.5.1 No MAIL" : "250 2.1.5 Recipient ok");
        if (code === "2" && !bad) this.#recipients.push(line);
        return;
      }
      case "DATA": {
        const bad = this.#recipients.length === 0;
        const code = await this.#act("DATA", line, bad ? "503 5.5.1 No recipients" : "354 Go ahead");
        if (code === "3" && !bad) this.#beginData();
        return;
      }
      case "BDAT":
        this.#beginChunk(line);
        return;
      case "RSET":
        this.#forget();
        await this.#act("RSET", line, "250 2.0.0 Reset");
        return;
      case "NOOP":
        await this.#act("NOOP", line, "250 2.0.0 Ok");
        return;
      default:
        await this.#act("QUIT", line, "221 2.0.0 Bye", "close");
    }
  }

  #ehloReply(): string {
    const lines = ["backend.example", ...this.#backend.keywords];
    return lines.map((l, i) => `250${i + 1 < lines.length ? "-" : " "}${l}`).join("\r\n");
  }

  #forget(): void {
    this.#mail = undefined;
    this.#recipients = [];
  }

  #beginData(): void {
    this.#mode = "data";
    this.#tail = Buffer.from("\r\n");
    this.bodies.push({ via: "DATA", chunks: [], ended: false });
  }

  #beginChunk(line: string): void {
    const match = /^BDAT (\d+)( LAST)?$/i.exec(line);
    if (match === null) {
      this.anomalies.push(`bad BDAT: ${JSON.stringify(line)}`);
      void this.#act("other", line, "501 5.5.4 Bad BDAT");
      return;
    }
    const size = Number(match[1]);
    this.#chunk = { size, left: size, last: match[2] !== undefined, line };
    if (this.bodies.at(-1)?.ended !== false) this.bodies.push({ via: "BDAT", chunks: [], ended: false });
  }

  async #readData(): Promise<boolean> {
    if (this.#pending.length === 0) return false;
    const body = this.bodies.at(-1);
    if (body === undefined) return false;
    const view = Buffer.concat([this.#tail, this.#pending]);
    const at = view.indexOf(END);
    if (at < 0) {
      body.chunks.push(this.#pending);
      this.#tail = view.subarray(-4);
      this.#pending = Buffer.alloc(0);
      await this.#duringBody(body);
      return true;
    }
    const cut = at + END.length - this.#tail.length;
    body.chunks.push(this.#pending.subarray(0, cut));
    this.#pending = this.#pending.subarray(cut);
    body.ended = true;
    this.#mode = "command";
    await this.#endOfData(body, ".");
    return true;
  }

  async #readChunk(): Promise<boolean> {
    const chunk = this.#chunk;
    const body = this.bodies.at(-1);
    if (chunk === undefined || body === undefined) return false;
    if (chunk.left > 0 && this.#pending.length === 0) return false;
    const piece = this.#pending.subarray(0, chunk.left);
    this.#pending = this.#pending.subarray(piece.length);
    body.chunks.push(piece);
    chunk.left -= piece.length;
    if (chunk.left > 0) {
      await this.#duringBody(body);
      return true;
    }
    this.#chunk = undefined;
    if (chunk.last) {
      body.ended = true;
      await this.#endOfData(body, chunk.line);
      return true;
    }
    await this.#duringBody(body);
    if (!this.#killed && !this.stalled) {
      await this.#act("BDAT", chunk.line, `250 2.0.0 ${chunk.size} octets`);
    }
    return true;
  }

  async #duringBody(body: Body): Promise<void> {
    const action = this.#backend.script?.({
      step: "body",
      line: "",
      connection: this,
      bodyBytes: body.chunks.reduce((sum, c) => sum + c.length, 0),
    });
    if (action !== undefined) await this.#perform(action, undefined, undefined);
  }

  async #endOfData(body: Body, line: string): Promise<void> {
    const mail = this.#mail ?? "";
    const recipients = this.#recipients;
    const allowed = recipients.length > 0;
    const ok = `250 2.0.0 Queued as ${this.id}.${this.bodies.length}`;
    this.#forget();
    await this.#act("dot", line, allowed ? ok : "503 5.5.1 No recipients", undefined, () => {
      if (!allowed) return;
      const raw = Buffer.concat(body.chunks);
      const bytes = body.via === "DATA" ? unstuff(raw) : raw;
      this.#backend.deliveries.push({
        connection: this,
        via: body.via,
        mail,
        recipients,
        bytes,
        at: Date.now(),
      });
    });
  }

  #act(step: Step, line: string, usual: string, then?: "close", commit?: () => void): Promise<string> {
    const body = this.bodies.at(-1);
    const bodyBytes = body === undefined ? 0 : body.chunks.reduce((sum, c) => sum + c.length, 0);
    const action = this.#backend.script?.({ step, line, connection: this, bodyBytes }) ?? {};
    return this.#perform(
      then === undefined || action.then !== undefined ? action : { ...action, then },
      usual,
      commit,
    );
  }

  /** Does it and tells the first digit of the whole reply that went out, "" when there was none. */
  async #perform(
    action: Action,
    usual: string | undefined,
    commit: (() => void) | undefined,
  ): Promise<string> {
    if (typeof action.after === "number") await sleep(action.after);
    else if (action.after !== undefined) await action.after;
    if (this.#killed) return "";
    const silent = action.then === "reset" || action.then === "stall" ||
      (action.then === "close" && !usual?.startsWith("221"));
    const text = action.raw ??
      (action.reply !== undefined
        ? `${action.reply}\r\n`
        : silent || usual === undefined
        ? ""
        : `${usual}\r\n`);
    const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : Buffer.from(text);
    const digit = WHOLE_REPLY.exec(bytes.toString("latin1"))?.[1] ?? "";
    // The mail is taken before the word is out, and whether or not the peer is still there to hear it:
    // what is lost from here on is the reply, not the message.
    if (digit === "2") commit?.();
    await this.#send(bytes, action.bytewise === true);
    if (action.then === "stall") this.stalled = true;
    else if (action.then !== undefined) {
      if (action.then === "reset" && bytes.length > 0) await sleep(20);
      this.drop(action.then);
    }
    return digit;
  }

  async #send(bytes: Buffer, bytewise: boolean): Promise<void> {
    if (!bytewise) {
      if (bytes.length > 0 && this.open) this.#socket.write(bytes);
      return;
    }
    for (const byte of bytes) {
      if (!this.open) return;
      this.#socket.write(Buffer.from([byte]));
      await sleep(1);
    }
  }
}
