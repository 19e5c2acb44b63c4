/**
 * Who holds a connection that no transaction holds.
 */
import type { Step } from "../smtp/client.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Connection, Holder } from "./connection.ts";
import { isOutOfTurn, type Loss } from "./loss.ts";
import type { Pool } from "./pool.ts";

/** Holds an idle connection: whatever it says now means its end. */
export class Idle implements Holder {
  readonly #pool: Pool;
  readonly #connection: Connection;

  constructor(pool: Pool, connection: Connection) {
    this.#pool = pool;
    this.#connection = connection;
  }

  lost(loss: Loss): void {
    // A reply too many, which came when its transaction was over.
    if (isOutOfTurn(loss)) this.#connection.backend.outOfTurn = true;
    this.#pool.forget(this.#connection);
  }

  ready(): void {}
  reply(): void {}
  drained(): void {}
}

/** Holds a connection until its RSET is answered. */
export class Resetting implements Holder {
  readonly #pool: Pool;
  readonly #connection: Connection;

  constructor(pool: Pool, connection: Connection) {
    this.#pool = pool;
    this.#connection = connection;
  }

  reply(_step: Step, reply: Reply): void {
    if (reply.code < 300) this.#pool.release(this.#connection);
    else this.#pool.discard(this.#connection);
  }

  lost(loss: Loss): void {
    if (isOutOfTurn(loss)) this.#connection.backend.outOfTurn = true;
    this.#pool.forget(this.#connection);
  }

  ready(): void {}
  drained(): void {}
}

/** Holds a dial that nobody waits for any more until it has come through, to take its leave. */
export class Leaving implements Holder {
  readonly #pool: Pool;
  readonly #connection: Connection;

  constructor(pool: Pool, connection: Connection) {
    this.#pool = pool;
    this.#connection = connection;
  }

  ready(): void {
    this.#pool.retire(this.#connection);
  }

  lost(): void {
    this.#pool.forget(this.#connection);
  }

  reply(): void {}
  drained(): void {}
}
