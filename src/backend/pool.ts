/**
 * The backends and the open connections to them: who gets which, what is kept for later, who is drained.
 * Failing over happens here and at once, and only for connections that carry nothing yet.
 */
import type { BackendAddress, Reuse, Settings } from "../policy/settings.ts";
import { commonExtensions } from "../smtp/common_extensions.ts";
import type { Extensions } from "../smtp/extensions.ts";
import { Attempt, type Request, type Taker } from "./attempt.ts";
import { Backend } from "./backend.ts";
import { Connection, type Holder, type Surroundings } from "./connection.ts";
import { Health } from "./health.ts";
import type { Identity } from "./identity.ts";
import { Idle, Leaving, Resetting } from "./kept.ts";
import { Order, whyNobody } from "./order.ts";
import { type Resolve, Targets } from "./targets.ts";
import type { CountDial, Tell } from "./told.ts";

/** How a pool is set, and what it is lent. */
export interface PoolOptions extends Pick<Settings, "reuse" | "balance" | "health"> {
  /** Looks up the addresses of backends' names; without it the network does, and takes one. */
  readonly resolve?: Resolve | undefined;
  /** From 0 to below 1. */
  readonly random?: (() => number) | undefined;
  readonly tell?: Tell | undefined;
  readonly count?: CountDial | undefined;
}

export class Pool {
  readonly around: Surroundings;
  readonly #reuse: Reuse;
  readonly #targets: Targets;
  readonly #health: Health;
  readonly #order: Order;
  readonly #all = new Set<Connection>();
  readonly #idle = new Map<Backend, Connection[]>();
  readonly #attempts = new Set<Attempt>();
  readonly #tell: Tell;
  #draining = false;
  /** What each backend offered when `#common` was made of it. */
  #seen: (Extensions | undefined)[] = [];
  #common: Extensions | undefined;

