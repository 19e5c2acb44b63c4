/**
 * The mail of one session: each command of it is judged and then passed on to the transaction, whose questions about the
 * client are answered here, and whose end is told to the log, to those who observe and to what waits for it. Made with
 * the first MAIL: an idle session has none.
 */
import type { Identity } from "../backend/identity.ts";
import type { Destination } from "../backend/pools.ts";
import type { Outcome } from "../policy/observation.ts";
import type { Stage, Stages } from "../policy/stages.ts";
import type { Refusal } from "../smtp/commands.ts";
import type { MessageFault } from "../smtp/data.ts";
import type { Path } from "../smtp/path.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Server, ServerEvent } from "../smtp/server.ts";
import type { MailCommand, RcptCommand } from "./envelope.ts";
import * as facts from "./facts.ts";
import type { Guest } from "./guest.ts";
import type { Judging } from "./judging.ts";
import { messageRefusal } from "./message_fault.ts";
import { endOf, fateOf } from "./outcome.ts";
import type { Incident, SessionRecord } from "./record.ts";
import { destinationOf, join, UNROUTED } from "./routing.ts";
import type { Surroundings } from "./surroundings.ts";
import { Transaction, type TransactionOwner } from "./transaction.ts";

/** The events of mail that wait for an answer. */
type MailEvent = Extract<ServerEvent, { kind: "mail" | "rcpt" | "data" | "chunk" | "chunk end" | "end" }>;

/** The session, as far as its mail needs it. */
export interface MailingOwner extends Pick<TransactionOwner, "chunkWanted" | "backendReady" | "broken"> {
  /**
   * The reply to the event that waits.
   * @param counts false: a refusal that is not the client's fault
   */
  answered(given: Reply, counts?: boolean): void;
  /** Calls `proceed` when nobody objects to the event that waits; otherwise it is refused. */
  judge<S extends Stage>(stage: S, told: (known: facts.Known) => Stages[S], proceed: () => void): void;
  /** What is known of the client, and found out by a stage's plugins. */
  known(stage: Stage): facts.Known;
  /** Undefined while nobody was asked. */
  readonly judging: Judging | undefined;
  /** Whom a backend is told of. */
  identity(): Identity;
}

export class Mailing implements TransactionOwner {
  readonly #session: MailingOwner;
  readonly #around: Surroundings;
  readonly #server: Server;
  readonly #guest: Guest;
  readonly #record: SessionRecord;
  #transaction: Transaction | undefined;
  #sendsChunks = false;

  constructor(
    session: MailingOwner,
    around: Surroundings,
    server: Server,
    guest: Guest,
    record: SessionRecord,
  ) {
    this.#session = session;
    this.#around = around;
    this.#server = server;
    this.#guest = guest;
    this.#record = record;
  }

  /** The one that is under way. */
  get transaction(): Transaction | undefined {
    return this.#transaction;
  }

  // ---- the client's side ----

  /** Takes an event, whose reply goes to `answered` of the session. */
  handle(event: MailEvent): void {
    switch (event.kind) {
      case "mail":
        return this.#mail(event);
      case "rcpt":
        return this.#rcpt(event);
      case "data":
        return this.#judgeComplete(() => this.#transaction!.data());
      case "chunk":
        return this.#chunk(event.size);
      case "chunk end":
        return this.#chunkEnd(event.fault);
      case "end":
        return this.#end(event.size, event.fault);
    }
  }

