/**
 * One connection to a backend: the client machine (`smtp/client`) on a wire, from the dial to the last reply.
 * It knows steps and replies, nothing of what a transaction is.
 */
import type { Connecting, ConnectOwner, Network, Wire } from "../net/wire.ts";
import type { Reply } from "../smtp/reply.ts";
import type { BackendTimes } from "../policy/settings.ts";
import type { Backend } from "./backend.ts";
import { Client, type ClientFault, type Step } from "../smtp/client.ts";
import { type Extensions, NO_EXTENSIONS, readExtensions } from "../smtp/extensions.ts";
import { join } from "../smtp/octets.ts";
import { latin1, severity, textOf } from "../smtp/reply.ts";

/** Why a connection ended other than by our own wish. */
export interface Loss {
  readonly why: "refused" | "closed" | "torn" | "timeout" | ClientFault;
  /** The step that was waiting for its reply. */
  readonly step: Step | undefined;
  /** For the log. */
  readonly detail: string;
}

/** Who holds a connection. */
export interface Holder {
  /** Greeted and EHLO done. */
  ready(connection: Connection): void;
  reply(step: Step, reply: Reply): void;
  /** What was written is with the kernel. */
  drained(): void;
  /** The connection is gone; nothing more is told. */
  lost(loss: Loss): void;
}

/** Who is told what becomes of every connection, before its holder is. */
export interface Watch {
  ready(connection: Connection): void;
  lost(connection: Connection, loss: Loss): void;
}

/** What every connection of a pool shares. */
export interface Surroundings {
  readonly network: Network;
  readonly hostname: string;
  readonly times: BackendTimes;
  now(): number;
  readonly watch?: Watch;
}

/** What is awaited before a message begins: repeated elsewhere, it doubles nothing. */
const ENVELOPE: ReadonlySet<Step> = new Set<Step>(["mail", "rcpt", "data", "rset"]);

export class Connection implements ConnectOwner {
  readonly backend: Backend;
  readonly openedAt: number;
  holder: Holder;
  extensions: Extensions = NO_EXTENSIONS;
  /** It has been ready: what goes wrong now is about a command. */
  handshaken = false;
  /** Transactions begun on it. */
  uses = 0;
  /** Commands refused on it: backends count them against whoever is connected (Postfix smtpd_hard_error_limit). */
  refusals = 0;
  idleSince = 0;
  /** When the backend has taken too long; Infinity while nothing is awaited. */
  deadline: number;
  #wire: Wire | undefined;
  readonly #connecting: Connecting;
  readonly #client = new Client();
  readonly #around: Surroundings;
  #out: Uint8Array[] = [];
  #dead = false;
  #chunkWritten = false;
  #awaitedSince = 0;

  constructor(backend: Backend, around: Surroundings, holder: Holder) {
    this.backend = backend;
    this.holder = holder;
    this.#around = around;
    this.openedAt = around.now();
    this.deadline = this.openedAt + around.times.connect;
    this.#connecting = around.network.connect(backend.endpoint, this);
  }

  /** Nothing is owed, nothing unread, nothing unsent: fit for another transaction. */
  get quiet(): boolean {
    return !this.#dead && this.#client.quiet && this.#out.length === 0 && this.#wire!.queued === 0;
  }

  /** Queues a command line (without CRLF, one character per byte) whose reply is `step`; `flush` sends it. */
  send(step: Step, line: string): void {
    this.command(line);
    this.expect(step);
  }

  /** Queues a command line; what it makes the backend owe is said by `expect`. */
  command(line: string): void {
    this.#out.push(Buffer.from(line + "\r\n", "latin1"));
  }

