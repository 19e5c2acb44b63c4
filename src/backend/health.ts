/**
 * Finds out which backends are well: hears what becomes of every connection, and takes looks of its own (connect,
 * greeting, EHLO, QUIT), one at a time for each backend. A look says nothing of any client and is no client's session.
 */
import { clientPrefix } from "../policy/networks.ts";
import type { BackendTimes, Health as Settings } from "../policy/settings.ts";
import type { Backend } from "./backend.ts";
import { Connection, PLAIN_FOR, type Surroundings, type Watch } from "./connection.ts";
import type { Loss } from "./loss.ts";
import type { CountDial, Tell } from "./told.ts";

/** How soon a backend of unknown abilities may be looked at again because somebody wants to know them. */
const ASK_AGAIN = 1_000;
/** Clients that cannot be introduced to a backend are told of so often; others may take their mail, and nobody would know. */
const TOLD_AGAIN = 600_000;
/** Two looks are apart by the interval, less up to this part: many proxies must not look at the same time. */
const JITTER = 0.25;
/** Looks that ran out of time have more of it, up to so many doublings: slow is not dead. */
const MOST_DOUBLINGS = 6;

interface Watched {
  /** When it is looked at next, while its circuit is not open. */
  due: number;
  /** The look under way, and when it has taken too long. */
  look: Connection | undefined;
  until: number;
  lookedAt: number;
  /** Looks in a row that ran out of time. */
  timeouts: number;
  /** Until when it was said that it is spoken to in the clear. */
  clearUntil: number;
  /** When it was last said that a client could not be introduced. */
  strangerAt: number;
  waiting: (() => void)[];
  /** A look has been taken since the circuit opened. */
  tried: boolean;
}

export interface HealthOptions {
  readonly settings: Settings;
  readonly times: BackendTimes;
  random(): number;
  readonly tell: Tell;
  readonly count: CountDial;
  /** Whether nobody can be asked. */
  down(): boolean;
  /** Whether another one is well. */
  another(backend: Backend): boolean;
  /** The backend's circuit is open from now on. */
  opened(backend: Backend): void;
}

export class Health implements Watch {
  readonly #options: HealthOptions;
  readonly #around: Surroundings;
  readonly #records = new Map<Backend, Watched>();
  /** The longest that any handshake may take. */
  readonly #longest: number;

  constructor(around: Omit<Surroundings, "watch">, options: HealthOptions) {
    this.#options = options;
    this.#around = { ...around, watch: this };
    const { connect, greeting, hello } = options.times;
    this.#longest = connect + greeting + hello;
  }

