/**
 * One request for a connection: a kept one if it lives, a new one otherwise, backend after backend.
 */
import type { Step } from "../smtp/client.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Backend } from "./backend.ts";
import type { Connection, Holder, Loss } from "./connection.ts";
import type { Pool } from "./pool.ts";

/** Who wants a connection. Exactly one of the two is told, unless the request is cancelled. */
export interface Taker {
  taken(connection: Connection): void;
  unavailable(reason: string): void;
}

/** A request for a connection under way. */
export interface Request {
  cancel(): void;
}

export class Attempt implements Request, Holder {
  readonly #pool: Pool;
  readonly #taker: Taker;
  readonly #order: readonly Backend[];
  readonly #fresh: boolean;
  #next = 0;
  #trying: Connection | undefined;
  #over = false;

  constructor(pool: Pool, taker: Taker, order: readonly Backend[], fresh: boolean) {
    this.#pool = pool;
    this.#taker = taker;
    this.#order = order;
    this.#fresh = fresh;
  }

  /** Tries an idle connection of the next backend, or a new one. */
  advance(reason: string): void {
    const backend = this.#order[this.#next];
    if (backend === undefined) {
      this.#over = true;
      return this.#taker.unavailable(reason);
    }
    const idle = this.#fresh ? undefined : this.#pool.idle(backend);
    if (idle === undefined) {
      this.#next++;
      this.#trying = this.#pool.open(backend, this);
    } else if (this.#pool.doubtful(idle)) {
      this.#trying = idle;
      idle.holder = this;
      idle.send("rset", "RSET");
      idle.flush();
    } else this.#give(idle);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#trying !== undefined) this.#pool.discard(this.#trying);
  }

  ready(connection: Connection): void {
    this.#give(connection);
  }

  reply(_step: Step, reply: Reply): void {
    const connection = this.#trying!;
    if (reply.code < 300) return this.#give(connection);
    this.#pool.discard(connection);
    this.advance("a connection kept open refused RSET");
  }

  lost(loss: Loss): void {
    this.#pool.forget(this.#trying!);
    this.advance(loss.detail);
  }

  drained(): void {}

  #give(connection: Connection): void {
    this.#over = true;
    connection.uses++;
    this.#taker.taken(connection);
  }
}
