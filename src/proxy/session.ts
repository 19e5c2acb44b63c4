/**
 * One client: takes the server machine's events, has them judged, and passes them to the transaction. It holds no
 * rule of the protocol (that is `smtp/server`) and none of the backend (that is `transaction`).
 */
import type { Identity } from "../backend/identity.ts";
import type { Wire, WireOwner } from "../net/wire.ts";
import type { Findings } from "../policy/finding.ts";
import type { ListenAddress } from "../policy/settings.ts";
import type { Outcome } from "../policy/observation.ts";
import type { Stage, Stages } from "../policy/stages.ts";
import type { Destination } from "../backend/pools.ts";
import type { ClientFacts } from "../smtp/client_facts.ts";
import { type Refusal, STRAY_HEADER } from "../smtp/commands.ts";
import type { Path } from "../smtp/path.ts";
import { latin1, type Reply, reply } from "../smtp/reply.ts";
import { Server, type ServerEvent } from "../smtp/server.ts";
import { Asking } from "./asking.ts";
import { type Caller, named } from "./caller.ts";
import { ClientFlow } from "./client_flow.ts";
import type { MailCommand, RcptCommand } from "./envelope.ts";
import * as facts from "./facts.ts";
import { Guest } from "./guest.ts";
import { type Judged, Judging } from "./judging.ts";
import { messageRefusal } from "./message_fault.ts";
import { endOf, fateOf, outcomeOf } from "./outcome.ts";
import { type Incident, SessionRecord } from "./record.ts";
import { destinationOf, join, UNROUTED } from "./routing.ts";
import { UNREACHABLE } from "./search.ts";
import { headerBegins } from "./signature.ts";
import type { Surroundings } from "./surroundings.ts";
import { Transaction, type TransactionOwner } from "./transaction.ts";

/** How long EHLO waits for a backend that was never seen. */
const PATIENCE = 2_000;

/** Who is told what a session's end or change means beyond it. */
export interface SessionOwner {
  /** XCLIENT has named its client; a refusal where that one may not have another session. */
  renamed(session: Session, before: Caller): Refusal | undefined;
  /** It is over, and owes nobody anything. */
  ended(session: Session): void;
}

export class Session implements WireOwner, TransactionOwner, Judged {
  readonly #record: SessionRecord;
  readonly #guest: Guest;
  readonly #flow: ClientFlow;
  /** Made for the first stage that somebody judges: most idle sessions never need it. */
  #judging: Judging | undefined;
  readonly #wire: Wire;
  readonly #around: Surroundings;
  readonly #server: Server;
  readonly #owner: SessionOwner;
  #transaction: Transaction | undefined;
  #sendsChunks = false;
  #asking: Asking | undefined;
  /** The event that waits for its answer. */
  #event: ServerEvent | undefined;
  /** Something has come from the client. */
  #heard = false;
  #pumping = false;
  #error: string | undefined;
  /** A client that will send no more was told that its message is delivered. */
  #toldHalfClosed = false;
  /** Until when EHLO waits to learn what the backends offer. */
  #offerBy = Infinity;

