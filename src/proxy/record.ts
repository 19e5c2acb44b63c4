/**
 * What a session leaves in the log: a line for itself, one for each transaction, and what went wrong between.
 */
import type { TlsFacts, TlsPeer } from "../net/wire.ts";
import type { Outcome } from "../policy/observation.ts";
import { DEFAULT_POOL } from "../policy/route.ts";
import { type Reply, textOf } from "../smtp/reply.ts";
import type { Caller } from "./caller.ts";
import { newReference, visible, visibleFields } from "./journal.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Transaction } from "./transaction.ts";

/** What went wrong on the way, whether the client noticed or not. */
export type Incident = "ambiguous" | "backend lost" | "no backend";

/** What is known of a session when it is over. */
export interface SessionEnd {
  readonly helo: string;
  readonly tls: TlsFacts | undefined;
  /** How often the proxy refused something, and the last time with which words. */
  readonly refusals: number;
  readonly refusal: string | undefined;
  readonly error: string | undefined;
  /** What plugins said outside of transactions. */
  readonly verdicts: readonly string[] | undefined;
}

/** A refusal: what was refused, in which words, by whom. */
export interface Refused {
  readonly stage: string;
  readonly reply: Reply;
  readonly plugin?: string | undefined;
  readonly backend?: string | undefined;
  readonly from?: string | undefined;
  /** The recipient that was refused. */
  readonly to?: string | undefined;
}

export class SessionRecord {
  /** The reference that replies and log lines carry. */
  readonly id: string = newReference();
  #caller: Caller;
  readonly #around: Surroundings;
  readonly #openedAt = performance.now();
  #transactions = 0;
  #transactionAt = 0;
  #ambiguous = false;

  constructor(caller: Caller, around: Surroundings) {
    this.#caller = caller;
    this.#around = around;
    around.counters.sessions++;
  }

  /** XCLIENT has said whose session it is. */
  named(caller: Caller, verdicts: readonly string[] = []): void {
    this.#caller = caller;
    this.#around.log.info("client named", {
      id: this.id,
      ...this.#who,
      user: shown(caller.user),
      verdicts: verdicts.length > 0 ? verdicts.map(visible) : undefined,
    });
  }

  /** The session began with a PROXY header that is not taken. */
  strayHeader(listener: string): void {
    const detail = strayHeaderText(this.#caller);
    this.#around.log.warn("proxy header", visibleFields({ id: this.id, ...this.#who, listener, detail }));
  }

  /** The client, and the trusted host that speaks for it. */
  get #who(): { readonly client: string; readonly via: string | undefined } {
    return { client: this.#caller.remote.host, via: this.#caller.via };
  }

  /** The current transaction's reference. */
  get transactionId(): string {
    return `${this.id}-${this.#transactions}`;
  }

  /** Milliseconds since the session began. */
  get age(): number {
    return performance.now() - this.#openedAt;
  }

  transactionBegins(): void {
    this.#transactions++;
    this.#transactionAt = performance.now();
    this.#ambiguous = false;
    this.#around.counters.transactions++;
  }

  /** Something was refused: by a plugin, by the backend, or by the proxy itself. */
  refused({ stage, reply, plugin, backend, from, to }: Refused): void {
    this.#around.log.info("refused", {
      id: this.id,
      ...this.#who,
      stage,
      code: reply.code,
      text: visible(textOf(reply).join(" ")),
      plugin,
      backend,
      from: shown(from),
      to: shown(to),
    });
  }

  /**
   * @returns how it ended in the end: what looks deferred to the client may be ambiguous
   */
  transactionEnds(
    transaction: Transaction,
    outcome: Outcome,
    { verdicts = [], ...detail }: {
      readonly reply?: number;
      readonly fault?: string;
      readonly verdicts?: readonly string[] | undefined;
    },
  ): Outcome {
    const { counters } = this.#around;
    const ended = this.#ambiguous ? "ambiguous" : outcome;
    if (transaction.delivered) counters.delivered++;
    counters.outcomes[ended]++;
    this.#around.log.info("transaction", {
      id: this.transactionId,
      ...this.#who,
      from: visible(transaction.mail.path.mailbox),
      to: transaction.accepted.map((rcpt) => visible(rcpt.path.mailbox)),
      refused: transaction.refused || undefined,
      size: transaction.size,
      outcome: ended,
      ...detail,
      pool: transaction.pool === DEFAULT_POOL ? undefined : transaction.pool,
      backend: transaction.backend,
      verdicts: verdicts.length > 0 ? verdicts.map(visible) : undefined,
      ms: Math.round(performance.now() - this.#transactionAt),
    });
    return ended;
  }

  sessionEnds(end: SessionEnd): void {
    this.#around.log.info("session", {
      id: this.id,
      ...this.#who,
      helo: end.helo === "" ? undefined : visible(end.helo),
      tls: end.tls?.version,
      certificate: end.tls?.peer && certificateText(end.tls.peer),
      transactions: this.#transactions,
      refusals: end.refusals || undefined,
      refusal: end.refusal,
      verdicts: end.verdicts?.length ? end.verdicts.map(visible) : undefined,
      ms: Math.round(this.age),
      error: end.error,
    });
  }

  incident(what: Incident, detail: string): void {
    if (what === "ambiguous") {
      this.#ambiguous = true;
      this.#around.counters.ambiguous++;
    }
    this.#around.log.warn(what, { id: this.transactionId, detail: visible(detail) });
  }

  /** The client left after the end of data, and the backend has taken the message. */
  unacknowledged(): void {
    this.#around.counters.unacknowledged++;
    this.#around.log.warn("committed, not acknowledged", { id: this.transactionId });
  }

  /** A fault of the program's own. */
  fault(cause: unknown): void {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.#around.log.warn("fault", { id: this.id, cause: text });
  }
}

function shown(text: string | undefined): string | undefined {
  return text === undefined ? undefined : visible(text);
}

/** Whose certificate a client showed, for the log. */
function certificateText({ subject, fingerprint, verified, error }: TlsPeer): string {
  const judged = verified ? "verified" : `not verified: ${error ?? "nobody asked"}`;
  return visible(`${subject}, SHA-256 ${fingerprint}, ${judged}`);
}

/** Why a PROXY header is not taken from this client. */
export function strayHeaderText(
  { remote, via, trusted }: Pick<Caller, "remote" | "via" | "trusted">,
): string {
  const why = via !== undefined
    ? `${via} has named it in a header already`
    : trusted
    ? "it came after the greeting, or to a listener that takes none"
    : "that is an untrusted address; allowed are those of the setting trusted (SALLYPORT_TRUSTED)";
  return `Cannot take a PROXY header from ${remote.host}: ${why}`;
}
