/**
 * The client-facing machine (RFC 5321 §4.1.4): bytes in, events and replies out, no socket and no clock.
 *
 * `receive` takes bytes, `next` gives the next event, `answer` replies to it, `output` holds what goes to the
 * client. While an event waits for its answer nothing further is read, so replies cannot change their order.
 */
import type { Command, Phase, Refusal } from "./commands.ts";
import type { Extensions } from "./extensions.ts";
import type { Limits } from "./limits.ts";
import type { LineFault } from "./lines.ts";
import type { Reply } from "./reply.ts";
import { readCommand } from "./commands.ts";
import { type Framing, type MessageFault, MessageReader } from "./data.ts";
import { NO_EXTENSIONS } from "./extensions.ts";
import { LineReader } from "./lines.ts";
import { reply, severity } from "./reply.ts";

/** What the owner is asked or told. Those marked * wait for `answer`. */
export type ServerEvent =
  /** *helo, *mail, *rcpt, *data (354 = go on), *chunk (`takeChunk` = go on), *starttls, *ask; rset is only told. */
  | Exclude<Command, { kind: "noop" | "quit" | "help" }>
  /** Octets of the message, views that are void once the owner returns from `receive`'s caller. */
  | { readonly kind: "body"; readonly content: readonly Uint8Array[] }
  /** The message has turned bad; told once. Its rest is read to the end, which then asks for the refusal. */
  | { readonly kind: "fault"; readonly fault: MessageFault }
  /** *A chunk that is not the last is complete. */
  | { readonly kind: "chunk end"; readonly size: number; readonly fault: MessageFault | undefined }
  /** *The message is complete: its end waits for this answer. */
  | { readonly kind: "end"; readonly size: number; readonly fault: MessageFault | undefined }
  /** The session is over once `output` is sent. */
  | { readonly kind: "close" };

/** What a machine is made with. */
export interface ServerOptions {
  /** The name in the greeting and in the reply to HELO and EHLO. */
  readonly hostname: string;
  readonly limits: Limits;
  /** What bare CR and LF in a message do. */
  readonly bareLineFeeds: "reject" | "normalize";
  /** VRFY, EXPN, ETRN that the owner wants to be asked about instead of the fixed answer. */
  readonly relay: ReadonlySet<string>;
  /** The reference that refusals carry. */
  readonly ref: string;
}

type Mode =
  /** Before the greeting. */
  | "silent"
  | "command"
  /** A line too long is being dropped. */
  | "skip"
  | "message"
  | "chunk"
  /** The octets of a refused chunk are being dropped. */
  | "swallow"
  /** Between the 220 of STARTTLS and the end of the handshake. */
  | "tls"
  | "closed";

/** A line this many times the limit is no command gone wrong. */
const FAR_TOO_LONG = 1024;

export class Server {
  /** What the last EHLO offered. */
  offered: Extensions = NO_EXTENSIONS;
  phase: Phase = "start";
  /** The transaction's MAIL had SMTPUTF8, or BODY=BINARYMIME. */
  utf8 = false;
  binary = false;
  readonly options: ServerOptions;
  #mode: Mode = "silent";
  readonly #input = new LineReader();
  #output: Uint8Array[] = [];
  /** The event that waits for its answer. */
  #pending: ServerEvent["kind"] | undefined;
  #waiting: Command | undefined;
  #message: MessageReader | undefined;
  #faultTold = false;
  /** Octets of the current chunk still to come, and what it said. */
  #chunkLeft = 0;
  #chunkSize = 0;
  #chunkLast = false;
  /** What a chunk is answered once it has been swallowed. */
  #swallowReply: Reply | undefined;
  #skipped = 0;
  #recipients = 0;
  #messages = 0;
  #errors = 0;
  #refused = 0;
  #idleCommands = 0;
  #closeTold = false;
  /** When the machine began to wait for the client, and how long the client took so far for this message. */
  #since = 0;
  #spent = 0;
  #now = 0;

  constructor(options: ServerOptions) {
    this.options = options;
  }