  /** @param address where the client came in */
  constructor(
    wire: Wire,
    caller: Caller,
    address: Pick<ListenAddress, "name" | "tlsRequired">,
    around: Surroundings,
    owner: SessionOwner,
  ) {
    this.#wire = wire;
    this.#guest = new Guest(wire, caller, address.name, around);
    this.#flow = new ClientFlow(wire, around);
    this.#around = around;
    this.#owner = owner;
    this.#record = new SessionRecord(caller, around);
    this.#server = new Server(around, {
      ref: this.#record.id,
      xclient: caller.mayName,
      tlsRequired: address.tlsRequired === true && wire.tls === undefined && caller.tls === undefined,
    });
  }

  /** The reference that replies and log lines carry. */
  get id(): string {
    return this.#record.id;
  }

  get caller(): Caller {
    return this.#guest.caller;
  }

  /** The client's address. */
  get client(): string {
    return this.caller.remote.host;
  }

  /** Judges the connection and greets. */
  start(refusal: Reply | undefined): void {
    // It may have ended before: what came with a PROXY header is read at once.
    if (this.#flow.closing) return;
    if (refusal !== undefined) return this.#greet(refusal);
    this.#judgeConnection(
      () => this.#greet(this.#around.greeting),
      (refusal) => {
        const given = this.#server.refusal(refusal);
        this.#record.refused({ stage: "connect", reply: given, plugin: this.#judging?.refuser });
        this.#greet(given);
      },
    );
  }

  /** Whom a trusted host speaks for is judged as soon as that is known; the host itself is not. */
  #judgeConnection(proceed: () => void, refuse?: (refusal: Refusal) => void): void {
    if (this.caller.trusted) return proceed();
    this.#judge("connect", (findings) => facts.connected(this.#known(findings)), proceed, refuse);
  }

  #greet(greeting: Reply): void {
    // It may have been drained meanwhile.
    if (this.#flow.closing) return;
    this.#server.greet(greeting, this.#around.now());
    this.#pump();
  }

  /** Ends the session, at once if it carries no transaction, otherwise as soon as that is over. */
  retire(): void {
    this.#pump();
  }

  /** Ends the session whatever it does. */
  destroy(): void {
    this.#wire.abort();
  }

  /** To be called now and then. */
  tick(now: number): void {
    if (this.#flow.tick(now, this.#around.limits.dataTime)) return;
    if (now >= this.#offerBy) return this.#offer();
    if (this.#flow.paused || now < this.#server.deadline) return;
    if (this.#server.handshaking) this.#wire.abort();
    else this.#expel(this.refusal(421, "4.2", "That took too long"));
  }

  // ---- the wire's side ----

  data(bytes: Uint8Array): void {
    if (this.#flow.closing) return;
    if (!this.#heard) {
      this.#heard = true;
      if (headerBegins(bytes) === "yes") return this.#strayHeader();
    }
    this.#server.receive(bytes, this.#around.now());
    if (!this.#server.greeted) this.#judging?.spokeEarly();
    this.#pump();
    this.#server.keep();
  }

  drain(): void {
    this.#flow.drained();
    this.#regulate();
  }

  end(): void {
    this.#flow.halfClosed = true;
    if (this.#flow.closing) return this.#wire.close();
    this.#pump();
  }

  close(error: Error | undefined): void {
    this.#flow.gone = true;
    this.#guest.left();
    this.#error = error?.message;
    // A client that closed looks like one that only stopped sending, until what was written to it comes back as an error.
    if (error !== undefined && this.#toldHalfClosed) this.#record.unacknowledged();
    this.#asking?.cancel();
    this.#judging?.abandon();
    // After the end of data the backend's answer is still wanted; before it nothing may be delivered.
    if (this.#transaction?.committing) return;
    this.#finish("lost");
    this.#over();
  }

  /** Client and message are both done with. */
  #over(): void {
    this.#judging?.over();
    this.#record.sessionEnds({
      helo: this.#guest.helo,
      tls: this.#wire.tls,
      refusals: this.#server.refusals,
      refusal: this.#server.lastRefusal,
      error: this.#error,
      verdicts: this.#judging?.takeTrail(),
    });
    const { chain } = this.#around;
    if (chain.observed) {
      const session = facts.connected(this.#known(this.#judges().findings("connect")));
      chain.observe({ kind: "session", session, ms: this.#record.age });
    }
    this.#owner.ended(this);
  }

  /**
   * Someone speaks for others and is not believed, or came too late to be. What follows is said by those others, and must
   * not be taken for the words of the host: by its address it may be allowed what they are not.
   */
  #strayHeader(): void {
    this.#record.strayHeader(this.#guest.listener);
    this.#expel(this.#server.refusal(STRAY_HEADER));
  }

  // ---- the machine's side ----

  /** Reads as far as can be read now, then sends what came of it. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      this.#handleAll();
      if (this.#flow.gone) return;
      this.#flow.backendSlow = this.#transaction !== undefined && !this.#transaction.flush();
      if (this.#around.draining() && this.#idle()) {
        this.#server.end(this.refusal(421, "3.2", "This server is shutting down, try again later"));
        this.#handleAll();
      }
      this.#flush();
      if (this.#flow.halfClosed) this.#afterHalfClose();
      this.#regulate();
    } catch (cause) {
      this.broken(cause);
    } finally {
      this.#pumping = false;
    }
  }

  #handleAll(): void {
    for (let event = this.#server.next(); event !== undefined; event = this.#server.next()) {
      this.#handle(event);
    }
  }

  /** Nothing is lost if the session ends now. */
  #idle(): boolean {
    return this.#transaction === undefined && this.#event === undefined && !this.#flow.closing &&
      !this.#server.handshaking;
  }

  #flush(): void {
    const bytes = this.#server.output();
    if (bytes !== undefined) this.#flow.write(bytes);
  }

  /** Stops or resumes reading from the client, by who is slow. */
  #regulate(): void {
    const waits = this.#event !== undefined || !this.#server.greeted;
    const full = waits && this.#server.buffered > this.#around.limits.inputBuffer;
    if (this.#flow.regulate(full)) this.#server.resumed(this.#around.now());
  }

  /** The client has said all it will say: when all of it is answered, so are we. */
  #afterHalfClose(): void {
    if (this.#flow.closing || this.#event !== undefined || !this.#server.greeted) return;
    if (this.#transaction !== undefined) this.#finish("lost");
    this.#flow.close();
  }

  #handle(event: ServerEvent): void {
    switch (event.kind) {
      case "body":
        this.#transaction?.body(event.content);
        return;
      case "fault":
        return this.#finish("rejected", { fault: event.fault });
      case "rset":
        return this.#finish("reset");
      case "close":
        return this.#close();
    }
    this.#event = event;
    switch (event.kind) {
      case "helo":
        return this.#hello(event);
      case "mail":
        return this.#mail(event);
      case "rcpt":
        return this.#rcpt(event);
      case "data":
        return this.#judgeComplete(() => this.#transaction!.data());
      case "chunk":
        return this.#chunk(event.size);
      case "chunk end":
        if (event.fault !== undefined) {
          return this.answered(this.#server.refusal(messageRefusal(event.fault)));
        }
        return this.#transaction!.chunkEnd();
      case "end":
        return this.#end(event);
      case "starttls":
        return this.#startTls();
      case "xclient":
        return this.#named(event.facts);
      case "ask":
        return this.#ask(event.line);
    }
  }

  #hello(event: ServerEvent & { kind: "helo" }): void {
    const told = (findings: Findings) =>
      facts.greeted({ ...this.#known(findings), helo: event.domain, verb: event.verb });
    this.#judge("helo", told, () => {
      this.#finish("reset");
      this.#judging?.heloAnswered(true);
      this.#guest.greeted(event.verb, event.domain);
      const behind = this.#around.pools.reach(this.#guest.listener);
      if (event.verb === "HELO" || behind.extensions() !== undefined) return this.#offer();
      this.#offerBy = this.#around.now() + PATIENCE;
      // The probe may last longer than the patience, and end while another EHLO is being judged.
      behind.probe(() => this.#event === event && this.#offer());
    }, (refusal) => {
      this.#judging!.heloAnswered(false);
      this.answered(this.#server.refusal(refusal));
    });
  }

  #offer(): void {
    this.#offerBy = Infinity;
    if (this.#flow.gone || this.#event?.kind !== "helo") return;
    const offer = this.#guest.offer();
    this.#event = undefined;
    const given = this.#guest.verb === "EHLO" ? offer.ehlo : reply(250, "", this.#around.hostname);
    this.#server.answerHelo(given, offer.extensions, this.#around.now());
    this.#pump();
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
    this.#judge(
      "mail",
      (findings) => facts.sending(this.#known(findings), transaction),
      () => transaction.begin(this.#around.transaction.dial === "mail" ? this.#destination() : undefined),
    );
  }

  #rcpt(event: RcptCommand): void {
    this.#judge(
      "rcpt",
      (findings) => facts.addressed(this.#known(findings), this.#transaction!, event),
      () => this.#address(event),
    );
  }

  #address(event: RcptCommand): void {
    const to = this.#destination(event.path);
    if (to === undefined) return this.answered(this.#server.refusal(UNROUTED), false);
    const refusal = join(this.#transaction!, to);
    if (refusal !== undefined) return this.answered(this.#server.refusal(refusal), false);
    this.#transaction!.recipient(event);
  }

  #destination(recipient?: Path): Destination | undefined {
    const told = () => facts.sending(this.#known(this.#judges().findings("mail")), this.#transaction!);
    return destinationOf(
      this.#around,
      this.#record.transactionId,
      { listener: this.#guest.listener, user: this.#guest.user, recipient, facts: told },
      this.#judging?.sent,
    );
  }

  #chunk(size: number): void {
    this.#sendsChunks = true;
    if (this.#server.phase === "bdat") return this.#transaction!.chunk(size);
    this.#judgeComplete(() => this.#transaction!.chunk(size));
  }

  /** The envelope is complete: the message comes next. */
  #judgeComplete(proceed: () => void): void {
    this.#judge("data", (findings) => facts.complete(this.#known(findings), this.#transaction!), proceed);
  }

  /** The message is complete: when nobody objects, its end goes to the backend. */
  #end(event: ServerEvent & { kind: "end" }): void {
    if (event.fault !== undefined) return this.answered(this.#server.refusal(messageRefusal(event.fault)));
    this.#transaction!.size = event.size;
    this.#judge(
      "message",
      (findings) => facts.read(this.#known(findings), this.#transaction!, event.size),
      () => this.#transaction!.commit(),
    );
  }

  #startTls(): void {
    const { tls } = this.#around;
    this.answered(reply(220, "0.0", "Go ahead"));
    this.#flush();
    this.#wire.secure(tls!(), () => {
      this.#guest.forgetGreeting();
      this.#judging?.secured();
      this.#server.secured(this.#around.now());
      this.#pump();
    });
  }

  /** VRFY, EXPN or ETRN, put to a backend. */
  #ask(line: string): void {
    this.#asking = new Asking(this.#around.pools.default, line, this.identity(), (given) => {
      this.#asking = undefined;
      this.answered(given ?? this.#server.refusal(UNREACHABLE));
    });
  }

  /** A trusted host says whose session this is: from here on it is that client's (XCLIENT). */
  #named(told: ClientFacts): void {
    const before = this.caller;
    const caller = named(before, told, this.#around.trusted);
    this.#guest.replaced(caller);
    const trail = this.#judging?.takeTrail();
    this.#judging?.abandon();
    this.#judging?.over();
    this.#judging = undefined;
    this.#server.renamed(caller.mayName);
    this.#record.named(caller, trail);
    const refusal = this.#owner.renamed(this, before);
    if (refusal !== undefined) return this.answered(this.#server.refusal(refusal));
    if (told.addr === undefined) return this.answered(this.#around.greeting);
    this.#judgeConnection(() => this.answered(this.#around.greeting));
  }

  // ---- judging ----

  #judge<S extends Stage>(
    stage: S,
    told: (findings: Findings) => Stages[S],
    proceed: () => void,
    refuse: (refusal: Refusal) => void = (refusal) => this.answered(this.#server.refusal(refusal)),
  ): void {
    if (!this.#around.chain.asks(stage)) return proceed();
    const event = this.#event;
    const pending = (work: () => void) => this.#event === event && work();
    this.#judges().judge(stage, told, () => pending(proceed), (refusal) => pending(() => refuse(refusal)));
  }

  #judges(): Judging {
    return (this.#judging ??= new Judging(this, this.#around));
  }

  #known(findings: Findings): facts.Known {
    return this.#guest.known(this.#record.id, findings, this.#server.conduct);
  }

  get spokeEarly(): boolean {
    return this.#server.conduct.spokeEarly;
  }

  get greeted(): boolean {
    return this.#server.greeted;
  }

  tease(line: string): void {
    if (this.#server.greeted) return;
    this.#wire.write(latin1(`220-${line}\r\n`));
  }

  later(work: () => void): void {
    if (this.#flow.gone) return;
    try {
      work();
      this.#pump();
    } catch (cause) {
      this.broken(cause);
    }
  }

  // ---- the transaction's side ----

  /** @param counts false: a refusal that is not the client's fault */
  answered(given: Reply, counts = true): void {
    const event = this.#event;
    if (event === undefined) return this.broken(new Error("an answer to nothing"));
    this.#event = undefined;
    const transaction = this.#transaction;
    if (given.code >= 400) this.#noteRefusal(event, given);
    if (event.kind === "end" && transaction !== undefined) {
      if (this.#flow.gone && transaction.delivered) this.#record.unacknowledged();
      this.#toldHalfClosed = this.#flow.halfClosed && transaction.delivered;
      this.#finish(outcomeOf(given), { reply: given.code });
    }
    if (this.#flow.gone) return event.kind === "end" ? this.#over() : undefined;
    this.#server.answer(given, this.#around.now(), counts);
    if (event.kind === "rcpt") this.#judging?.recipientOver(given.code < 300);
    if (
      this.#transaction !== undefined && (this.#server.phase === "ready" || this.#server.phase === "start")
    ) {
      this.#finish(outcomeOf(given), { reply: given.code });
    }
    this.#pump();
  }

  /** Whoever refuses something, the log says what, to whom and in which words. */
  #noteRefusal(event: ServerEvent, given: Reply): void {
    const transaction = this.#transaction;
    const plugin = this.#judging?.refuser;
    this.#record.refused({
      stage: event.kind,
      reply: given,
      plugin,
      from: transaction?.mail.path.mailbox,
      to: event.kind === "rcpt" ? event.path.mailbox : undefined,
      backend: plugin === undefined ? transaction?.backend : undefined,
    });
    if (transaction !== undefined && transaction.accepted.length === 0) {
      transaction.refusedAs = outcomeOf(given);
    }
  }

  chunkWanted(): void {
    this.#event = undefined;
    this.#server.takeChunk(this.#around.now());
    this.#pump();
  }

  /** Where a plugin or a route has a say in each recipient, none is asked for ahead. */
  ahead(): readonly RcptCommand[] {
    const { chain, pools } = this.#around;
    return chain.asks("rcpt") || pools.parted ? [] : this.#server.foresee();
  }

  backendReady(): void {
    this.#flow.backendSlow = false;
    if (!this.#pumping) this.#regulate();
  }

  trace(): string {
    const { accepted } = this.#transaction!;
    const received = this.#guest.received({
      utf8: this.#server.utf8,
      id: this.#record.transactionId,
      recipient: accepted.length === 1 ? accepted[0]!.path.mailbox : undefined,
    });
    return (this.#judging?.headers ?? "") + received;
  }

  identity(): Identity {
    return this.#guest.identity(this.#judging?.findings("connect"));
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

  /** The transaction is over, one way or another. */
  #finish(outcome: Outcome, detail: { readonly reply?: number; readonly fault?: string } = {}): void {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    this.#transaction = undefined;
    this.#flow.backendSlow = false;
    transaction.abandon();
    const verdicts = this.#judging?.takeTrail();
    const ended = this.#record.transactionEnds(transaction, endOf(transaction, outcome), {
      ...detail,
      verdicts,
    });
    this.#observeEnd(transaction, ended);
    this.#judging?.transactionOver(fateOf(transaction, ended));
  }

  #observeEnd(transaction: Transaction, outcome: Outcome): void {
    const { chain } = this.#around;
    if (!chain.observed) return;
    const session = facts.sending(this.#known(this.#judges().findings("mail")), transaction);
    const recipients = transaction.accepted.map(({ path }) => path);
    chain.observe({ kind: "transaction", session, recipients, outcome, size: transaction.size });
  }

  // ---- ending ----

  /** A last reply, and out. */
  #expel(given: Reply): void {
    this.#event = undefined;
    this.#server.end(given);
    this.#pump();
  }

  #close(): void {
    if (this.#transaction !== undefined && !this.#transaction.committing) this.#finish("lost");
    this.#guest.left();
    this.#flush();
    this.#flow.close();
  }

  /** A fault of the program's own: it costs this session and no other. */
  broken(cause: unknown): void {
    this.#record.fault(cause);
    if (this.#transaction !== undefined && !this.#transaction.committing) this.#finish("lost");
    if (!this.#flow.gone) this.#wire.abort();
  }
}
