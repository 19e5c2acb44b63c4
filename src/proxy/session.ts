/**
 * One client: has what it says judged, and sees to what changes who it is (HELO, STARTTLS, XCLIENT); its mail is the
 * business of `mailing`, its octets are that of `conversation`. It holds no rule of the protocol (that is `smtp/server`)
 * and none of the backend (that is `transaction`).
 */
import type { Identity } from "../backend/identity.ts";
import type { Wire } from "../net/wire.ts";
import type { Outcome } from "../policy/observation.ts";
import type { ListenAddress } from "../policy/settings.ts";
import type { Stage, Stages } from "../policy/stages.ts";
import type { ClientFacts } from "../smtp/client_facts.ts";
import { type Refusal, STRAY_HEADER } from "../smtp/commands.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { ServerEvent } from "../smtp/server.ts";
import { Asking } from "./asking.ts";
import { type Caller, named } from "./caller.ts";
import { Conversation } from "./conversation.ts";
import * as facts from "./facts.ts";
import { Guest } from "./guest.ts";
import { type Judged, Judging } from "./judging.ts";
import { Mailing, type MailingOwner } from "./mailing.ts";
import { outcomeOf } from "./outcome.ts";
import { SessionRecord } from "./record.ts";
import { UNREACHABLE } from "./search.ts";
import type { Surroundings } from "./surroundings.ts";

/** How long EHLO waits for a backend that was never seen. */
const PATIENCE = 2_000;

/** Who is told what a session's end or change means beyond it. */
export interface SessionOwner {
  /** XCLIENT has named its client; a refusal where that one may not have another session. */
  renamed(session: Session, before: Caller): Refusal | undefined;
  /** It is over, and owes nobody anything. */
  ended(session: Session): void;
}

export class Session extends Conversation implements MailingOwner, Judged {
  readonly #record: SessionRecord;
  readonly #guest: Guest;
  readonly #owner: SessionOwner;
  /** Made for the first stage that somebody judges: most idle sessions never need it. */
  #judging: Judging | undefined;
  /** Made for the first MAIL. */
  #mailing: Mailing | undefined;
  #asking: Asking | undefined;
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
    const record = new SessionRecord(caller, around);
    super(wire, around, {
      ref: record.id,
      xclient: caller.mayName,
      tlsRequired: address.tlsRequired === true && wire.tls === undefined && caller.tls === undefined,
    });
    this.#record = record;
    this.#guest = new Guest(wire, caller, address.name, around);
    this.#owner = owner;
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

  /** Whom a backend is told of. */
  identity(): Identity {
    return this.#guest.identity(this.#judging?.findings("connect"));
  }

