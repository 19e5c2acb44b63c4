/**
 * The backends and the open connections to them: who gets which, when another is tried, what is kept for later.
 * Failing over happens here and at once, and only for connections that carry nothing yet.
 */
import type { Reuse } from "../policy/settings.ts";
import type { Backend } from "./backend.ts";
import { Attempt, type Request, type Taker } from "./attempt.ts";
import { Connection, type Holder, type Surroundings } from "./connection.ts";
import { Idle, Resetting } from "./kept.ts";
import { commonExtensions } from "../smtp/common_extensions.ts";
import type { Extensions } from "../smtp/extensions.ts";

/** How long a backend that could not be reached is asked last. */
const SHUNNED = 5_000;
/** How soon a backend of unknown abilities may be probed again. */
const PROBE_AGAIN = 1_000;

export class Pool {
  readonly backends: readonly Backend[];
  readonly around: Surroundings;
  readonly #reuse: Reuse;
  readonly #all = new Set<Connection>();
  readonly #idle = new Map<Backend, Connection[]>();
  #turn = 0;
  #probes = new Map<Backend, (() => void)[]>();
  #probedAt = new Map<Backend, number>();
  #draining = false;
  /** What each backend offered when `#common` was made of it. */
  #seen: (Extensions | undefined)[] = [];
  #common: Extensions | undefined;

  constructor(backends: readonly Backend[], around: Surroundings, reuse: Reuse) {
    this.backends = backends;
    this.around = around;
    this.#reuse = reuse;
    for (const backend of backends) this.#idle.set(backend, []);
  }

  /**
   * Gets a connection on which no transaction is open.
   * @param spent backends not to ask again for this transaction
   * @param fresh true: a new connection, since an old one has just turned out dead
   */
  take(taker: Taker, spent: ReadonlySet<Backend>, fresh: boolean): Request {
    const order = this.#order(spent);
    const attempt = new Attempt(this, taker, order, fresh);
    attempt.advance("no backend is left to try");
    return attempt;
  }

  /** An idle connection to `backend`, the last used first; the stale ones met are closed. */
  idle(backend: Backend): Connection | undefined {
    const idle = this.#idle.get(backend)!;
    const now = this.around.now();
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (this.#worn(connection, now)) connection.quit();
      else return connection;
      this.#all.delete(connection);
    }
    return undefined;
  }

  /** True when the connection has been idle so long that it must be asked first. */
  doubtful(connection: Connection): boolean {
    return connection.uses > 0 && this.around.now() - connection.idleSince > this.#reuse.check;
  }

  /** A new connection. */
  open(backend: Backend, holder: Holder): Connection {
    const connection = new Connection(backend, this.around, holder);
    this.#all.add(connection);
    return connection;
  }

  /** Gives back a connection on which no transaction is open and no reply is owed. */
  release(connection: Connection): void {
    const now = this.around.now();
    if (!connection.quiet) return this.discard(connection);
    connection.idleSince = now;
    if (this.#draining || this.#worn(connection, now)) return this.#leave(connection);
    connection.holder = new Idle(this, connection);
    this.#idle.get(connection.backend)!.push(connection);
  }

  /** Takes leave of a connection that nobody should use again. */
  retire(connection: Connection): void {
    if (connection.quiet) this.#leave(connection);
    else this.discard(connection);
  }

  /** Gives back a connection whose transaction was given up before its message: RSET, then idle. */
  reset(connection: Connection): void {
    if (!connection.quiet) return this.discard(connection);
    connection.idleSince = this.around.now();
    if (this.#draining || this.#worn(connection, connection.idleSince)) return this.#leave(connection);
    connection.holder = new Resetting(this, connection);
    connection.send("rset", "RSET");
    connection.flush();
  }

  /** Ends a connection at once. */
  discard(connection: Connection): void {
    connection.abort();
    this.forget(connection);
  }

  /** A connection is gone. */
  forget(connection: Connection): void {
    this.#all.delete(connection);
    const idle = this.#idle.get(connection.backend)!;
    const at = idle.indexOf(connection);
    if (at !== -1) idle.splice(at, 1);
  }

  /** What every backend seen so far offers: the most that a client may be offered. Undefined while none was seen. */
  extensions(): Extensions | undefined {
    if (this.backends.length === 1) return this.backends[0]!.extensions;
    const seen = this.backends.map((backend) => backend.extensions);
    if (seen.some((extensions, i) => extensions !== this.#seen[i])) {
      this.#seen = seen;
      this.#common = commonExtensions(seen.filter((extensions) => extensions !== undefined));
    }
    return this.#common;
  }

  /** Learns what the backends offer that were never seen; `done` is told when each has been seen or has failed. */
  probe(done: () => void): void {
    const now = this.around.now();
    const unseen = this.backends.filter((backend) => backend.extensions === undefined);
    let left = unseen.length + 1;
    const one = () => --left === 0 && done();
    for (const backend of unseen) {
      const waiting = this.#probes.get(backend);
      if (waiting !== undefined) waiting.push(one);
      else if (now - (this.#probedAt.get(backend) ?? -Infinity) < PROBE_AGAIN) one();
      else this.#startProbe(backend, one, now);
    }
    one();
  }

  /** Connections, whoever holds them. */
  get size(): number {
    return this.#all.size;
  }

  /** Looks after deadlines and idle connections; to be called now and then. */
  tick(now: number): void {
    for (const connection of this.#all) connection.tick(now);
    for (const idle of this.#idle.values()) {
      for (let i = idle.length - 1; i >= 0; i--) {
        const connection = idle[i]!;
        if (!this.#worn(connection, now)) continue;
        idle.splice(i, 1);
        this.#all.delete(connection);
        connection.quit();
      }
    }
  }

  /** Keeps nothing idle from now on. */
  drain(): void {
    this.#draining = true;
    for (const backend of this.backends) {
      for (const connection of this.#idle.get(backend)!.splice(0)) {
        this.#all.delete(connection);
        connection.quit();
      }
    }
  }

  #leave(connection: Connection): void {
    this.#all.delete(connection);
    connection.quit();
  }

  #startProbe(backend: Backend, one: () => void, now: number): void {
    const waiting = [one];
    this.#probes.set(backend, waiting);
    this.#probedAt.set(backend, now);
    const over = () => {
      this.#all.delete(connection);
      this.#probes.delete(backend);
      for (const told of waiting) told();
    };
    const connection = this.open(backend, {
      ready: () => {
        connection.quit();
        over();
      },
      lost: over,
      reply() {},
      drained() {},
    });
  }

  /** The backends in the order to try: in turn, the recently failed last. */
  #order(spent: ReadonlySet<Backend>): readonly Backend[] {
    if (this.backends.length === 1) return spent.size === 0 ? this.backends : [];
    const now = this.around.now();
    const start = this.#turn++;
    const turned = this.backends.map((_, i) => this.backends[(start + i) % this.backends.length]!);
    const open = turned.filter((backend) => !spent.has(backend));
    const well = open.filter((backend) => now - backend.failedAt > SHUNNED);
    return [...well, ...open.filter((backend) => !well.includes(backend))];
  }

  #worn(connection: Connection, now: number): boolean {
    return (
      connection.uses >= this.#reuse.uses ||
      connection.refusals >= this.#reuse.refusals ||
      now - connection.openedAt > this.#reuse.age ||
      now - connection.idleSince > this.#reuse.idle
    );
  }
}