  constructor(addresses: readonly BackendAddress[], around: Surroundings, options: PoolOptions) {
    const { health: settings, random = Math.random, tell = () => {}, count = () => {}, resolve } = options;
    const { times } = around;
    const opened = (backend: Backend) => this.#leaveIdle(backend);
    const down = () => this.down;
    const another = (backend: Backend) => this.#another(backend);
    this.#health = new Health(around, { settings, times, random, tell, count, opened, another, down });
    this.around = { ...around, watch: this.#health };
    this.#tell = tell;
    this.#reuse = options.reuse;
    this.#order = new Order(
      options.balance,
      (backend) => backend.connections - (this.#idle.get(backend)?.length ?? 0),
    );
    this.#targets = new Targets(addresses, {
      resolve,
      tell,
      now: () => around.now(),
      make: (address, host) => backendAt(address, settings, random, host),
      added: (backend) => this.#health.add(backend, true),
      left: (backend) => this.#left(backend),
    });
    for (const backend of this.backends) this.#health.add(backend, false);
  }

  /** Every address that there is now, whether it can be asked or not. */
  get backends(): readonly Backend[] {
    return this.#targets.list;
  }

  /** No backend can be asked. */
  get down(): boolean {
    return !this.backends.some(({ usable }) => usable);
  }

  /**
   * Gets a connection on which no transaction is open.
   * @param spent backends not to ask again for this transaction
   * @param fresh true: a new connection, since an old one has just turned out dead
   * @param identity whom it will speak for, where backends are told that
   */
  take(taker: Taker, spent: ReadonlySet<Backend>, fresh: boolean, identity?: Identity): Request {
    const order = this.#order.of(this.backends, spent, this.around.now());
    const attempt = new Attempt(this, taker, order, fresh, identity);
    attempt.advance(order.length === 0 ? whyNobody(this.backends, spent) : "");
    if (!attempt.over) this.#attempts.add(attempt);
    return attempt;
  }

  /** Whether somebody is left to ask besides these. */
  anybodyBut(spent: ReadonlySet<Backend>): boolean {
    return this.backends.some((backend) => backend.usable && !spent.has(backend));
  }

  /** An idle connection to `backend` that can serve this client, the last used first; the stale ones met are closed. */
  idle(backend: Backend, identity?: Identity): Connection | undefined {
    const idle = this.#idle.get(backend) ?? [];
    const now = this.around.now();
    for (let at = idle.length - 1; at >= 0; at--) {
      const connection = idle[at]!;
      if (this.#worn(connection, now)) this.#leave(connection);
      else if (identity === undefined || connection.canServe(identity)) {
        idle.splice(at, 1);
        return connection;
      }
    }
    return undefined;
  }

  /** True when the connection has been idle so long, or its backend is so ill, that it must be asked first. */
  doubtful(connection: Connection): boolean {
    if (connection.uses === 0) return false;
    return !connection.backend.well || this.around.now() - connection.idleSince > this.#reuse.check;
  }

  /** A new connection. */
  open(backend: Backend, holder: Holder, identity?: Identity): Connection {
    const connection = new Connection(backend, this.around, holder, identity);
    this.#all.add(connection);
    backend.connections++;
    return connection;
  }

  /** Gives back a connection on which no transaction is open and no reply is owed. */
  release(connection: Connection): void {
    const now = this.around.now();
    if (!connection.quiet) return this.discard(connection);
    connection.idleSince = now;
    connection.backend.circuit.worked(now);
    if (this.#ended(connection, now)) return this.#leave(connection);
    connection.holder = new Idle(this, connection);
    const idle = this.#idle.get(connection.backend);
    if (idle === undefined) this.#idle.set(connection.backend, [connection]);
    else idle.push(connection);
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
    if (this.#ended(connection, connection.idleSince)) return this.#leave(connection);
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
    if (!this.#all.delete(connection)) return;
    connection.backend.connections--;
    if (connection.handshaken || connection.renamed) connection.backend.working--;
    const idle = this.#idle.get(connection.backend) ?? [];
    const at = idle.indexOf(connection);
    if (at !== -1) idle.splice(at, 1);
  }

  /** Another one was ready before it: it may still come through, which says something of its backend, and then goes. */
  overtaken(connection: Connection): void {
    if (connection.handshaken) connection.holder = new Resetting(this, connection);
    else {
      connection.holder = new Leaving(this, connection);
      connection.deadline = Math.min(connection.deadline, this.around.now() + connection.backend.patience);
    }
  }

  /** A backend lets somebody wait. */
  suspect(backend: Backend): void {
    this.#health.suspect(backend);
  }

  /** What every backend seen so far offers: the most that a client may be offered. Undefined while none was seen. */
  extensions(): Extensions | undefined {
    const { backends } = this;
    if (backends.length === 1) return backends[0]!.extensions;
    if (
      backends.length !== this.#seen.length || backends.some((each, i) => each.extensions !== this.#seen[i])
    ) {
      this.#seen = backends.map(({ extensions }) => extensions);
      const seen = this.#seen.filter((extensions) => extensions !== undefined);
      this.#common = seen.length === 0 ? undefined : commonExtensions(seen);
    }
    return this.#common;
  }

  /** Learns what the backends offer that were never seen; `done` is told when each has been seen or has failed. */
  probe(done: () => void): void {
    this.#targets.known(() => {
      const unseen = this.backends.filter((backend) => backend.extensions === undefined);
      let left = unseen.length + 1;
      const one = () => --left === 0 && done();
      for (const backend of unseen) this.#health.see(backend, one);
      one();
    });
  }

  /** Connections, whoever holds them. */
  get size(): number {
    return this.#all.size;
  }

  /** Looks after deadlines, idle connections, and who is well; to be called now and then. */
  tick(now: number): void {
    for (const connection of this.#all) {
      connection.tick(now);
      if (connection.envelopeWait(now) > connection.backend.patience) this.#stuck(connection);
    }
    for (const attempt of this.#attempts) {
      attempt.tick(now);
      if (attempt.over) this.#attempts.delete(attempt);
    }
    for (const idle of this.#idle.values()) {
      for (const connection of idle.filter((each) => this.#worn(each, now))) this.#leave(connection);
    }
    if (this.#draining) return;
    this.#targets.tick(now);
    this.#health.tick(now);
  }

  /**
   * Keeps nothing idle from now on; given a backend's name as the operator wrote it, begins nothing new there, and lets
   * what runs there finish.
   * @returns false where there is no such backend
   */
  drain(name?: string): boolean {
    if (name !== undefined) {
      const drained = this.#targets.setDrained(name, true);
      if (drained === undefined) return false;
      for (const backend of drained) this.#leaveIdle(backend);
      this.#tell("info", "backend drained", { backend: name });
      return true;
    }
    this.#draining = true;
    this.#health.stop();
    for (const backend of [...this.#idle.keys()]) this.#leaveIdle(backend);
    return true;
  }

  /** Takes back `drain` of one backend. @returns false where there is no such backend */
  enable(name: string): boolean {
    if (this.#targets.setDrained(name, false) === undefined) return false;
    this.#tell("info", "backend enabled", { backend: name });
    return true;
  }

  /**
   * A command before the message has gone unanswered for long. Where its backend greets nobody either and another is well,
   * the transaction goes there: its client would give up long before the time that a backend has to answer is over.
   */
  #stuck(connection: Connection): void {
    const { backend } = connection;
    this.#health.question(backend);
    if (backend.circuit.state === "closed" && !backend.circuit.doubtful) return;
    if (!this.#another(backend)) return;
    connection.fail("closed", "a command is not answered, and nobody is greeted any more");
  }

  #another(backend: Backend): boolean {
    return this.backends.some((other) => other !== backend && other.well);
  }

  #left(backend: Backend): void {
    this.#health.remove(backend);
    this.#leaveIdle(backend);
    this.#idle.delete(backend);
  }

  #leaveIdle(backend: Backend): void {
    for (const connection of this.#idle.get(backend)?.splice(0) ?? []) this.#leave(connection);
  }

  #leave(connection: Connection): void {
    this.forget(connection);
    connection.quit();
  }

  #ended(connection: Connection, now: number): boolean {
    return this.#draining || !connection.backend.usable || this.#worn(connection, now);
  }

  #worn(connection: Connection, now: number): boolean {
    return (
      connection.uses >= this.#reuse.uses ||
      connection.deserted ||
      connection.refusals >= this.#reuse.refusals ||
      now - connection.openedAt > this.#reuse.age ||
      now - connection.idleSince > this.#reuse.idle
    );
  }
}

function backendAt(address: BackendAddress, health: Settings["health"], random: () => number, host?: string) {
  const { endpoint, name } = address;
  if (host === undefined || !("port" in endpoint)) return new Backend(address, health, random);
  return new Backend(address, health, random, { host, port: endpoint.port }, `${name} (${host})`);
}