  /** Milliseconds (of the clock given to `receive` and `answer`) at which the client has waited too long. */
  get deadline(): number {
    const { limits } = this.options;
    if (this.#pending !== undefined || this.#mode === "closed") return Infinity;
    if (this.#mode === "tls") return this.#since + limits.handshakeTime;
    if (!this.#takesOctets()) return this.#since + limits.commandTime;
    const size = this.#message?.size ?? 0;
    const allowed = Math.max(limits.dataRateGrace, (size / limits.dataRate) * 1000);
    return Math.min(this.#since + limits.dataTime, this.#since + allowed - this.#spent);
  }

  /** The time the client is not to blame for is over: reading from it goes on after a pause. */
  resumed(now: number): void {
    this.#since = now;
  }

  /** Input that waits to be read; the owner stops reading from the client past `limits.inputBuffer`. */
  get buffered(): number {
    return this.#input.length;
  }

  /** True between the 220 to STARTTLS and `secured`. */
  get handshaking(): boolean {
    return this.#mode === "tls";
  }

  /** Takes bytes. They are read in place by `next`; `keep` copies what is left. */
  receive(bytes: Uint8Array, now: number): void {
    if (this.#mode === "closed") return;
    this.#now = now;
    if (this.#pending === undefined && this.#takesOctets()) {
      this.#spent += now - this.#since;
      this.#since = now;
    }
    this.#input.push(bytes);
  }

  #takesOctets(): boolean {
    return this.#mode === "message" || this.#mode === "chunk" || this.#mode === "swallow";
  }

  /** To be called when the buffer given to `receive` ends its life. */
  keep(): void {
    this.#input.keep();
  }

  /** The bytes for the client since the last call. */
  output(): Uint8Array | undefined {
    const parts = this.#output;
    if (parts.length === 0) return undefined;
    this.#output = [];
    return parts.length === 1 ? parts[0] : join(parts);
  }

  /** The next event, or undefined while an answer or more bytes are needed. */
  next(): ServerEvent | undefined {
    while (this.#pending === undefined) {
      let event: ServerEvent | undefined | "again";
      switch (this.#mode) {
        case "command":
          event = this.#readCommand();
          break;
        case "message":
          event = this.#readMessage();
          break;
        case "chunk":
          event = this.#readChunk();
          break;
        case "swallow":
          event = this.#swallow();
          break;
        case "skip":
          event = this.#skip();
          break;
        case "closed":
          event = this.#tellClose();
          break;
        default:
          return undefined;
      }
      if (event !== "again") return event;
    }
    return undefined;
  }

  /** Sends the greeting; a 4yz or 5yz one ends the session. */
  greet(greeting: Reply, now: number): void {
    this.#since = now;
    this.#send(greeting);
    if (severity(greeting) === 2) this.#mode = "command";
    else this.#close();
  }

  /** Replies to HELO or EHLO, with what this session offers from now on. */
  answerHelo(given: Reply, offered: Extensions, now: number): void {
    this.offered = offered;
    this.answer(given, now);
  }

  /** Goes on to read the octets of the chunk that was announced. */
  takeChunk(now: number): void {
    const chunk = this.#waiting as Command & { kind: "chunk" };
    this.#settle(now);
    this.#message ??= this.#newMessage(this.binary ? "binary" : "text");
    this.phase = "bdat";
    this.#startChunk(chunk, "chunk");
  }

  /** Replies to the event that waits. A 421 ends the session. */
  answer(given: Reply, now: number): void {
    const pending = this.#pending;
    const command = this.#waiting;
    this.#settle(now);
    if (given.code === 421) {
      this.#send(given);
      return this.#close();
    }
    if (pending === "chunk") return this.#refuseChunk(command as Command & { kind: "chunk" }, given);
    if (pending === "starttls" && this.#input.length > 0) return void this.#injected();
    this.#send(given);
    const positive = given.code < 400;
    if (pending === "end" || (pending === "chunk end" && !positive)) this.dropTransaction();
    else if (positive) this.#proceed(pending!, command, given);
    if (given.code < 500) return;
    if (pending === "rcpt") this.#countRefused();
    else if (pending !== "end") this.#countError();
  }

  /** TLS is on: the session starts anew (RFC 3207 §4.2). */
  secured(now: number): void {
    this.#since = now;
    this.#mode = "command";
    this.phase = "start";
    this.offered = NO_EXTENSIONS;
  }

  /** Ends the session with a reply of the owner's (421), whatever state it is in. */
  end(given: Reply): void {
    this.#send(given);
    this.#close();
  }

  /** Forgets the transaction. */
  dropTransaction(): void {
    if (this.phase !== "start") this.phase = "ready";
    this.#message = undefined;
    this.utf8 = this.binary = false;
  }

  // ---- reading ----

  #readCommand(): ServerEvent | undefined | "again" {
    if (this.#foreignTls()) return this.#fatal([421, "7.0", "TLS was not asked for: use STARTTLS, or a port for implicit TLS"]);
    const { limits } = this.options;
    const line = this.#input.line(limits.commandLine);
    if (line === undefined) return undefined;
    if (typeof line !== "string") return this.#lineFault(line.fault);
    this.#since = this.#now;
    const read = readCommand(line, this.phase, {
      offered: this.offered,
      utf8: this.utf8,
      binary: this.binary,
      messageSize: limits.messageSize,
    });
    if ("command" in read) return this.#act(read.command);
    if (read.swallow?.kind === "chunk") return this.#refuseChunk(read.swallow, this.refusal(read.refusal)), "again";
    return read.fatal ? this.#fatal(read.refusal) : this.#refuse(read.refusal);
  }

  /** A TLS ClientHello where a command should stand. */
  #foreignTls(): boolean {
    const { bytes, at } = this.#input;
    return bytes[at] === 0x16 && bytes[at + 1] === 0x03;
  }

  #lineFault(fault: LineFault): "again" {
    if (fault !== "too long") {
      return this.#fatal([500, "5.2", `Command line holds a ${fault}: only CR LF ends a line`]);
    }
    this.#mode = "skip";
    this.#skipped = 0;
    return this.#refuse([500, "5.2", `Line too long: at most ${this.options.limits.commandLine} octets`]);
  }

  #skip(): undefined | "again" {
    const before = this.#input.length;
    const found = this.#input.skipLine();
    this.#skipped += before - this.#input.length;
    if (this.#skipped > FAR_TOO_LONG * this.options.limits.commandLine) return this.#fatal([421, "5.2", "Line far too long"]);
    if (!found) return undefined;
    this.#mode = "command";
    return "again";
  }

  /** Replies to what needs nobody's judgement, and makes an event of the rest. */
  #act(command: Command): ServerEvent | "again" {
    switch (command.kind) {
      case "noop":
        return this.#local(reply(250, "0.0", "Ok"));
      case "help":
        return this.#local(reply(214, "0.0", "RFC 5321 says it all"));
      case "quit":
        this.#send(reply(221, "0.0", "Bye"));
        this.#close();
        return "again";
      case "rset":
        this.dropTransaction();
        this.#local(reply(250, "0.0", "Ok"));
        return command;
      case "ask":
        if (!this.options.relay.has(command.verb)) return this.#unasked(command.verb);
        break;
      case "starttls":
        if (this.#input.length > 0) return this.#injected();
        break;
      case "mail":
        if (this.#messages >= this.options.limits.messages) return this.#fatal([421, "7.0", "Too many messages in one session"]);
        break;
      case "rcpt":
        if (this.#recipients >= this.options.limits.recipients) return this.#refuse([452, "5.3", "Too many recipients"]);
    }
    this.#pending = command.kind;
    this.#waiting = command;
    return command;
  }

  #unasked(verb: string): "again" {
    if (verb !== "VRFY") return this.#refuse([502, "5.1", `Command ${verb} not implemented`]);
    return this.#local(reply(252, "0.0", "Not verified; send mail and see"));
  }

  #local(given: Reply): "again" {
    this.#send(given);
    if (++this.#idleCommands > this.options.limits.idleCommands) this.#fatal([421, "7.0", "Too many commands and no mail"]);
    return "again";
  }

  #readMessage(): ServerEvent | undefined | "again" {
    const message = this.#message!;
    if (message.ended) return this.#messageEnd(message);
    const { bytes, at } = this.#input;
    if (at === bytes.length) return undefined;
    this.#input.skipTo(message.read(bytes, at, bytes.length));
    return this.#content(message) ?? "again";
  }

  /** What a read of the message has brought, if anything. */
  #content(message: MessageReader): ServerEvent | undefined {
    if (message.fault !== undefined && !this.#faultTold) {
      this.#faultTold = true;
      return { kind: "fault", fault: message.fault };
    }
    return message.content.length > 0 ? { kind: "body", content: message.content } : undefined;
  }

  #messageEnd(message: MessageReader): ServerEvent {
    this.#mode = "command";
    this.#pending = "end";
    this.#messages++;
    this.#idleCommands = 0;
    return { kind: "end", size: message.size, fault: message.fault };
  }

  #readChunk(): ServerEvent | undefined | "again" {
    const message = this.#message!;
    if (this.#chunkLeft > 0) {
      const { bytes, at } = this.#input;
      if (at === bytes.length) return undefined;
      const end = Math.min(bytes.length, at + this.#chunkLeft);
      message.read(bytes, at, end);
      this.#chunkLeft -= end - at;
      this.#input.skipTo(end);
      return this.#content(message) ?? "again";
    }
    if (this.#chunkLast) {
      message.finish();
      return this.#content(message) ?? this.#messageEnd(message);
    }
    this.#mode = "command";
    this.#pending = "chunk end";
    return { kind: "chunk end", size: this.#chunkSize, fault: message.fault };
  }

  #startChunk(chunk: Command & { kind: "chunk" }, mode: "chunk" | "swallow"): void {
    this.#chunkLeft = this.#chunkSize = chunk.size;
    this.#chunkLast = chunk.last;
    this.#mode = mode;
  }

  /** A refused chunk's octets are on their way: they are read and dropped before the refusal is sent. */
  #refuseChunk(chunk: Command & { kind: "chunk" }, given: Reply): void {
    this.dropTransaction();
    this.#swallowReply = given;
    this.#startChunk(chunk, "swallow");
  }