  /** A reply to `step` is owed for what was or will be written. */
  expect(step: Step): void {
    this.#client.expect(step);
    if (step === "chunk") this.#chunkWritten = false;
    if (this.#client.awaited === step) this.#await();
  }

  /** All octets of the chunk have been written: its reply is due from now on. */
  chunkWritten(): void {
    this.deadline = this.#around.now() + this.#around.times.end;
    this.#chunkWritten = true;
  }

  /** Queues octets; they must not change before `flush`. */
  write(bytes: Uint8Array): void {
    this.#out.push(bytes);
  }

  /** Sends what is queued in one write. False: the backend is slow, wait for `drained`. */
  flush(): boolean {
    if (this.#dead || this.#wire === undefined) return true;
    if (this.#out.length === 0) return this.#wire.queued === 0;
    const out = this.#out;
    this.#out = [];
    const taken = this.#wire.write(join(out));
    const { awaited } = this.#client;
    if (!taken && (awaited === undefined || (awaited === "chunk" && !this.#chunkWritten))) {
      this.deadline = this.#around.now() + this.#around.times.block;
    }
    return taken;
  }

  /** Ends it now: queued octets are dropped, the holder is told nothing. */
  abort(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#out = [];
    if (this.#wire === undefined) this.#connecting.cancel();
    else this.#wire.abort();
  }

  /** Takes its leave; only on a quiet connection. */
  quit(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#wire!.write(latin1("QUIT\r\n"));
    this.#wire!.close();
  }

  /** To be called now and then. */
  tick(now: number): void {
    if (now >= this.deadline) {
      this.#lose("timeout", this.#wire === undefined ? "connecting took too long" : "no reply in time");
    }
  }

  /** Milliseconds that a reply before the message has been awaited; 0 where none is. */
  envelopeWait(now: number): number {
    const step = this.#client.awaited;
    return step !== undefined && ENVELOPE.has(step) ? now - this.#awaitedSince : 0;
  }

  /** Ends it as lost, for a reason that the connection itself cannot see. */
  fail(why: Loss["why"], detail: string): void {
    this.#lose(why, detail);
  }

  // ---- the wire's side ----

  open(wire: Wire): void {
    if (this.#dead) return wire.abort();
    this.#wire = wire;
    this.expect("greeting");
  }

  data(bytes: Uint8Array): void {
    if (this.#dead) return;
    this.#client.receive(bytes);
    for (;;) {
      const event = this.#client.next();
      if (event === undefined) break;
      if (event.kind === "fault") return this.#lose(event.fault, event.text, event.step);
      this.#await();
      this.#answered(event.step, event.reply);
      if (this.#dead) return;
    }
    this.#client.keep();
  }

  drain(): void {
    if (this.#dead) return;
    this.#await();
    this.holder.drained();
  }

  end(): void {
    this.#lose(this.#client.torn ? "torn" : "closed", "the backend closed the connection");
  }

  close(error: Error | undefined): void {
    const why = this.#wire === undefined ? "refused" : this.#client.torn ? "torn" : "closed";
    this.#lose(why, error?.message ?? "the backend closed the connection");
  }

  #answered(step: Step, reply: Reply): void {
    const positive = severity(reply) === 2;
    switch (step) {
      case "greeting":
        if (!positive) {
          return this.#lose("refused", `greeted with ${textOf(reply).join(" ")} (${reply.code})`, step);
        }
        this.send("ehlo", `EHLO ${this.#around.hostname}`);
        this.flush();
        return;
      case "ehlo":
        if (positive) return this.#ready(readExtensions(reply));
        this.send("helo", `HELO ${this.#around.hostname}`);
        this.flush();
        return;
      case "helo":
        if (!positive) return this.#lose("refused", `HELO was answered ${reply.code}`);
        return this.#ready(NO_EXTENSIONS);
      default:
        // Nobody can have taken what was not all sent.
        if (positive && (step === "end" || step === "chunk") && this.#unsent) {
          return this.#lose("unasked", "a reply came before what it answers", step);
        }
        if (!positive && step !== "data") this.refusals++;
        this.holder.reply(step, reply);
    }
  }

  #ready(extensions: Extensions): void {
    this.extensions = this.backend.extensions = extensions;
    this.handshaken = true;
    this.#around.watch?.ready(this);
    this.holder.ready(this);
  }

  get #unsent(): boolean {
    return this.#out.length > 0 || this.#wire!.queued > 0;
  }

  /** Sets the deadline for the reply that is awaited now. */
  #await(): void {
    const step = this.#client.awaited;
    this.#awaitedSince = this.#around.now();
    // While the client still sends the chunk, its pace is not the backend's fault.
    if (step === "chunk" && !this.#chunkWritten) {
      this.deadline = Infinity;
      return;
    }
    this.deadline = step === undefined ? Infinity : this.#around.now() + timeFor(step, this.#around.times);
  }

  #lose(why: Loss["why"], detail: string, step: Step | undefined = this.#client.awaited): void {
    if (this.#dead) return;
    this.abort();
    const loss = { why, step, detail: `${this.backend.name}: ${detail}` };
    this.#around.watch?.lost(this, loss);
    this.holder.lost(loss);
  }
}

function timeFor(step: Step, times: BackendTimes): number {
  switch (step) {
    case "greeting":
      return times.greeting;
    case "ehlo":
    case "helo":
      return times.hello;
    case "mail":
    case "ask":
      return times.mail;
    case "rcpt":
      return times.rcpt;
    case "data":
      return times.data;
    case "chunk":
    case "end":
      return times.end;
    default:
      return times.rset;
  }
}
