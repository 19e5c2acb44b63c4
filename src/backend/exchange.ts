/**
 * Commands to a backend and its replies, on one wire: what is queued to go out in one write, which reply is owed
 * (`smtp/client`), and until when. How it begins, and what becomes of it when it is lost, is `connection`'s.
 */
import type { Wire } from "../net/wire.ts";
import type { Reply } from "../smtp/reply.ts";
import type { BackendTimes } from "../policy/settings.ts";
import { Client, type ClientEvent, type Step } from "../smtp/client.ts";
import { join, type Octets } from "../smtp/octets.ts";
import { ENVELOPE, timeFor } from "./reply_times.ts";

/** How long a backend may take, by which clock. */
export interface Pace {
  readonly times: BackendTimes;
  now(): number;
}

/** What came and is no reply to what is owed. */
export type Misread = ClientEvent & { kind: "fault" };

/** What is said to a backend and answered, command by command. */
export abstract class Exchange {
  /** When the backend has taken too long; Infinity while nothing is awaited. */
  deadline = Infinity;
  protected abstract readonly around: Pace;
  /** Undefined until the dial has come through. */
  protected wire: Wire | undefined;
  /** Nothing goes out any more, and nothing that comes is read. */
  protected dead = false;
  /** Which replies are owed. */
  protected readonly replies = new Client();
  #out: Octets[] = [];
  #chunkWritten = false;
  #awaitedSince = 0;

  /** The reply to a step has come. */
  protected abstract answered(step: Step, reply: Reply): void;
  /** What has come is no reply; nothing more is read. */
  protected abstract misread(event: Misread): void;

  // ---- what goes out ----

  /** Queues a command line (without CRLF, one character per byte) whose reply is `step`; `flush` sends it. */
  send(step: Step, line: string): void {
    this.command(line);
    this.expect(step);
  }

  /** Queues a command line; what it makes the backend owe is said by `expect`. */
  command(line: string): void {
    this.#out.push(line + "\r\n");
  }

  /** A reply to `step` is owed for what was or will be written. */
  expect(step: Step): void {
    this.replies.expect(step);
    if (step === "chunk") this.#chunkWritten = false;
    if (this.replies.awaited === step) this.setDeadline();
  }

  /** All octets of the chunk have been written: its reply is due from now on. */
  chunkWritten(): void {
    this.deadline = this.around.now() + this.around.times.end;
    this.#chunkWritten = true;
  }

  /** Queues octets; they must not change before `flush`. */
  write(octets: Octets): void {
    this.#out.push(octets);
  }

  /** Sends what is queued in one write. False: the backend is slow, wait for `drained`. */
  flush(): boolean {
    if (this.dead || this.wire === undefined) return true;
    if (this.#out.length === 0) return this.wire.queued === 0;
    const out = this.#out;
    this.#out = [];
    const taken = this.wire.write(join(out));
    const { awaited } = this.replies;
    if (!taken && (awaited === undefined || (awaited === "chunk" && !this.#chunkWritten))) {
      this.deadline = this.around.now() + this.around.times.block;
    }
    return taken;
  }

  /** Nothing is owed, nothing unread, nothing unsent: fit for another transaction. */
  get quiet(): boolean {
    return !this.dead && this.replies.quiet && !this.unsent;
  }

  /** Not all that was queued is with the kernel. */
  protected get unsent(): boolean {
    return this.#out.length > 0 || this.wire!.queued > 0;
  }

  /** It is over: what is queued is never sent. */
  protected stop(): void {
    this.dead = true;
    this.#out.length = 0;
  }

  // ---- what comes in ----

  /** Octets have come. */
  protected read(bytes: Uint8Array): void {
    this.replies.receive(bytes);
    for (;;) {
      const event = this.replies.next();
      if (event === undefined) break;
      if (event.kind === "fault") return this.misread(event);
      this.setDeadline();
      this.answered(event.step, event.reply);
      if (this.dead) return;
    }
    this.replies.keep();
  }

  /** Sets the deadline for the reply that is awaited now. */
  protected setDeadline(): void {
    const step = this.replies.awaited;
    this.#awaitedSince = this.around.now();
    // While the client still sends the chunk, its pace is not the backend's fault.
    if (step === "chunk" && !this.#chunkWritten) {
      this.deadline = Infinity;
      return;
    }
    this.deadline = step === undefined ? Infinity : this.around.now() + timeFor(step, this.around.times);
  }

  /** Milliseconds that a reply before the message has been awaited; 0 where none is. */
  envelopeWait(now: number): number {
    const step = this.replies.awaited;
    return step !== undefined && ENVELOPE.has(step) ? now - this.#awaitedSince : 0;
  }
}
