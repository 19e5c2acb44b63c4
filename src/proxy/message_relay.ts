/**
 * One message on its way to a backend, from the moment that octets may come (354, or the first BDAT) to the reply to
 * its end: the octets are relayed as they come, the end of data only when the session says so.
 *
 * A backend that is lost now is not replaced: nothing is repeated, and the client hears 451 (design: rules 1, 2 and 10).
 */
import type { Connection, Holder } from "../backend/connection.ts";
import type { Loss } from "../backend/loss.ts";
import type { Pool } from "../backend/pool.ts";
import type { Step } from "../smtp/client.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { Carrier } from "./carrier.ts";
import { BACKEND_FAILED, discardUnasked, forgetLost, lossDetail } from "./loss.ts";
import type { Incident } from "./record.ts";

/** Who is told how the message goes. */
export interface MessageOwner {
  /** The reply to what was asked last. */
  answered(reply: Reply): void;
  /** The chunk that was announced may come. */
  chunkWanted(): void;
  /** The backend reads again. */
  backendReady(): void;
  /** A refusal in the session's own words. */
  refusal(code: number, enhanced: string, text: string): Reply;
  /** A fault of the program's own: the session ends. */
  broken(cause: unknown): void;
  /** For the log and the counters. */
  incident(what: Incident, detail: string): void;
}

export class MessageRelay implements Holder {
  /** Set once the backend has said 2yz to the end of data. */
  delivered = false;
  readonly #owner: MessageOwner;
  readonly #pool: Pool;
  readonly #carrier: Carrier;
  /** Undefined once this backend has answered the message, refused a chunk of it, or is lost. */
  #connection: Connection | undefined;
  /** What the owner waits for. */
  #asked: "chunk end" | "end" | undefined;
  #chunkSize = 0;
  #endSent = false;
  /** The message cannot be delivered any more. */
  #failed: Reply | undefined;

  /** @param connection from now on held by the message */
  constructor(connection: Connection, pool: Pool, carrier: Carrier, owner: MessageOwner) {
    this.#connection = connection;
    this.#pool = pool;
    this.#carrier = carrier;
    this.#owner = owner;
    connection.holder = this;
  }

  /** True from the end of data to its reply: the outcome is the backend's alone to say. */
  get committing(): boolean {
    return this.#endSent && this.#asked === "end";
  }

  // ---- asked by the session ----

  /** A chunk is announced. */
  chunk(size: number): void {
    if (this.#failed !== undefined) return this.#answer(this.#failed);
    this.#chunkSize = size;
    this.#carrier.chunk(size);
    this.#owner.chunkWanted();
  }

  /** The client's chunk has been written in full. */
  chunkEnd(): void {
    this.#asked = "chunk end";
    if (this.#failed !== undefined) return this.#answer(this.#failed);
    if (this.#carrier.replyOwed) this.#connection!.chunkWritten();
    else this.#answer(reply(250, "0.0", `${this.#chunkSize} octets received`));
  }

  /** Octets of the message; they must not change before `flush`. */
  body(content: readonly Uint8Array[]): void {
    if (this.#failed !== undefined) return;
    for (const part of content) this.#carrier.write(part);
  }

  /** False: the backend reads too slowly; `backendReady` is told when it has caught up. */
  flush(): boolean {
    return this.#connection === undefined || this.#connection.flush();
  }

  /** The end of data goes out: from here on the message is the backend's. */
  commit(): void {
    this.#asked = "end";
    if (this.#failed !== undefined) return this.#answer(this.#failed);
    // A backend that still owes the reply to a chunk is not sent the last one.
    if (this.#carrier.replyOwed) this.#connection!.chunkWritten();
    else this.#end();
  }

  #end(): void {
    this.#endSent = true;
    this.#carrier.end();
    this.#connection!.flush();
  }

  /** The message will not be ended: RSET would be taken for a part of it, so the connection goes. */
  abandon(): void {
    this.#asked = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) this.#pool.discard(connection);
  }

  // ---- told by the connection ----

  ready(): void {}

  reply(step: Step, given: Reply): void {
    try {
      if (step === "end") this.#ended(given);
      else this.#chunkReplied(given);
    } catch (cause) {
      this.#owner.broken(cause);
    }
  }

  #ended(reply: Reply): void {
    const connection = this.#connection!;
    this.delivered = reply.code < 300;
    this.#connection = undefined;
    this.#pool.release(connection);
    this.#answer(reply);
  }

  #chunkReplied(reply: Reply): void {
    const carrier = this.#carrier;
    if (reply.code < 300 && !carrier.complete) {
      const what = "a reply came before the chunk's last octet";
      return this.#left(discardUnasked(this.#connection!, this.#pool, "chunk", what));
    }
    carrier.chunkReplied();
    if (reply.code >= 300) this.#chunkRefused(reply);
    if (this.#asked === "chunk end") this.chunkEnd();
    else if (this.#asked === "end") this.commit();
  }

  #chunkRefused(refusal: Reply): void {
    const connection = this.#connection!;
    // Refused before its octets were all there, RSET would be taken for some of them.
    if (this.#carrier.complete) this.#pool.reset(connection);
    else this.#pool.discard(connection);
    this.#connection = undefined;
    this.#failed = refusal;
  }

  drained(): void {
    this.#owner.backendReady();
  }

  lost(loss: Loss): void {
    try {
      this.#left(loss);
    } catch (cause) {
      this.#owner.broken(cause);
    }
  }

  /** With the message under way: its end, or the chunk's, is answered 451. */
  #left(loss: Loss): void {
    forgetLost(this.#connection!, this.#pool, loss);
    this.#connection = undefined;
    if (this.#asked === "end" && loss.step === "end" && loss.why !== "421") {
      this.#owner.incident("ambiguous", loss.detail);
    } else this.#owner.incident("backend lost", lossDetail(loss));
    this.#failed = this.#owner.refusal(...BACKEND_FAILED);
    this.#owner.backendReady();
    if (this.#asked !== undefined) this.#answer(this.#failed);
  }

  #answer(reply: Reply): void {
    this.#asked = undefined;
    this.#owner.answered(reply);
  }
}