  /** Looks after a backend from now on. @param soon it was never seen, and should be */
  add(backend: Backend, soon: boolean): void {
    const now = this.#around.now();
    const due = soon ? now : this.#next(now);
    this.#records.set(backend, {
      due,
      look: undefined,
      until: 0,
      lookedAt: -Infinity,
      timeouts: 0,
      clearUntil: -Infinity,
      strangerAt: -Infinity,
      waiting: [],
      tried: false,
    });
  }

  /** Forgets a backend that nobody will be sent to again. */
  remove(backend: Backend): void {
    const record = this.#records.get(backend);
    this.#records.delete(backend);
    record?.look?.abort();
    for (const told of record?.waiting ?? []) told();
  }

  /** Somebody has waited too long for its greeting: one look will tell, and who comes next is spared. */
  suspect(backend: Backend): void {
    const record = this.#records.get(backend);
    backend.slow = true;
    if (record !== undefined) record.due = Math.min(record.due, this.#around.now());
  }

  /** A command goes unanswered for long: that may be the command, or the backend. */
  question(backend: Backend): void {
    const record = this.#records.get(backend);
    if (record === undefined) return;
    record.due = Math.min(record.due, Math.max(this.#around.now(), record.lookedAt + backend.patience));
  }

  /** Looks, unless that has just been done; `done` is told when it is known whether the backend is well. */
  see(backend: Backend, done: () => void): void {
    const record = this.#records.get(backend);
    if (record === undefined || this.#leftAlone(backend)) return done();
    if (record.look !== undefined) record.waiting.push(done);
    else if (this.#around.now() - record.lookedAt < ASK_AGAIN) done();
    else {
      record.waiting.push(done);
      this.#look(backend, record);
    }
  }

  /** To be called now and then. */
  tick(now: number): void {
    for (const [backend, record] of this.#records) {
      const { look } = record;
      if (look !== undefined) {
        if (now >= record.until) look.fail("timeout", "a look took too long");
        else look.tick(now);
      } else if (backend.drained) continue;
      else if (backend.circuit.due(now, this.#options.down())) this.#halfOpen(backend, record);
      else if (now >= record.due && backend.circuit.state !== "open") this.#look(backend, record);
    }
  }

  /** Takes no more looks. */
  stop(): void {
    for (const backend of [...this.#records.keys()]) this.remove(backend);
  }

  // ---- told by every connection ----

  ready(connection: Connection): void {
    const { backend } = connection;
    // It was dialled long ago: that it is another client's now says nothing of how long a dial takes.
    if (connection.renamed) return;
    const now = this.#around.now();
    const record = this.#records.get(backend);
    this.#options.count(backend, this.#use(connection), "ready");
    backend.greeted(now - connection.openedAt);
    if (record !== undefined) {
      record.due = this.#next(now);
      record.timeouts = 0;
    }
    if (record?.look !== connection) {
      backend.working++;
      return backend.circuit.greeted(now);
    }
    if (backend.circuit.lookedWell(now)) this.#told("info", backend, "closed", "it greets again");
    else if (backend.circuit.state === "half-open") record.due = now + this.#options.settings.pause;
  }

  lost(connection: Connection, loss: Loss): void {
    const { backend, handshaken, renamed } = connection;
    if (!handshaken && !renamed) this.#options.count(backend, this.#use(connection), outcomeOf(loss));
    if (handshaken && !isFault(loss)) return;
    if (loss.again || loss.verdict !== undefined) return;
    // The client may be the reason, or the backend: a look, which tells of no client, will know.
    if (loss.personal) return this.#notIntroduced(connection, loss);
    const now = this.#around.now();
    const record = this.#records.get(backend);
    if (record !== undefined) record.due = Math.min(record.due, now + this.#options.settings.pause);
    // The loss names the backend, for lines that do not.
    const reason = loss.detail.replace(`${backend.name}: `, "");
    if (isBusy(connection, loss)) return backend.circuit.busy(reason);
    if (record?.look === connection && loss.why === "timeout") {
      record.timeouts = Math.min(record.timeouts + 1, MOST_DOUBLINGS);
    }
    const opened = record?.look === connection
      ? backend.circuit.lookedIll(reason, now)
      : handshaken
      ? backend.circuit.failed(
        "reply",
        reason,
        now,
        this.#options.another(backend),
        askerOf(connection, loss),
      )
      : backend.circuit.failed("greeting", reason, now);
    if (!opened) return;
    if (record !== undefined) record.tried = false;
    this.#told("warn", backend, "open", reason);
    this.#options.opened(backend);
  }

  inTheClear(backend: Backend, reason: string): void {
    const now = this.#around.now();
    const record = this.#records.get(backend);
    if (record === undefined || now < record.clearUntil) return;
    record.clearUntil = now + PLAIN_FOR;
    this.#options.tell("warn", "backend without TLS", {
      backend: backend.name,
      reason,
      seconds: PLAIN_FOR / 1000,
    });
  }

  #notIntroduced({ backend, renamed }: Connection, { detail }: Loss): void {
    this.question(backend);
    const now = this.#around.now();
    const record = this.#records.get(backend);
    // One that was kept may just have been closed.
    if (renamed || record === undefined || now - record.strangerAt < TOLD_AGAIN) return;
    record.strangerAt = now;
    const reason = detail.replace(`${backend.name}: `, "");
    this.#options.tell("warn", "backend not told of a client", { backend: backend.name, reason });
  }

  // ---- looks ----

  /** Its pause is not over, or nobody wants to know. */
  #leftAlone(backend: Backend): boolean {
    return backend.drained || backend.gone || backend.circuit.state === "open";
  }

  #halfOpen(backend: Backend, watched: Watched): void {
    backend.circuit.halfOpen();
    // Once: a backend that is away for a day is looked at thousands of times.
    if (!watched.tried) {
      this.#told("info", backend, "half-open", `looked at again after: ${backend.circuit.reason}`);
    }
    watched.tried = true;
    this.#look(backend, watched);
  }

  #look(backend: Backend, record: Watched): void {
    const now = this.#around.now();
    const over = () => {
      record.look = undefined;
      for (const told of record.waiting.splice(0)) told();
    };
    record.lookedAt = now;
    record.due = this.#next(now);
    record.until = now + Math.min(this.#longest, backend.patience * 2 ** record.timeouts);
    record.look = new Connection(backend, this.#around, {
      ready(connection) {
        connection.quit();
        over();
      },
      // Its TLS has failed: without, it is looked at now, since the circuit and whoever waits depend on it.
      lost: (loss) => loss.again ? this.#look(backend, record) : over(),
      reply() {},
      drained() {},
    });
  }

  #use(connection: Connection): "mail" | "look" {
    return this.#records.get(connection.backend)?.look === connection ? "look" : "mail";
  }

  #next(now: number): number {
    const { settings, random } = this.#options;
    return now + settings.interval * (1 - JITTER * random());
  }

  #told(level: "info" | "warn", { name }: Backend, state: string, reason: string): void {
    this.#options.tell(level, `backend circuit ${state}`, { backend: name, reason });
  }
}

/** Whose command it was that went wrong; RSET is nobody's. */
function askerOf({ client }: Connection, { step }: Loss): string | undefined {
  return client === undefined || step === "rset" ? undefined : clientPrefix(client, 32);
}

function outcomeOf({ why, verdict }: Loss): string {
  return verdict === undefined ? why : "denied";
}

/**
 * Whether it greeted with a refusal while it works for others of ours: a bound on connections. To put it out for that would
 * take from it what it can do.
 */
function isBusy({ backend, handshaken }: Connection, { why, step }: Loss): boolean {
  return !handshaken && step === "greeting" && (why === "refused" || why === "421") && backend.working > 0 &&
    backend.circuit.state === "closed";
}

/**
 * Whether a loss after the handshake speaks against the backend. That it closes, says 421, or what is no reply does not: it
 * may do so for what one client sends, and no client may take a backend from all others.
 */
function isFault({ why }: Loss): boolean {
  return why === "timeout" || why === "torn";
}