  #mail(event: MailCommand): void {
    this.#record.transactionBegins();
    const options = this.#around.transaction;
    const transaction = this.#transaction = new Transaction(
      event,
      this,
      // Whoever has sent by BDAT will again, and then the envelope would have to be said twice.
      this.#sendsChunks ? { ...options, pipelining: false } : options,
    );
    this.#session.judge(
      "mail",
      (known) => facts.sending(known, transaction),
      () => transaction.begin(this.#around.transaction.dial === "mail" ? this.#destination() : undefined),
    );
  }

  #rcpt(event: RcptCommand): void {
    this.#session.judge(
      "rcpt",
      (known) => facts.addressed(known, this.#transaction!, event),
      () => this.#address(event),
    );
  }

  #address(event: RcptCommand): void {
    const to = this.#destination(event.path);
    if (to === undefined) return this.#refuse(UNROUTED, false);
    const refusal = join(this.#transaction!, to);
    if (refusal !== undefined) return this.#refuse(refusal, false);
    this.#transaction!.recipient(event);
  }

  #destination(recipient?: Path): Destination | undefined {
    const told = () => facts.sending(this.#session.known("mail"), this.#transaction!);
    return destinationOf(
      this.#around,
      this.#record.transactionId,
      { listener: this.#guest.listener, user: this.#guest.user, recipient, facts: told },
      this.#session.judging?.sent,
    );
  }

  #chunk(size: number): void {
    this.#sendsChunks = true;
    if (this.#server.phase === "bdat") return this.#transaction!.chunk(size);
    this.#judgeComplete(() => this.#transaction!.chunk(size));
  }

  /** The envelope is complete: the message comes next. */
  #judgeComplete(proceed: () => void): void {
    this.#session.judge("data", (known) => facts.complete(known, this.#transaction!), proceed);
  }

  #chunkEnd(fault: MessageFault | undefined): void {
    if (fault !== undefined) return this.#refuse(messageRefusal(fault));
    this.#transaction!.chunkEnd();
  }

  /** The message is complete: when nobody objects, its end goes to the backend. */
  #end(size: number, fault: MessageFault | undefined): void {
    if (fault !== undefined) return this.#refuse(messageRefusal(fault));
    this.#transaction!.size = size;
    this.#session.judge(
      "message",
      (known) => facts.read(known, this.#transaction!, size),
      () => this.#transaction!.commit(),
    );
  }

  #refuse(refusal: Refusal, counts = true): void {
    this.#session.answered(this.#server.refusal(refusal), counts);
  }

  /** The transaction is over, one way or another. */
  finish(outcome: Outcome, detail: { readonly reply?: number; readonly fault?: string } = {}): void {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    this.#transaction = undefined;
    transaction.abandon();
    const verdicts = this.#session.judging?.takeTrail();
    const ended = this.#record.transactionEnds(transaction, endOf(transaction, outcome), {
      ...detail,
      verdicts,
    });
    this.#observeEnd(transaction, ended);
    this.#session.judging?.transactionOver(fateOf(transaction, ended));
  }

  #observeEnd(transaction: Transaction, outcome: Outcome): void {
    const { chain } = this.#around;
    if (!chain.observed) return;
    const session = facts.sending(this.#session.known("mail"), transaction);
    const recipients = transaction.accepted.map(({ path }) => path);
    chain.observe({ kind: "transaction", session, recipients, outcome, size: transaction.size });
  }

  // ---- the transaction's side ----

  answered(given: Reply): void {
    this.#session.answered(given);
  }

  chunkWanted(): void {
    this.#session.chunkWanted();
  }

  backendReady(): void {
    this.#session.backendReady();
  }

  broken(cause: unknown): void {
    this.#session.broken(cause);
  }

  /** Where a plugin or a route has a say in each recipient, none is asked for ahead. */
  ahead(): readonly RcptCommand[] {
    const { chain, pools } = this.#around;
    return chain.asks("rcpt") || pools.parted ? [] : this.#server.foresee();
  }

  trace(): string {
    const { accepted } = this.#transaction!;
    const received = this.#guest.received({
      utf8: this.#server.utf8,
      id: this.#record.transactionId,
      recipient: accepted.length === 1 ? accepted[0]!.path.mailbox : undefined,
    });
    return (this.#session.judging?.headers ?? "") + received;
  }

  identity(): Identity {
    return this.#session.identity();
  }

  get ident(): string {
    return this.#record.transactionId;
  }

  refusal(code: number, enhanced: string, text: string): Reply {
    return this.#server.refusal([code, enhanced, text]);
  }

  incident(what: Incident, detail: string): void {
    this.#record.incident(what, detail);
  }
}
