/**
 * One mail transaction as the backend sees it: the envelope is relayed command by command, the message octet by
 * octet, and the end of data only when the session says so.
 *
 * Until the first octet of the message has been sent, a lost backend is replaced by another one, to which the
 * envelope is repeated. After it, a loss is a 451 and nothing is repeated (design: rules 1, 2, 5 and 10).
 */
import type { Backend } from "../backend/backend.ts";
import { type Connection, type Holder, isOutOfTurn, type Loss } from "../backend/connection.ts";
import { isForwarded } from "../backend/handshake.ts";
import { forwardLines, type Identity } from "../backend/identity.ts";
import type { Pool } from "../backend/pool.ts";
import type { Destination } from "../backend/pools.ts";
import type { Outcome } from "../policy/observation.ts";
import type { Step } from "../smtp/client.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { asksBinary } from "../smtp/parameters.ts";
import { type Carrier, ChunkCarrier, DotCarrier } from "./carrier.ts";
import type { Incident } from "./record.ts";
import { fits, type MailCommand, mailLine, type RcptCommand, rcptLine } from "./envelope.ts";
import { EnvelopeScript } from "./envelope_script.ts";
import { Search, type Seeker, UNREACHABLE } from "./search.ts";

/** Who is told how the transaction goes. */
export interface TransactionOwner {
  /** The reply to what was asked last. */
  answered(reply: Reply): void;
  /** The chunk that was announced may come. */
  chunkWanted(): void;
  /** The recipients that will be asked for next, as far as that is known for certain. */
  ahead(): readonly RcptCommand[];
  /** The backend reads again. */
  backendReady(): void;
  /** The trace fields that go before the message; one character per octet. */
  trace(): string;
  /** A refusal in the session's own words. */
  refusal(code: number, enhanced: string, text: string): Reply;
  /** A fault of the program's own: the session ends. */
  broken(cause: unknown): void;
  /** Whom a backend is told of. */
  identity(): Identity;
  /** What the message is called in the log. */
  readonly ident: string;
  /** For the log and the counters. */
  incident(what: Incident, detail: string): void;
}

export interface TransactionOptions {
  /** When the backend is dialled; with "rcpt", MAIL is answered by the proxy. */
  readonly dial: "mail" | "rcpt";
  /** False: messages sent with BDAT go on as DATA even where the backend has CHUNKING. */
  readonly chunking: boolean;
  /** False: each command waits for the reply to the one before, whatever the backend offers. */
  readonly pipelining: boolean;
}

const MAIL_TAKEN = reply(250, "1.0", "Ok");

/** What the owner waits for. */
type Asked = "mail" | "rcpt" | "data" | "chunk" | "chunk end" | "end";

export class Transaction implements Seeker, Holder {
  readonly mail: MailCommand;
  readonly accepted: RcptCommand[] = [];
  /** Recipients that the backend refused. */
  refused = 0;
  /** The backend that was asked last, for the log. */
  backend: string | undefined;
  /** Set once the backend has said 2yz to the end of data. */
  delivered = false;
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
  #connection: Connection | undefined;
  /** On this connection the backend has answered this transaction something. */
  #heard = false;
  readonly #script = new EnvelopeScript();
  #carrier: Carrier | undefined;
  /** Who accepted the last recipient speaks LMTP. */
  #single = false;
  #endSent = false;
  /** What a backend said that will not have the client. */
  #denied: Reply | undefined;
  /** The transaction cannot succeed any more. */
  #failed: Reply | undefined;

  constructor(mail: MailCommand, owner: TransactionOwner, options: TransactionOptions) {
    this.mail = mail;
    this.#owner = owner;
    this.#options = options;
  }