  /** Judges the connection and greets. */
  start(refusal: Reply | undefined): void {
    // It may have ended before: what came with a PROXY header is read at once.
    if (this.flow.closing) return;
    if (refusal !== undefined) return this.greet(refusal);
    this.#judgeConnection(
      () => this.greet(this.around.greeting),
      (refusal) => {
        const given = this.server.refusal(refusal);
        this.#record.refused({ stage: "connect", reply: given, plugin: this.#judging?.refuser });
        this.greet(given);
      },
    );
  }

  /** Whom a trusted host speaks for is judged as soon as that is known; the host itself is not. */
  #judgeConnection(proceed: () => void, refuse?: (refusal: Refusal) => void): void {
    if (this.caller.trusted) return proceed();
    this.judge("connect", facts.connected, proceed, refuse);
  }

  /** To be called now and then. */
  tick(now: number): void {
    if (this.flow.tick(now, this.around.limits.dataTime)) return;
    if (now >= this.#offerBy) return this.#offer();
    if (this.flow.paused || now < this.server.deadline) return;
    if (this.server.handshaking) this.wire.abort();
    else this.expel(this.refusal(421, "4.2", "That took too long"));
  }

  // ---- what the client says ----

  protected handle(event: ServerEvent): void {
    switch (event.kind) {
      case "body":
        this.#mailing?.transaction?.body(event.content);
        return;
      case "fault":
        return this.#finish("rejected", { fault: event.fault });
      case "rset":
        return this.#finish("reset");
      case "close":
        return this.#close();
    }
    this.event = event;
    switch (event.kind) {
      case "helo":
        return this.#hello(event);
      case "starttls":
        return this.#startTls();
      case "xclient":
        return this.#named(event.facts);
      case "ask":
        return this.#ask(event.line);
      default:
        this.#mailing ??= new Mailing(this, this.around, this.server, this.#guest, this.#record);
        return this.#mailing.handle(event);
    }
  }

  #hello(event: ServerEvent & { kind: "helo" }): void {
    const greeting = { helo: event.domain, verb: event.verb };
    this.judge("helo", (known) => facts.greeted(known, greeting), () => {
      this.#finish("reset");
      this.#judging?.heloAnswered(true);
      this.#guest.greeted(event.verb, event.domain);
      const behind = this.around.pools.reach(this.#guest.listener);
      if (event.verb === "HELO" || behind.extensions() !== undefined) return this.#offer();
      this.#offerBy = this.around.now() + PATIENCE;
      // The probe may last longer than the patience, and end while another EHLO is being judged.
      behind.probe(() => this.event === event && this.#offer());
    }, (refusal) => {
      this.#judging!.heloAnswered(false);
      this.answered(this.server.refusal(refusal));
    });
  }

  #offer(): void {
    this.#offerBy = Infinity;
    if (this.flow.gone || this.event?.kind !== "helo") return;
    const offer = this.#guest.offer();
    this.event = undefined;
    const given = this.#guest.verb === "EHLO" ? offer.ehlo : reply(250, "", this.around.hostname);
    this.server.answerHelo(given, offer.extensions, this.around.now());
    this.pump();
  }

  #startTls(): void {
    const { tls } = this.around;
    this.answered(reply(220, "0.0", "Go ahead"));
    this.flush();
    this.wire.secure(tls!(), () => {
      this.#guest.forgetGreeting();
      this.#judging?.secured();
      this.server.secured(this.around.now());
      this.pump();
    });
  }

  /** A trusted host says whose session this is: from here on it is that client's (XCLIENT). */
  #named(told: ClientFacts): void {
    const before = this.caller;
    const caller = named(before, told, this.around.trusted);
    this.#guest.replaced(caller);
    const trail = this.#judging?.takeTrail();
    this.#judging?.abandon();
    this.#judging?.over();
    this.#judging = undefined;
    this.server.renamed(caller.mayName);
    this.#record.named(caller, trail);
    const refusal = this.#owner.renamed(this, before);
    if (refusal !== undefined) return this.answered(this.server.refusal(refusal));
    if (told.addr === undefined) return this.answered(this.around.greeting);
    this.#judgeConnection(() => this.answered(this.around.greeting));
  }

  /** VRFY, EXPN or ETRN, put to a backend. */
  #ask(line: string): void {
    this.#asking = new Asking(this.around.pools.default, line, this.identity(), (given) => {
      this.#asking = undefined;
      this.answered(given ?? this.server.refusal(UNREACHABLE));
    });
  }

  // ---- what it is answered ----

  /** @param counts false: a refusal that is not the client's fault */
  answered(given: Reply, counts = true): void {
    const event = this.event;
    if (event === undefined) return this.broken(new Error("an answer to nothing"));
    this.event = undefined;
    const transaction = this.#mailing?.transaction;
    if (given.code >= 400) this.#noteRefusal(event, given);
    if (event.kind === "end" && transaction !== undefined) {
      if (this.flow.gone && transaction.delivered) this.#record.unacknowledged();
      this.#toldHalfClosed = this.flow.halfClosed && transaction.delivered;
      this.#finish(outcomeOf(given), { reply: given.code });
    }
    if (this.flow.gone) return event.kind === "end" ? this.#over() : undefined;
    this.server.answer(given, this.around.now(), counts);
    if (event.kind === "rcpt") this.#judging?.recipientOver(given.code < 300);
    if (this.carrying && (this.server.phase === "ready" || this.server.phase === "start")) {
      this.#finish(outcomeOf(given), { reply: given.code });
    }
    this.pump();
  }

  /** Whoever refuses something, the log says what, to whom and in which words. */
  #noteRefusal(event: ServerEvent, given: Reply): void {
    const transaction = this.#mailing?.transaction;
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

  // ---- judging ----

  judge<S extends Stage>(
    stage: S,
    told: (known: facts.Known) => Stages[S],
    proceed: () => void,
    refuse: (refusal: Refusal) => void = (refusal) => this.answered(this.server.refusal(refusal)),
  ): void {
    if (!this.around.chain.asks(stage)) return proceed();
    this.#judges().judge(stage, told(this.known(stage)), proceed, refuse);
  }

  #judges(): Judging {
    return (this.#judging ??= new Judging(this, this.around));
  }

  /** Undefined while nobody was asked. */
  get judging(): Judging | undefined {
    return this.#judging;
  }

  known(stage: Stage): facts.Known {
    return this.#guest.known(this.#record.id, this.#judges().findings(stage), this.server.conduct);
  }

  protected interrupted(): void {
    this.#judging?.spokeEarly();
  }

  // ---- its mail ----

  protected get carrying(): boolean {
    return this.#mailing?.transaction !== undefined;
  }

  protected passOn(): boolean {
    return this.#mailing?.transaction?.flush() ?? true;
  }

  #finish(outcome: Outcome, detail?: { readonly reply?: number; readonly fault?: string }): void {
    this.flow.backendSlow = false;
    this.#mailing?.finish(outcome, detail);
  }

  /** After the end of data the backend's answer is still wanted; before it nothing may be delivered. */
  protected lose(): void {
    if (!this.#committing) this.#finish("lost");
  }

  get #committing(): boolean {
    return this.#mailing?.transaction?.committing ?? false;
  }

  // ---- ending ----

  /**
   * Someone speaks for others and is not believed, or came too late to be. What follows is said by those others, and must
   * not be taken for the words of the host: by its address it may be allowed what they are not.
   */
  protected strayHeader(): void {
    this.#record.strayHeader(this.#guest.listener);
    this.expel(this.server.refusal(STRAY_HEADER));
  }

  #close(): void {
    this.lose();
    this.#guest.left();
    this.flush();
    this.flow.close();
  }

  close(error: Error | undefined): void {
    this.flow.gone = true;
    this.#guest.left();
    this.#error = error?.message;
    // A client that closed looks like one that only stopped sending, until what was written to it comes back as an error.
    if (error !== undefined && this.#toldHalfClosed) this.#record.unacknowledged();
    this.#asking?.cancel();
    this.#judging?.abandon();
    this.lose();
    if (!this.#committing) this.#over();
  }

  /** Client and message are both done with. */
  #over(): void {
    this.#judging?.over();
    this.#record.sessionEnds({
      helo: this.#guest.helo,
      tls: this.wire.tls,
      refusals: this.server.refusals,
      refusal: this.server.lastRefusal,
      error: this.#error,
      verdicts: this.#judging?.takeTrail(),
    });
    const { chain } = this.around;
    if (chain.observed) {
      chain.observe({
        kind: "session",
        session: facts.connected(this.known("connect")),
        ms: this.#record.age,
      });
    }
    this.#owner.ended(this);
  }

  broken(cause: unknown): void {
    this.#record.fault(cause);
    this.lose();
    if (!this.flow.gone) this.wire.abort();
  }
}
