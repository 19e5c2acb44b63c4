/**
 * A question outside any transaction (VRFY, EXPN, ETRN) put to a backend for a client, and in its name: what the backend
 * answers to the proxy itself (its queue, its users) may be none of the client's business.
 */
import type { Connection, Holder } from "../backend/connection.ts";
import type { Request, Taker } from "../backend/attempt.ts";
import type { Identity } from "../backend/identity.ts";
import type { Pool } from "../backend/pool.ts";
import type { Step } from "../smtp/client.ts";
import type { Reply } from "../smtp/reply.ts";

/** Puts one line; `done` is told the backend's reply, or undefined when there was none. */
export class Asking implements Taker, Holder {
  readonly #pool: Pool;
  readonly #line: string;
  readonly #done: (given: Reply | undefined) => void;
  readonly #request: Request;
  #connection: Connection | undefined;

  constructor(pool: Pool, line: string, client: Identity, done: (given: Reply | undefined) => void) {
    this.#pool = pool;
    this.#line = line;
    this.#done = done;
    // A new connection: questions are rare, and one that was kept may have died.
    this.#request = pool.take(this, new Set(), true, client);
  }

  /** The client does not want to know any more. */
  cancel(): void {
    if (this.#connection === undefined) this.#request.cancel();
    else this.#pool.discard(this.#connection);
  }

  taken(connection: Connection): void {
    this.#connection = connection;
    // What EHLO offered need not be what this backend has (RFC 6531 §3.7.4.2).
    if (/[^\0-\x7f]/.test(this.#line) && !connection.extensions.has("SMTPUTF8")) {
      this.#pool.release(connection);
      return this.#done(undefined);
    }
    connection.holder = this;
    connection.send("ask", this.#line);
    connection.flush();
  }

  denied(verdict: Reply): void {
    this.#done(verdict);
  }

  unavailable(): void {
    this.#done(undefined);
  }

  reply(_step: Step, reply: Reply): void {
    this.#pool.release(this.#connection!);
    this.#done(reply);
  }

  lost(): void {
    this.#pool.forget(this.#connection!);
    this.#done(undefined);
  }

  ready(): void {}
  drained(): void {}
}
