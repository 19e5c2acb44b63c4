/**
 * One session of the demo backend: a mail server on `smtp/server` that takes every recipient and knows one place
 * to put mail. Its client is the proxy, which has bounds of its own; these here are wide.
 */
import type { Wire, WireOwner } from "../net/wire.ts";
import { latin1, type Reply } from "../smtp/reply.ts";
import { Server, type ServerEvent } from "../smtp/server.ts";
import { Delivery } from "./delivery.ts";
import type { Maildir } from "./maildir.ts";
import * as say from "./replies.ts";
import { EXTENSIONS, LIMITS } from "./replies.ts";

export class Receiver implements WireOwner {
  readonly #wire: Wire;
  readonly #maildir: Maildir;
  readonly #ended: (receiver: Receiver) => void;
  readonly #server = new Server({
    limits: LIMITS,
    bareLineFeeds: "reject",
    relay: new Set(),
  }, { ref: "demo" });
  #reversePath = "";
  #recipients: string[] = [];
  #delivery: Delivery | undefined;
  #committing = false;
  #paused = false;
  #clientSlow = false;
  #halfClosed = false;
  #gone = false;

  /** @param ended told when the session is over */
  constructor(wire: Wire, maildir: Maildir, ended: (receiver: Receiver) => void) {
    this.#wire = wire;
    this.#maildir = maildir;
    this.#ended = ended;
  }

  /** Greets. */
  start(): void {
    this.#server.greet(say.greeting, performance.now());
    this.#pump();
  }

  /** To be called now and then. */
  tick(now: number): void {
    if (this.#paused || now < this.#server.deadline) return;
    this.#server.end(say.tooSlow);
    this.#pump();
  }

  /** Ends the session at once; a message that is not complete leaves nothing behind, even if the process ends now. */
  destroy(): void {
    if (!this.#committing) this.#delivery?.discardNow();
    this.#wire.abort();
  }

  // ---- the wire's side ----

  data(bytes: Uint8Array): void {
    this.#server.receive(bytes, performance.now());
    this.#pump();
    this.#server.keep();
  }

  drain(): void {
    this.#clientSlow = false;
    this.#regulate();
  }

  end(): void {
    this.#halfClosed = true;
    this.#pump();
  }

  close(): void {
    this.#gone = true;
    this.#forget();
    this.#ended(this);
  }

  // ---- the machine's side ----

  #pump(): void {
    if (this.#gone) return;
    for (let event = this.#server.next(); event !== undefined; event = this.#server.next()) {
      this.#handle(event);
    }
    this.#flush();
    if (this.#halfClosed && !this.#committing) this.#leave();
    this.#regulate();
  }

  #flush(): void {
    const bytes = this.#server.output();
    if (bytes !== undefined && !this.#wire.write(bytes)) this.#clientSlow = true;
  }

  /** Reads from the client only as fast as the disk takes and the client hears. */
  #regulate(): void {
    const pause = this.#clientSlow || (this.#delivery?.full ?? false) ||
      this.#server.buffered > LIMITS.inputBuffer;
    if (pause === this.#paused || this.#gone) return;
    this.#paused = pause;
    if (pause) return this.#wire.pause();
    this.#server.resumed(performance.now());
    this.#wire.resume();
  }

  #handle(event: ServerEvent): void {
    switch (event.kind) {
      case "helo":
        this.#forget();
        return this.#server.answerHelo(
          event.verb === "EHLO" ? say.ehlo : say.helo,
          EXTENSIONS,
          performance.now(),
        );
      case "mail":
        this.#reversePath = event.path.mailbox;
        this.#recipients = [];
        return this.#answer(say.senderOk);
      case "rcpt":
        this.#recipients.push(event.path.mailbox);
        return this.#answer(say.recipientOk);
      case "data":
        this.#begin();
        return this.#answer(say.goOn);
      case "chunk":
        if (this.#delivery === undefined) this.#begin();
        return this.#server.takeChunk(performance.now());
      case "body":
        return this.#delivery?.write(event.content);
      case "chunk end":
      case "end":
        return this.#complete(event);
      case "fault":
      case "rset":
        return this.#forget();
      case "close":
        return this.#leave();
    }
  }

  #answer(given: Reply): void {
    this.#server.answer(given, performance.now());
  }

  #begin(): void {
    const recipients = this.#recipients.map((mailbox) => `Delivered-To: ${mailbox}\r\n`);
    const fields = latin1(`Return-Path: <${this.#reversePath}>\r\n${recipients.join("")}`);
    this.#delivery = new Delivery(this.#maildir.newFiles(), fields, () => this.#regulate());
  }

  #complete(event: ServerEvent & { kind: "chunk end" | "end" }): void {
    if (event.fault !== undefined) return this.#answer(say.notTaken(event.fault));
    const delivery = this.#delivery!;
    if (event.kind === "end") return void this.#commit(delivery);
    if (delivery.fault === undefined) return this.#answer(say.chunkOk);
    this.#forget();
    this.#answer(say.notDelivered(delivery.fault));
  }

  /** The message is complete: it is delivered even if the client leaves now. */
  async #commit(delivery: Delivery): Promise<void> {
    this.#committing = true;
    const fault = await delivery.commit();
    this.#committing = false;
    this.#delivery = undefined;
    if (this.#gone) return;
    this.#answer(fault === undefined ? say.delivered : say.notDelivered(fault));
    this.#pump();
  }

  /** Drops the message that is under way, if any. */
  #forget(): void {
    if (this.#committing) return;
    this.#delivery?.discard();
    this.#delivery = undefined;
  }

  #leave(): void {
    this.#forget();
    this.#flush();
    this.#wire.close();
  }
}
