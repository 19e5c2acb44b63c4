/**
 * The client-facing machine (RFC 5321 §4.1.4): bytes in, events and replies out, no socket and no clock.
 *
 * `receive` takes bytes, `next` gives the next event, `answer` replies to it, `output` holds what goes to the
 * client. While an event waits for its answer nothing further is read, so replies cannot change their order.
 *
 * Whose turn it is and where the session stands is decided here. `command_lines` and `intake` read, `commands` knows what
 * is legal when, `replier` speaks and counts, `pace` keeps time.
 */
import { CommandLines } from "./command_lines.ts";
import { type Command, type Phase, readCommand, type Refusal, type Standing } from "./commands.ts";
import { type Extensions, NO_EXTENSIONS } from "./extensions.ts";
import { type RcptCommand, recipientsAhead } from "./foresee.ts";
import { Intake } from "./intake.ts";
import { Pace } from "./pace.ts";
import { asksBinary, asksUtf8 } from "./parameters.ts";
import { Replier } from "./replier.ts";
import { type Reply, reply, severity } from "./reply.ts";
import type { ServerEvent, ServerOptions, ServerTerms } from "./server_events.ts";

export type { ServerEvent, ServerOptions, ServerTerms };

type Mode =
  /** Before the greeting. */
  | "silent"
  | "command"
  /** The octets of a message, or of a refused chunk. */
  | "octets"
  /** Between the 220 of STARTTLS and the end of the handshake. */
  | "tls"
  | "closed";

const NOBODY: readonly RcptCommand[] = [];

const OK = reply(250, "0.0", "Ok");
const HELP = reply(214, "0.0", "RFC 5321 says it all");
const BYE = reply(221, "0.0", "Bye");

export class Server extends Replier {
  /** What the last EHLO offered. */
  offered: Extensions = NO_EXTENSIONS;
  phase: Phase = "start";
  /** The transaction's MAIL had SMTPUTF8, or BODY=BINARYMIME. */
  utf8 = false;
  binary = false;
  #mode: Mode = "silent";
  readonly #input = new CommandLines();
  /** The event that waits for its answer. */
  #pending: ServerEvent["kind"] | undefined;
  #waiting: Command | undefined;
  /** Made for the first message: an idle session never needs it. */
  #intake: Intake | undefined;
  #xclient: boolean;
  #tlsMissing: boolean;
  /** PIPELINING has been offered: commands may be sent ahead (RFC 2920 §3.1). */
  #ahead = false;
  #closeTold = false;
  /** What is in the input was looked at by `foresee`, in vain. */
  #unforeseen = false;
  readonly #pace: Pace;
  /** The time of the bytes being read. */
  #now = 0;

  constructor(options: ServerOptions, { ref, xclient = false, tlsRequired = false }: ServerTerms) {
    super(options, ref);
    this.#xclient = xclient;
    this.#tlsMissing = tlsRequired;
    this.#pace = new Pace(options.limits);
  }