  #swallow(): undefined | "again" {
    const taken = Math.min(this.#chunkLeft, this.#input.length);
    this.#chunkLeft -= taken;
    this.#input.skipTo(this.#input.at + taken);
    if (this.#chunkLeft > 0) return undefined;
    this.#mode = "command";
    this.#send(this.#swallowReply!);
    if (this.#swallowReply!.code >= 500) this.#countError();
    return "again";
  }

  // ---- state ----

  /** The answer has come: the client's time runs again. */
  #settle(now: number): void {
    this.#pending = undefined;
    this.#waiting = undefined;
    this.#since = now;
  }

  /** A command was answered 2yz or 3yz: its change of state. */
  #proceed(pending: ServerEvent["kind"], command: Command | undefined, given: Reply): void {
    switch (pending) {
      case "helo":
        this.dropTransaction();
        this.phase = "ready";
        this.#idleCommands++;
        return;
      case "mail": {
        const { parameters } = command as Command & { kind: "mail" };
        this.phase = "mail";
        this.#recipients = 0;
        this.utf8 = parameters.some((parameter) => parameter.keyword === "SMTPUTF8");
        this.binary = parameters.some((parameter) => parameter.value?.toUpperCase() === "BINARYMIME");
        return;
      }
      case "rcpt":
        this.phase = "rcpt";
        this.#recipients++;
        return;
      case "data":
        if (given.code !== 354) return;
        this.#message = this.#newMessage("dots");
        this.#mode = "message";
        return;
      case "starttls":
        this.#mode = "tls";
        this.#input.clear();
    }
  }

