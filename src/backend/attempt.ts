/**
 * One request for a connection: a kept one if it lives, a new one otherwise, backend after backend. While one lets wait,
 * the next is dialled beside it: the first that is ready is given, the others take their leave.
 */
import type { Step } from "../smtp/client.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Backend } from "./backend.ts";
import type { Connection, Holder } from "./connection.ts";
import type { Loss } from "./loss.ts";
import { isTold } from "./handshake.ts";
import type { Identity } from "./identity.ts";
import type { Pool } from "./pool.ts";

/** Who wants a connection. Exactly one of the three is told, unless the request is cancelled. */
export interface Taker {
  taken(connection: Connection): void;
  /** A backend will not have the client: in its own words. */
  denied(verdict: Reply, backend: Backend): void;
  unavailable(reason: string): void;
}

/** A request for a connection under way. */
export interface Request {
  cancel(): void;
}

/** Dials of one request at the same time: who is slow is not helped by being dialled by everybody. */
const MOST = 3;

export class Attempt implements Request {
  readonly #pool: Pool;
  readonly #taker: Taker;
  /** Whom to try next, in this order. */
  readonly #rest: Backend[];
  readonly #fresh: boolean;
  readonly #identity: Identity | undefined;
  /** What is under way, the newest last. */
  #trials: Trial[] = [];
  #over = false;

  constructor(pool: Pool, taker: Taker, order: readonly Backend[], fresh: boolean, identity?: Identity) {
    this.#pool = pool;
    this.#taker = taker;
    this.#rest = [...order];
    this.#fresh = fresh;
    this.#identity = identity;
  }

  /** One of the two has been told, or it was cancelled. */
  get over(): boolean {
    return this.#over;
  }

  /** Tries an idle connection of the next backend, or a new one. */
  advance(reason: string): void {
    // Some may have been drained or put out since they were put in order.
    while (this.#rest[0]?.usable === false) this.#rest.shift();
    const backend = this.#rest[0];
    if (backend === undefined) {
      this.#over = true;
      return this.#taker.unavailable(reason);
    }
    const identity = isTold(backend.address) ? this.#identity : undefined;
    const idle = this.#fresh ? undefined : this.#pool.idle(backend, identity);
    if (idle === undefined) {
      this.#rest.shift();
      this.#trials.push(new Trial(this, this.#pool, backend, identity));
    } else if (identity !== undefined && idle.mustName(identity)) {
      this.#trials.push(new Trial(this, this.#pool, backend, identity, idle, "XCLIENT"));
    } else if (this.#pool.doubtful(idle)) {
      this.#trials.push(new Trial(this, this.#pool, backend, identity, idle, "RSET"));
    } else this.#give(idle);
  }

  /** To be called now and then: who lets wait is suspected, and another one is tried beside it. */
  tick(now: number): void {
    const last = this.#trials.at(-1);
    if (last === undefined || this.#over) return;
    const waited = now - last.since;
    if (waited < last.backend.slowAfter) return;
    if (!last.suspected) this.#pool.suspect(last.backend);
    last.suspected = true;
    if (this.#trials.length < MOST) this.#hedge(last.backend, waited);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    for (const { connection } of this.#trials) this.#pool.discard(connection);
  }

  /** A trial has come through. */
  won(trial: Trial): void {
    this.#give(trial.connection);
  }

  /** A trial has come to nothing. */
  failed(trial: Trial, reason: string): void {
    this.#trials = this.#trials.filter((other) => other !== trial);
    if (this.#trials.length === 0) this.advance(reason);
  }

  /** A backend has been told of the client, and refuses it. */
  refused(trial: Trial, verdict: Reply): void {
    this.#over = true;
    for (const other of this.#trials) if (other !== trial) this.#pool.overtaken(other.connection);
    this.#taker.denied(verdict, trial.backend);
  }

  /** A trial has come to nothing, but its backend is worth another one. */
  again({ backend }: Trial): void {
    this.#rest.unshift(backend);
  }

  /** Only who is well is worth a second dial, and a backup only when the other would not pass for well. */
  #hedge(slow: Backend, waited: number): void {
    const spare = waited >= slow.patience || slow.address.backup;
    const at = this.#rest.findIndex((backend) =>
      backend !== slow && backend.well && (spare || !backend.address.backup)
    );
    if (at === -1) return;
    this.#rest.unshift(...this.#rest.splice(at, 1));
    this.advance("");
  }

  #give(connection: Connection): void {
    this.#over = true;
    // Whoever was slower must be out of this before anything else happens: one connection is given, never two.
    for (const other of this.#trials.splice(0)) {
      if (other.connection !== connection) this.#pool.overtaken(other.connection);
    }
    connection.uses++;
    connection.client = this.#identity?.remote.host;
    this.#taker.taken(connection);
  }
}

/** A dial, or a kept connection that is asked whether it lives. */
class Trial implements Holder {
  readonly backend: Backend;
  readonly connection: Connection;
  readonly since: number;
  suspected = false;
  readonly #attempt: Attempt;
  readonly #pool: Pool;

  constructor(
    attempt: Attempt,
    pool: Pool,
    backend: Backend,
    identity: Identity | undefined,
    kept?: Connection,
    asks?: "RSET" | "XCLIENT",
  ) {
    this.#attempt = attempt;
    this.#pool = pool;
    this.backend = backend;
    this.since = pool.around.now();
    this.connection = kept ?? pool.open(backend, this, identity);
    if (kept === undefined) return;
    kept.holder = this;
    if (asks === "RSET") kept.send("rset", "RSET");
    else kept.rename(identity!);
    kept.flush();
  }

  ready(): void {
    this.#attempt.won(this);
  }

  reply(_step: Step, reply: Reply): void {
    if (reply.code < 300) return this.#attempt.won(this);
    this.#pool.discard(this.connection);
    this.#attempt.failed(this, "a connection kept open refused RSET");
  }

  lost(loss: Loss): void {
    this.#pool.forget(this.connection);
    if (loss.verdict !== undefined) return this.#attempt.refused(this, loss.verdict);
    if (loss.again) this.#attempt.again(this);
    this.#attempt.failed(this, loss.detail);
  }

  drained(): void {}
}