  /** Milliseconds (of the clock given to `receive` and `answer`) at which the client has waited too long. */
  get deadline(): number {
    if (this.#pending !== undefined || this.#mode === "closed" || this.#mode === "silent") return Infinity;
    if (this.#mode === "tls") return this.#pace.handshake;
    // Between the chunks of a message the client is as slow as within them.
    const message = this.#mode === "octets" || this.phase === "bdat";
    return message ? this.#pace.message(this.#intake?.octets ?? 0) : this.#pace.command;
  }

  /** The time the client is not to blame for is over: reading from it goes on after a pause. */
  resumed(now: number): void {
    this.#pace.restart(now);
  }

  /** Input that waits to be read; the owner stops reading from the client past `limits.inputBuffer`. */
  get buffered(): number {
    return this.#input.length;
  }

  /** False until the greeting has gone out. */
  get greeted(): boolean {
    return this.#mode !== "silent";
  }

  /** True between the 220 to STARTTLS and `secured`. */
  get handshaking(): boolean {
    return this.#mode === "tls";
  }

  /** Takes bytes. They are read in place by `next`; `keep` copies what is left. */
  receive(bytes: Uint8Array, now: number): void {
    if (this.#mode === "closed") return;
    this.#now = now;
    if (this.#pending === undefined && (this.#mode === "octets" || this.phase === "bdat")) {
      this.#pace.octets(now);
    }
    if (this.#mode === "silent") this.conduct.spokeEarly = true;
    this.#unforeseen = false;
    this.#input.push(bytes);
  }

  /** To be called when the buffer given to `receive` ends its life. */
  keep(): void {
    this.#input.keep();
  }

  /** The next event, or undefined while an answer or more bytes are needed. */
  next(): ServerEvent | undefined {
    while (this.#pending === undefined) {
      let event: ServerEvent | undefined | "again";
      switch (this.#mode) {
        case "command":
          event = this.#readCommand();
          break;
        case "octets":
          event = this.#readOctets();
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
    this.#pace.restart(now);
    this.send(greeting);
    if (severity(greeting) === 2) this.#mode = "command";
    else this.close();
  }

  /** Replies to HELO or EHLO, with what this session offers from now on. */
  answerHelo(given: Reply, offered: Extensions, now: number): void {
    const { verb } = this.#waiting as Command & { kind: "helo" };
    if (this.#input.length > 0) this.conduct.pipelinedEarly = true;
    this.#ahead = verb === "EHLO";
    this.offered = offered;
    this.answer(given, now);
  }

  /** Goes on to read the octets of the chunk that was announced. */
  takeChunk(now: number): void {
    const chunk = this.#waiting as Command & { kind: "chunk" };
    this.#settle(now);
    if (this.phase !== "bdat") this.#pace.beginOctets();
    this.phase = "bdat";
    this.#mode = "octets";
    this.#messages().chunk(chunk, this.binary);
  }

  /**
   * Replies to the event that waits. A 421 ends the session.
   * @param counts false: a refusal is not counted against the client
   */
  answer(given: Reply, now: number, counts = true): void {
    const pending = this.#pending;
    const command = this.#waiting;
    this.#settle(now);
    if (given.code === 421) {
      this.send(given);
      return this.close();
    }
    if (pending === "chunk") {
      this.dropTransaction();
      return this.#refuseChunk(command as Command & { kind: "chunk" }, given);
    }
    if (pending === "starttls" && this.#input.length > 0) return void this.#injected();
    // A client that is refused where it would be greeted is not to go on as whoever named it.
    if (pending === "xclient" && given.code >= 300) return this.end(given);
    this.send(given);
    const positive = given.code < 400;
    if (pending === "end" || (pending === "chunk end" && !positive)) this.dropTransaction();
    else if (positive) this.#proceed(pending!, command, given);
    if (!counts) return;
    if (pending === "rcpt" && given.code >= 500) this.conduct.refusedRecipients++;
    this.count(this.tally.answered(pending, given.code, this.#intake?.emptyChunk ?? false));
  }

  /** The session is another client's from now on: what the one before did is not held against it. */
  renamed(xclient: boolean): void {
    this.#xclient = xclient;
    this.forgive();
  }

  /** TLS is on: the session starts anew (RFC 3207 §4.2). */
  secured(now: number): void {
    this.#pace.restart(now);
    this.#mode = "command";
    this.#startAnew();
    this.#tlsMissing = false;
  }

  /** Forgets the transaction. */
  dropTransaction(): void {
    if (this.phase !== "start") this.phase = "ready";
    this.#intake?.drop();
    this.utf8 = this.binary = false;
  }

  /**
   * The recipients that stand in the input behind the MAIL or RCPT that waits, if DATA is what follows them and the input
   * ends there: they will be the next events, unless the answers end the session. Nothing is taken off the input.
   */
  foresee(): readonly RcptCommand[] {
    const mail = this.#waiting?.kind === "mail" ? this.#waiting : undefined;
    if ((mail === undefined && this.#pending !== "rcpt") || this.#unforeseen) return NOBODY;
    const standing = mail === undefined
      ? this.#standing(this.utf8, this.binary)
      : this.#standing(asksUtf8(mail.parameters), asksBinary(mail.parameters));
    const most = this.tally.recipientsLeft - 1;
    const seen = recipientsAhead(this.#input, standing, most, this.options.limits.commandLine);
    // Looked at once more for each recipient, a long input would cost the square of its length.
    this.#unforeseen = seen === undefined;
    return seen ?? NOBODY;
  }

  // ---- reading ----

  #readCommand(): ServerEvent | undefined | "again" {
    const line = this.#input.command(this.options.limits.commandLine);
    if (line === undefined) return undefined;
    if (typeof line !== "string") return this.#refused(line.refusal, line.fatal);
    this.#pace.restart(this.#now);
    const read = readCommand(line, this.phase, this.#standing(this.utf8, this.binary));
    if (!this.#ahead && this.#input.length > 0) this.conduct.pipelinedEarly = true;
    if ("command" in read) return this.#act(read.command);
    if (read.refusal[0] === 500) this.conduct.unknownCommands++;
    if (read.swallow?.kind === "chunk") {
      return this.#refuseChunk(read.swallow, this.refusal(read.refusal)), "again";
    }
    return this.#refused(read.refusal, read.fatal);
  }

  #standing(utf8: boolean, binary: boolean): Standing {
    return {
      offered: this.offered,
      utf8,
      binary,
      messageSize: this.options.limits.messageSize,
      xclient: this.#xclient,
      tlsMissing: this.#tlsMissing,
    };
  }

  /** Replies to what needs nobody's judgement, and makes an event of the rest. */
  #act(command: Command): ServerEvent | "again" {
    switch (command.kind) {
      case "noop":
        return this.#local(OK);
      case "help":
        return this.#local(HELP);
      case "quit":
        this.send(BYE);
        this.close();
        return "again";
      case "rset":
        this.dropTransaction();
        this.#local(OK);
        return command;
      case "ask":
        if (!this.options.relay.has(command.verb)) return this.#unasked(command.verb);
        break;
      case "starttls":
        if (this.#input.length > 0) return this.#injected();
        break;
      case "mail":
      case "rcpt": {
        const refusal = command.kind === "mail" ? this.tally.transaction() : this.tally.recipient();
        if (refusal !== undefined) return this.#refused(refusal, refusal[0] === 421);
      }
    }
    this.#pending = command.kind;
    this.#waiting = command;
    return command;
  }

  #unasked(verb: string): "again" {
    if (verb !== "VRFY") return this.#refused([502, "5.1", `Command ${verb} not implemented`]);
    return this.#local(reply(252, "0.0", "Not verified; send mail and see"));
  }

  #local(given: Reply): "again" {
    this.send(given);
    this.count(this.tally.idleCommand());
    return "again";
  }

  #readOctets(): ServerEvent | undefined | "again" {
    const intake = this.#messages();
    const event = intake.read(this.#input);
    if (intake.excessive) return this.#refused([421, "3.4", "Too much was sent that cannot be taken"], true);
    switch (event?.kind) {
      case "chunk end":
        this.#mode = "command";
        this.#pending = "chunk end";
        return event;
      case "end":
        this.#mode = "command";
        this.#pending = "end";
        this.tally.message();
        return event;
      case "swallowed":
        this.#mode = "command";
        this.send(event.reply);
        if (event.reply.code >= 400) this.count(this.tally.error());
        return "again";
      default:
        return event;
    }
  }

  #messages(): Intake {
    return (this.#intake ??= new Intake(this.options));
  }

  #refuseChunk(chunk: Command & { kind: "chunk" }, given: Reply): void {
    this.#pace.beginOctets();
    this.#messages().swallow(chunk.size, given);
    this.#mode = "octets";
  }

  // ---- state ----

  /** The answer has come: the client's time runs again. */
  #settle(now: number): void {
    this.#pending = undefined;
    this.#waiting = undefined;
    this.#pace.restart(now);
  }

  /** A command was answered 2yz or 3yz: its change of state. */
  #proceed(pending: ServerEvent["kind"], command: Command | undefined, given: Reply): void {
    switch (pending) {
      case "helo":
        this.dropTransaction();
        this.phase = "ready";
        this.count(this.tally.idleCommand());
        return;
      case "mail": {
        const { parameters } = command as Command & { kind: "mail" };
        this.phase = "mail";
        this.utf8 = asksUtf8(parameters);
        this.binary = asksBinary(parameters);
        return;
      }
      case "rcpt":
        this.phase = "rcpt";
        this.tally.acceptedRecipient();
        return;
      case "data":
        if (given.code !== 354) return;
        this.#pace.beginOctets();
        this.#messages().data();
        this.#mode = "octets";
        return;
      case "starttls":
        this.#mode = "tls";
        this.#input.clear();
        return;
      case "xclient":
        this.#startAnew();
    }
  }

  #startAnew(): void {
    this.phase = "start";
    this.#ahead = false;
    this.offered = NO_EXTENSIONS;
  }

  /** @param fatal the session ends with it */
  #refused(refusal: Refusal, fatal = false): "again" {
    if (fatal) this.fatal(refusal);
    else this.refuse(refusal);
    return "again";
  }

  /** What follows STARTTLS was sent in the clear, to be read as if it had been encrypted (RFC 3207 §4.2). */
  #injected(): "again" {
    return this.#refused([421, "5.0", "Nothing may follow STARTTLS before the handshake"], true);
  }

  protected override get closed(): boolean {
    return this.#mode === "closed";
  }

  protected override close(): void {
    this.#mode = "closed";
    this.#pending = undefined;
    this.#intake?.drop();
    this.#input.clear();
  }

  #tellClose(): ServerEvent | undefined {
    if (this.#closeTold) return undefined;
    this.#closeTold = true;
    return { kind: "close" };
  }
}
