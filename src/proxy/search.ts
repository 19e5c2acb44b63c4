/**
 * A transaction's way to a connection: asks the pool that it goes to, remembers which backends have failed it, and says
 * whether another one is left to ask.
 */
import type { Request, Taker } from "../backend/attempt.ts";
import type { Backend } from "../backend/backend.ts";
import type { Connection } from "../backend/connection.ts";
import type { Identity } from "../backend/identity.ts";
import type { Pool } from "../backend/pool.ts";
import type { Destination } from "../backend/pools.ts";
import type { Refusal } from "../smtp/commands.ts";
import type { Reply } from "../smtp/reply.ts";

/** What a client hears where there is nobody to ask. */
export const UNREACHABLE: Refusal = [451, "3.0", "No mail server can be reached now, try again later"];

/** Who looks for a connection. One of the first three is told of each `dial`, unless the search is over by then. */
export interface Seeker {
  found(connection: Connection): void;
  /** A backend will not have the client: in its own words. */
  turnedAway(verdict: Reply, backend: Backend): void;
  foundNobody(reason: string): void;
  /** A fault of the program's own. */
  broken(cause: unknown): void;
}

export class Search implements Taker {
  readonly #seeker: Seeker;
  /** Undefined until a recipient has said it. */
  #destination: Destination | undefined;
  #request: Request | undefined;
  readonly #spent = new Set<Backend>();
  /** Grows with each dial, and with what comes of it. */
  #turn = 0;
  #over = false;

  constructor(seeker: Seeker) {
    this.#seeker = seeker;
  }

  /** The name of the pool that is asked. */
  get name(): string | undefined {
    return this.#destination?.name;
  }

  get pool(): Pool {
    return this.#destination!.pool;
  }

  /** Goes to another pool, where everybody can be asked. */
  goTo(to: Destination): void {
    this.#destination?.leave();
    this.#destination = to;
    this.#spent.clear();
    to.enter();
  }

  /** @param fresh true: a new connection, since an old one has just turned out dead */
  dial(fresh: boolean, identity: Identity): void {
    const turn = ++this.#turn;
    this.#request = undefined;
    const request = this.pool.take(this, this.#spent, fresh, identity);
    // It may have come to something at once, and have led to another one by the time it is known here.
    if (turn === this.#turn) this.#request = request;
  }

  /** This one has failed. @returns whether another one can be asked; if not, all can be from now on */
  another(failed: Backend): boolean {
    this.#spent.add(failed);
    if (this.pool.anybodyBut(this.#spent)) return true;
    this.#spent.clear();
    return false;
  }

  /** Nobody is looked for any more. */
  end(): void {
    this.#over = true;
    this.#request?.cancel();
    this.#request = undefined;
    this.#destination?.leave();
  }

  // ---- told by the pool ----

  taken(connection: Connection): void {
    if (this.#over) return this.pool.discard(connection);
    try {
      this.#settled();
      this.#seeker.found(connection);
    } catch (cause) {
      this.#seeker.broken(cause);
    }
  }

  denied(verdict: Reply, backend: Backend): void {
    if (this.#over) return;
    try {
      this.#settled();
      this.#seeker.turnedAway(verdict, backend);
    } catch (cause) {
      this.#seeker.broken(cause);
    }
  }

  unavailable(reason: string): void {
    if (this.#over) return;
    try {
      this.#settled();
      this.#spent.clear();
      this.#seeker.foundNobody(reason);
    } catch (cause) {
      this.#seeker.broken(cause);
    }
  }

  #settled(): void {
    this.#turn++;
    this.#request = undefined;
  }
}