  /** True from the end of data to its reply: the outcome is the backend's alone to say. */
  get committing(): boolean {
    return this.#endSent && this.#asked === "end";
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
    this.#asked = "chunk";
    this.#chunkSize = size;
    if (this.#carrier !== undefined && this.#failed === undefined) return this.#startChunk(this.#carrier);
    if (this.#isDoubtful) this.#giveBack();
    this.#ask();
  }

  /**
   * The envelope went out in one write, and the message comes by BDAT: no 354 will tell a reply too many from the one that
   * is due. It is said again on another connection, one command at a time.
   */
  get #isDoubtful(): boolean {
    return this.#script.ahead && this.#connection !== undefined && this.#options.chunking &&
      this.#connection.extensions.has("CHUNKING");
  }

  /** The client's chunk has been written in full. */
  chunkEnd(): void {
    this.#asked = "chunk end";
    if (this.#failed !== undefined) return this.#answer(this.#failed);
    if (this.#carrier!.replyOwed) this.#connection!.chunkWritten();
    else this.#answer(reply(250, "0.0", `${this.#chunkSize} octets received`));
  }

  /** Octets of the message; they must not change before `flush`. */
  body(content: readonly Uint8Array[]): void {
    if (this.#failed !== undefined) return;
    for (const part of content) this.#carrier!.write(part);
  }

  /** False: the backend reads too slowly; `backendReady` is told when it has caught up. */
  flush(): boolean {
    return this.#connection === undefined || this.#connection.flush();
  }

  /** The end of data goes out: from here on the message is the backend's. */
  commit(): void {
    this.#asked = "end";
    if (this.#failed !== undefined) return this.#answer(this.#failed);
    // A backend that still owes the reply to a chunk is not sent the last one.
    if (this.#carrier!.replyOwed) this.#connection!.chunkWritten();
    else this.#end();
  }

  /** The message will not be sent, or not be ended: nothing of this transaction may remain with the backend. */
  abandon(): void {
    this.#asked = undefined;
    this.#giveBack();
    this.#search.end();
  }

  #giveBack(): void {
    this.#script.disown();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    // RSET would be taken for a part of the message.
    if (this.#carrier !== undefined) this.#pool.discard(connection);
    else this.#pool.reset(connection);
  }

  // ---- told by the search ----

  found(connection: Connection): void {
    this.#connection = connection;
    this.backend = connection.backend.name;
    this.#heard = false;
    this.#script.begin();
    connection.holder = this;
    if (!this.#fits(connection)) {
      this.#pool.release(connection);
      this.#connection = undefined;
      return this.#failover(connection.backend, "the backend does not offer what the envelope needs");
    }
    this.#forward(connection);
    const mail = mailLine(this.mail, connection.extensions);
    if (this.#asked === "mail") this.#script.ask("mail", mail);
    else this.#script.repeat("mail", mail);
    for (const rcpt of this.accepted) this.#script.repeat("rcpt", rcptLine(rcpt));
    if (this.#asked === "rcpt") this.#script.ask("rcpt", rcptLine(this.#rcpt!));
    this.#foresee(connection);
    this.#play(connection);
  }

  #fits({ backend, extensions, secured }: Connection): boolean {
    // One that failed may have spoken SMTP, and have taken more recipients than one.
    const recipients = this.accepted.length + (this.#asked === "rcpt" ? 1 : 0);
    if (backend.address.lmtp && recipients > 1) return false;
    return fits(this.mail, this.accepted, this.#rcpt, extensions, secured);
  }

  /** The backend's log may know of the client, transaction by transaction. */
  #forward(connection: Connection): void {
    if (!isForwarded(connection.backend.address) || connection.speaks) return;
    if (!connection.extensions.has("XFORWARD")) return;
    for (const line of forwardLines(this.#owner.identity(), this.#owner.ident, connection.extensions)) {
      this.#script.repeat("xforward", line);
    }
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
    if (step === "end") return this.#ended(connection, given);
    if (step === "chunk") return this.#chunkReplied(connection, given);
    if (step === "data") return this.#dataReplied(connection, given);
    if (this.#script.replied(given)) this.#groupReplied(connection, step);
  }

  #groupReplied(connection: Connection, step: Step): void {
    if (this.#script.several && !connection.quiet) {
      return this.#unasked(connection, step, "more replies than commands");
    }
    const due = this.#script.takeDue();
    if (due === undefined) this.#play(connection);
    else this.#envelopeReplied(this.#asked === "mail" ? "mail" : "rcpt", connection, due);
  }

  /** More was said than was asked: whose answer is whose is not known any more. */
  #unasked(connection: Connection, step: Step, what: string): void {
    this.#pool.discard(connection);
    this.#left({ why: "unasked", step, detail: `${connection.backend.name}: ${what}` });
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
    this.#pool.forget(connection);
    if (isOutOfTurn(loss)) connection.backend.outOfTurn = true;
    this.#connection = undefined;
    this.#script.drop();
    const carrying = this.#carrier !== undefined;
    if (carrying && this.#asked === "end" && loss.step === "end" && loss.why !== "421") {
      this.#owner.incident("ambiguous", loss.detail);
    } else this.#owner.incident("backend lost", `${loss.why} at ${loss.step ?? "rest"}: ${loss.detail}`);
    if (carrying) return this.#fail();
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

  /** A message that travels by BDAT has no 354 to tell a reply too many from the one that is due. */
  #goesAhead({ extensions, backend }: Connection): boolean {
    return this.#options.pipelining && extensions.has("PIPELINING") && !backend.outOfTurn &&
      this.#asked !== "chunk" && !asksBinary(this.mail.parameters);
  }

  /** Everything of the envelope is answered: what was asked beyond it can go on. */
  #envelopeDone(connection: Connection): void {
    const spoilt = this.#takeSpoilt();
    if (spoilt !== undefined) {
      this.#connection = undefined;
      this.#pool.retire(connection);
      return this.#answer(spoilt);
    }
    if (this.#asked === "chunk" && this.#chunking(connection)) {
      this.#carrier = new ChunkCarrier(connection, this.#owner.trace());
      return this.#startChunk(this.#carrier);
    }
    if (this.#asked !== "data" && this.#asked !== "chunk") return;
    connection.send("data", "DATA");
  }

  /** What the client hears where the envelope could not be repeated. Of MAIL that the proxy answered itself: its refusal. */
  #takeSpoilt(): Reply | undefined {
    const refusal = this.#script.takeSpoilt();
    if (refusal === undefined || this.accepted.length === 0) return refusal;
    return (this.#failed = this.#backendFault());
  }

  /** Who has once replied too often gets DATA, whose 354 would tell the next time; what is binary can only go by BDAT. */
  #chunking({ extensions, backend }: Connection): boolean {
    return extensions.has("CHUNKING") && !this.#script.ahead &&
      ((this.#options.chunking && !backend.outOfTurn) || asksBinary(this.mail.parameters));
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
    this.#carrier = new DotCarrier(connection, this.#owner.trace());
    if (this.#asked === "chunk") this.#startChunk(this.#carrier);
    else this.#answer(reply);
  }

  #startChunk(carrier: Carrier): void {
    carrier.chunk(this.#chunkSize);
    this.#asked = undefined;
    this.#owner.chunkWanted();
  }

  #chunkReplied(connection: Connection, reply: Reply): void {
    const carrier = this.#carrier!;
    if (reply.code < 300 && !carrier.complete) {
      return this.#unasked(connection, "chunk", "a reply came before the chunk's last octet");
    }
    carrier.chunkReplied();
    if (reply.code >= 300) {
      // Refused before its octets were all there, RSET would be taken for some of them.
      if (carrier.complete) this.#pool.reset(connection);
      else this.#pool.discard(connection);
      this.#connection = undefined;
      this.#carrier = undefined;
      this.#failed = reply;
    }
    if (this.#asked === "chunk end") this.chunkEnd();
    else if (this.#asked === "end") this.commit();
  }

  #end(): void {
    this.#endSent = true;
    this.#carrier!.end();
    this.#connection!.flush();
  }

  #ended(connection: Connection, reply: Reply): void {
    this.delivered = reply.code < 300;
    this.#connection = undefined;
    this.#carrier = undefined;
    this.#pool.release(connection);
    this.#answer(reply);
  }

  /** The backend is lost with the message under way: its end will be answered 451. */
  #fail(): void {
    this.#failed = this.#backendFault();
    this.#carrier = undefined;
    this.#owner.backendReady();
    if (this.#asked === "end" || this.#asked === "chunk end") this.#answer(this.#failed);
  }

  #answer(reply: Reply): void {
    this.#asked = undefined;
    this.#owner.answered(reply);
  }

  #backendFault(): Reply {
    return this.#owner.refusal(451, "3.0", "The mail server behind this one failed, try again later");
  }
}
