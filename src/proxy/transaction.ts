/**
 * One mail transaction as the backend sees it: the envelope is relayed command by command, and then the message
 * (`message_relay`), to which all is left from there on.
 *
 * Until the first octet of the message has been sent, a lost backend is replaced by another one, to which the
 * envelope is repeated (design: rules 5 and 10).
 */
import type { Backend } from "../backend/backend.ts";
import type { Connection, Holder } from "../backend/connection.ts";
import { isOutOfTurn, type Loss } from "../backend/loss.ts";
import type { Identity } from "../backend/identity.ts";
import type { Pool } from "../backend/pool.ts";
import type { Destination } from "../backend/pools.ts";
import type { Outcome } from "../policy/observation.ts";
import type { Step } from "../smtp/client.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { type Carrier, ChunkCarrier, DotCarrier } from "./carrier.ts";
import {
  type ConveyanceOptions,
  forwardedLines,
  goesByChunks,
  goesTogether,
  isDoubtful,
  suits,
} from "./conveyance.ts";
import { fits, type MailCommand, mailLine, type RcptCommand, rcptLine } from "./envelope.ts";
import { EnvelopeScript } from "./envelope_script.ts";
import { BACKEND_FAILED, discardUnasked, forgetLost, lossDetail } from "./loss.ts";
import { type MessageOwner, MessageRelay } from "./message_relay.ts";
import { Search, type Seeker, UNREACHABLE } from "./search.ts";

/** Who is told how the transaction goes. */
export interface TransactionOwner extends MessageOwner {
  /** The recipients that will be asked for next, as far as that is known for certain. */
  ahead(): readonly RcptCommand[];
  /** The trace fields that go before the message; one character per octet. */
  trace(): string;
  /** Whom a backend is told of. */
  identity(): Identity;
  /** What the message is called in the log. */
  readonly ident: string;
}

export interface TransactionOptions extends ConveyanceOptions {
  /** When the backend is dialled; with "rcpt", MAIL is answered by the proxy. */
  readonly dial: "mail" | "rcpt";
}

const MAIL_TAKEN = reply(250, "1.0", "Ok");

/** What the owner waits for, before the message has begun. */
type Asked = "mail" | "rcpt" | "data" | "chunk";

export class Transaction implements Seeker, Holder {
  readonly mail: MailCommand;
  readonly accepted: RcptCommand[] = [];
  /** Recipients that the backend refused. */
  refused = 0;
  /** The backend that was asked last, for the log. */
  backend: string | undefined;
  /** Octets of the message; 0 until it was read to its end. */
  size = 0;
  /** How its sender or its recipients were refused, while none of them was accepted. */
  refusedAs: Outcome | undefined;
  readonly #owner: TransactionOwner;
  readonly #options: TransactionOptions;
  #asked: Asked | undefined;
  #rcpt: RcptCommand | undefined;
  #chunkSize = 0;
  readonly #search = new Search(this);
  /** Undefined while there is none, and once the message has it. */
  #connection: Connection | undefined;
  /** On this connection the backend has answered this transaction something. */
  #heard = false;
  readonly #script = new EnvelopeScript();
  /** Made when its octets may come. */
  #message: MessageRelay | undefined;
  /** Who accepted the last recipient speaks LMTP. */
  #single = false;
  /** What a backend said that will not have the client. */
  #denied: Reply | undefined;
  /** The transaction cannot succeed any more, and no message has begun. */
  #failed: Reply | undefined;

  constructor(mail: MailCommand, owner: TransactionOwner, options: TransactionOptions) {
    this.mail = mail;
    this.#owner = owner;
    this.#options = options;
  }

  /** True from the end of data to its reply: the outcome is the backend's alone to say. */
  get committing(): boolean {
    return this.#message?.committing ?? false;
  }

  /** The backend has said 2yz to the end of data. */
  get delivered(): boolean {
    return this.#message?.delivered ?? false;
  }

  /** The name of the pool that it goes to. */
  get pool(): string | undefined {
    return this.#search.name;
  }

  /** No other recipient can join: LMTP would answer the message once for each (RFC 2033 §4.2). */
  get full(): boolean {
    return this.accepted.length > 0 && this.#single;
  }