  #newMessage(framing: Framing): MessageReader {
    const { limits, bareLineFeeds } = this.options;
    this.#faultTold = false;
    this.#spent = 0;
    return new MessageReader(framing, {
      headerBlock: limits.headerBlock,
      messageLine: limits.messageLine,
      messageSize: limits.messageSize,
      normalize: bareLineFeeds === "normalize",
    });
  }

  #refuse(refusal: Refusal): "again" {
    this.#send(this.refusal(refusal));
    if (refusal[0] >= 500) this.#countError();
    return "again";
  }

  #fatal(refusal: Refusal): "again" {
    this.#send(this.refusal(refusal));
    this.#close();
    return "again";
  }

  /** What follows STARTTLS was sent in the clear, to be read as if it had been encrypted (RFC 3207 §4.2). */
  #injected(): "again" {
    return this.#fatal([421, "5.0", "Nothing may follow STARTTLS before the handshake"]);
  }

  #countError(): void {
    if (++this.#errors >= this.options.limits.errors) this.#fatal([421, "7.0", "Too many errors"]);
  }

  #countRefused(): void {
    if (++this.#refused >= this.options.limits.refusedRecipients) this.#fatal([421, "7.0", "Too many unknown recipients"]);
  }

  /** A refusal of this session's, with its reference. */
  refusal([code, enhanced, text]: Refusal): Reply {
    return reply(code, enhanced, `${text} [ref ${this.options.ref}]`);
  }

  #send(given: Reply): void {
    this.#output.push(given.bytes);
  }

  #close(): void {
    this.#mode = "closed";
    this.#pending = undefined;
    this.#message = undefined;
    this.#input.clear();
  }

  #tellClose(): ServerEvent | undefined {
    if (this.#closeTold) return undefined;
    this.#closeTold = true;
    return { kind: "close" };
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
