/**
 * How a message is framed towards a backend: by dots after DATA, or by count with BDAT (RFC 3030).
 * Either way its end is a thing apart that is written only when everyone has agreed to it.
 */
import type { Connection } from "../backend/connection.ts";
import { DotWriter } from "../smtp/data.ts";

/** Writes one message to a backend. */
export interface Carrier {
  /** A chunk of `size` octets is announced (BDAT from the client). */
  chunk(size: number): void;
  /** The backend owes a reply to what it was announced of the chunk. */
  readonly replyOwed: boolean;
  /** That reply has come. */
  chunkReplied(): void;
  write(content: Uint8Array): void;
  /** Everything announced to the backend has been written. */
  readonly complete: boolean;
  /** The end of data; a reply to `end` is owed from then on. */
  end(): void;
}

/** DATA. The trace fields go out together with the first octets. */
export class DotCarrier implements Carrier {
  /** Until its end of data, a message is announced without a bound. */
  readonly complete = false;
  readonly replyOwed = false;
  readonly #connection: Connection;
  readonly #dots = new DotWriter();
  readonly #wire: Uint8Array[] = [];
  #trace: string | undefined;

  constructor(connection: Connection, trace: string) {
    this.#connection = connection;
    this.#trace = trace;
  }

  chunk(): void {}

  chunkReplied(): void {}

  write(content: Uint8Array): void {
    this.#writeTrace();
    this.#dots.write(content, this.#wire);
    for (const part of this.#wire) this.#connection.write(part);
    this.#wire.length = 0;
  }

  end(): void {
    this.#writeTrace();
    this.#connection.write(this.#dots.end());
    this.#connection.expect("end");
  }

  #writeTrace(): void {
    if (this.#trace === undefined) return;
    this.#connection.write(this.#trace);
    this.#trace = undefined;
  }
}

/**
 * BDAT. The last octet is always kept back, for two reasons: a CR that ends a chunk is only known to be good when
 * its LF has come, and there must be something left for BDAT LAST when policy has spoken.
 */
export class ChunkCarrier implements Carrier {
  replyOwed = false;
  readonly #connection: Connection;
  #trace: string | undefined;
  /** Octets of the chunk announced to the backend that are still to be written. */
  #owed = 0;
  /** Octets kept back so far, here or by the reader: 0 or 1. */
  #back = 0;
  #kept: Uint8Array | undefined;

  constructor(connection: Connection, trace: string) {
    this.#connection = connection;
    this.#trace = trace;
  }

  get complete(): boolean {
    return this.#owed === 0;
  }

  chunk(size: number): void {
    if (size === 0) return;
    this.#owed = this.#back + size - 1;
    this.#back = 1;
    const announced = this.#owed + (this.#trace?.length ?? 0);
    if (announced === 0) return;
    this.#announce(`BDAT ${announced}`);
    this.#connection.expect("chunk");
    this.replyOwed = true;
    if (this.#kept !== undefined && this.#owed > 0) this.#take(this.#kept);
  }

  chunkReplied(): void {
    this.replyOwed = false;
  }

  write(content: Uint8Array): void {
    const kept = this.#owed < content.length;
    if (this.#owed > 0) this.#take(kept ? content.subarray(0, this.#owed) : content);
    if (kept) this.#kept = content.slice(-1);
  }

  end(): void {
    this.#announce(`BDAT ${(this.#trace?.length ?? 0) + (this.#kept?.length ?? 0)} LAST`);
    if (this.#kept !== undefined) this.#connection.write(this.#kept);
    this.#connection.expect("end");
  }

  #take(content: Uint8Array): void {
    this.#connection.write(content);
    this.#owed -= content.length;
    this.#kept = undefined;
  }

  /** BDAT, and behind it the trace fields where they have not gone yet. */
  #announce(line: string): void {
    this.#connection.command(line);
    if (this.#trace !== undefined) this.#connection.write(this.#trace);
    this.#trace = undefined;
  }
}