  get #pool(): Pool {
    return this.#search.pool;
  }

  // ---- asked by the session ----

  /**
   * MAIL.
   * @param to where it goes, as far as is known now; undefined: MAIL commits to nothing, and a recipient will tell
   */
  begin(to: Destination | undefined): void {
    this.#asked = "mail";
    if (to === undefined) return this.#answer(MAIL_TAKEN);
    this.goTo(to);
    this.#dial(false);
  }

  /**
   * Says where the next recipient goes. While nobody has been accepted the whole transaction goes there.
   * @returns false where it goes elsewhere already
   */
  goTo(to: Destination): boolean {
    if (this.pool === to.name) return true;
    if (this.accepted.length > 0) return false;
    this.#giveBack();
    this.#denied = undefined;
    this.#search.goTo(to);
    return true;
  }

  recipient(rcpt: RcptCommand): void {
    this.#asked = "rcpt";
    this.#rcpt = rcpt;
    const foretold = this.#script.takeForetold(rcpt);
    if (foretold === undefined) return this.#ask();
    this.#envelopeReplied("rcpt", this.#connection!, foretold);
  }

  data(): void {
    this.#asked = "data";
    this.#ask();
  }

  chunk(size: number): void {
    if (this.#message !== undefined) return this.#message.chunk(size);
    this.#asked = "chunk";
    this.#chunkSize = size;
    const connection = this.#connection;
    if (connection !== undefined && isDoubtful(connection, this.#script.ahead, this.#options)) {
      this.#giveBack();
    }
    this.#ask();
  }

  /** The client's chunk has been written in full. */
  chunkEnd(): void {
    this.#message!.chunkEnd();
  }

  /** Octets of the message; they must not change before `flush`. */
  body(content: readonly Uint8Array[]): void {
    this.#message!.body(content);
  }

  /** False: the backend reads too slowly; `backendReady` is told when it has caught up. */
  flush(): boolean {
    return (this.#message ?? this.#connection)?.flush() ?? true;
  }

  /** The end of data goes out: from here on the message is the backend's. */
  commit(): void {
    this.#message!.commit();
  }

  /** The message will not be sent, or not be ended: nothing of this transaction may remain with the backend. */
  abandon(): void {
    this.#asked = undefined;
    this.#giveBack();
    this.#message?.abandon();
    this.#search.end();
  }

  #giveBack(): void {
    this.#script.disown();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) this.#pool.reset(connection);
  }

  // ---- told by the search ----

  found(connection: Connection): void {
    this.#connection = connection;
    this.backend = connection.backend.name;
    this.#heard = false;
    this.#script.begin();
    connection.holder = this;
    const recipients = this.accepted.length + (this.#asked === "rcpt" ? 1 : 0);
    if (!suits(connection, this.mail, this.accepted, this.#rcpt, recipients)) {
      this.#pool.release(connection);
      this.#connection = undefined;
      return this.#failover(connection.backend, "the backend does not offer what the envelope needs");
    }
    for (const line of forwardedLines(connection, this.#owner)) this.#script.repeat("xforward", line);
    const mail = mailLine(this.mail, connection.extensions);
    if (this.#asked === "mail") this.#script.ask("mail", mail);
    else this.#script.repeat("mail", mail);
    for (const rcpt of this.accepted) this.#script.repeat("rcpt", rcptLine(rcpt));
    if (this.#asked === "rcpt") this.#script.ask("rcpt", rcptLine(this.#rcpt!));
    this.#foresee(connection);
    this.#play(connection);
  }

  /** What the client will ask next goes with what it asks now, where nothing but the backend has a say in it. */
  #foresee(connection: Connection): void {
    if ((this.#asked !== "mail" && this.#asked !== "rcpt") || !this.#goesAhead(connection)) return;
    if (connection.backend.address.lmtp) return;
    for (const ahead of this.#owner.ahead()) {
      if (!fits(this.mail, [], ahead, connection.extensions, connection.secured)) return;
      this.#script.askAhead(ahead);
    }
  }

  turnedAway(verdict: Reply, backend: Backend): void {
    this.backend = backend.name;
    this.#denied = verdict;
    if (this.accepted.length > 0) this.#failed = this.#backendFault();
    this.#answer(this.#failed ?? verdict);
  }

  foundNobody(reason: string): void {
    this.#owner.incident("no backend", reason);
    // MAIL commits to nothing; the first RCPT tries again and is told the truth.
    if (this.#asked === "mail") this.#answer(MAIL_TAKEN);
    else this.#answer(this.#owner.refusal(...UNREACHABLE));
  }

  broken(cause: unknown): void {
    this.#owner.broken(cause);
  }

  // ---- told by the connection ----

  ready(): void {}

  reply(step: Step, given: Reply): void {
    try {
      this.#replied(step, given);
    } catch (cause) {
      this.#owner.broken(cause);
    }
  }

  #replied(step: Step, given: Reply): void {
    const connection = this.#connection!;
    this.#heard = true;
    if (step === "data") return this.#dataReplied(connection, given);
    if (this.#script.replied(given)) this.#groupReplied(connection, step);
  }

  #groupReplied(connection: Connection, step: Step): void {
    if (this.#script.several && !connection.quiet) {
      return this.#left(discardUnasked(connection, this.#pool, step, "more replies than commands"));
    }
    const due = this.#script.takeDue();
    if (due === undefined) this.#play(connection);
    else this.#envelopeReplied(this.#asked === "mail" ? "mail" : "rcpt", connection, due);
  }

  drained(): void {
    this.#owner.backendReady();
  }

  lost(loss: Loss): void {
    try {
      this.#left(loss);
    } catch (cause) {
      this.#owner.broken(cause);
    }
  }

  #left(loss: Loss): void {
    const connection = this.#connection!;
    forgetLost(connection, this.#pool, loss);
    this.#connection = undefined;
    this.#script.drop();
    this.#owner.incident("backend lost", lossDetail(loss));
    if (this.#asked === undefined) return;
    // A refusal that came before the loss holds, unless it may be the answer to something else; it holds this once.
    const spoilt = this.#takeSpoilt();
    if (spoilt !== undefined && !isOutOfTurn(loss)) return this.#answer(spoilt);
    const gone = loss.why === "closed" || loss.why === "421" || loss.why === "refused";
    // A connection kept from an earlier transaction that dies at its first command was dead before.
    if (gone && connection.uses > 1 && !this.#heard) return this.#dial(true);
    if (gone) return this.#failover(connection.backend, loss.detail);
    this.#answer(this.#backendFault());
  }

  // ---- between the two ----

  /** Sends what is asked, on the connection there is or on a new one. */
  #ask(): void {
    if (this.#failed !== undefined) return this.#answer(this.#failed);
    // Whom nobody has asked for is not to get the message.
    if (this.#script.unclaimed) this.#giveBack();
    const connection = this.#connection;
    if (connection === undefined) return this.#dial(false);
    if (this.#asked === "rcpt") {
      this.#script.ask("rcpt", rcptLine(this.#rcpt!));
      this.#foresee(connection);
    }
    this.#play(connection);
  }

  #dial(fresh: boolean): void {
    if (this.#denied !== undefined) return this.#answer(this.#denied);
    this.#search.dial(fresh, this.#owner.identity());
  }

  /** Another backend, if there is one; this one has just failed. */
  #failover(backend: Backend, detail: string): void {
    if (this.#search.another(backend)) return this.#dial(false);
    this.#owner.incident("no backend", detail);
    this.#answer(this.#backendFault());
  }

  /** Sends what is to come of the envelope; behind its end DATA or the chunk, if asked. */
  #play(connection: Connection): void {
    if (this.#script.play(connection, this.#goesAhead(connection))) return;
    this.#envelopeDone(connection);
    connection.flush();
  }

  /** Where a chunk is what is asked, BDAT comes next. */
  #goesAhead(connection: Connection): boolean {
    return this.#asked !== "chunk" && goesTogether(connection, this.mail, this.#options);
  }

  /** Everything of the envelope is answered: what was asked beyond it can go on. */
  #envelopeDone(connection: Connection): void {
    const spoilt = this.#takeSpoilt();
    if (spoilt !== undefined) {
      this.#connection = undefined;
      this.#pool.retire(connection);
      return this.#answer(spoilt);
    }
    if (this.#asked !== "data" && this.#asked !== "chunk") return;
    const byChunks = this.#asked === "chunk" &&
      goesByChunks(connection, this.mail, this.#script.ahead, this.#options);
    if (!byChunks) return connection.send("data", "DATA");
    const carrier = new ChunkCarrier(connection, this.#owner.trace());
    this.#carry(connection, carrier).chunk(this.#chunkSize);
  }

  /** What the client hears where the envelope could not be repeated. Of MAIL that the proxy answered itself: its refusal. */
  #takeSpoilt(): Reply | undefined {
    const refusal = this.#script.takeSpoilt();
    if (refusal === undefined || this.accepted.length === 0) return refusal;
    return (this.#failed = this.#backendFault());
  }

  #envelopeReplied(step: Step, connection: Connection, reply: Reply): void {
    if (step === "mail" && reply.code >= 300) {
      // Not given back: Postfix remembers the SIZE of a refused MAIL, and refuses the next client's MAIL for it.
      this.#connection = undefined;
      this.#script.disown();
      this.#pool.retire(connection);
    }
    if (step === "rcpt") {
      if (reply.code < 300) {
        this.accepted.push(this.#rcpt!);
        this.#single = connection.backend.address.lmtp;
      } else this.refused++;
    }
    this.#answer(reply);
  }

  /** The reply to DATA: the client's own, or the one that a chunk turned into DATA waited for. */
  #dataReplied(connection: Connection, reply: Reply): void {
    if (reply.code !== 354) return this.#answer(reply);
    const byChunk = this.#asked === "chunk";
    const message = this.#carry(connection, new DotCarrier(connection, this.#owner.trace()));
    if (byChunk) message.chunk(this.#chunkSize);
    else this.#answer(reply);
  }

  /** The message begins: from here on the connection is its own. */
  #carry(connection: Connection, carrier: Carrier): MessageRelay {
    this.#asked = undefined;
    this.#connection = undefined;
    return (this.#message = new MessageRelay(connection, this.#pool, carrier, this.#owner));
  }

  #answer(reply: Reply): void {
    this.#asked = undefined;
    this.#owner.answered(reply);
  }

  #backendFault(): Reply {
    return this.#owner.refusal(...BACKEND_FAILED);
  }
}
