/**
 * One connection to a backend, from the dial to its end: greeting, TLS and who we are there until it is ready, and what is
 * told of it when it is lost. The commands and replies are `exchange`'s; nothing here knows what a transaction is.
 */
import type { Connecting, ConnectOwner, Network, TlsClientOptions, Wire } from "../net/wire.ts";
import type { Reply } from "../smtp/reply.ts";
import type { BackendAddress } from "../policy/settings.ts";
import type { Backend } from "./backend.ts";
import type { Step } from "../smtp/client.ts";
import { type Extensions, NO_EXTENSIONS, offeredUnsecured } from "../smtp/extensions.ts";
import { latin1, severity } from "../smtp/reply.ts";
import { tlsMode } from "../policy/backend_security.ts";
import { Exchange, type Misread, type Pace } from "./exchange.ts";
import { Handshake, isProxied, type Move } from "./handshake.ts";
import type { Identity } from "./identity.ts";
import { faultText, type Loss } from "./loss.ts";
import { Mandate } from "./mandate.ts";

/** Who holds a connection. */
export interface Holder {
  /** Greeted and EHLO done. */
  ready(connection: Connection): void;
  reply(step: Step, reply: Reply): void;
  /** What was written is with the kernel. */
  drained(): void;
  /** The connection is gone; nothing more is told. */
  lost(loss: Loss): void;
}

/** Who is told what becomes of every connection, before its holder is. */
export interface Watch {
  ready(connection: Connection): void;
  lost(connection: Connection, loss: Loss): void;
  /** It is spoken to without TLS, though TLS was offered: why. */
  inTheClear(backend: Backend, reason: string): void;
}

/** What every connection of a pool shares. */
export interface Surroundings extends Pace {
  readonly network: Network;
  readonly hostname: string;
  /** How TLS is done there; the same object each time, so that sessions are resumed. */
  tls(address: BackendAddress): TlsClientOptions;
  readonly watch?: Watch;
}

/** Milliseconds that a backend whose opportunistic TLS has failed is spoken to without. */
export const PLAIN_FOR = 600_000;
/** The wire's word for an alert that came when TLS was agreed on for us (TLS 1.3 judges our certificate last). */
const isTlsFault = (error: Error) => error.message.startsWith("Cannot speak TLS");
const NAMELESS = "the client has no address that a PROXY header could tell, and ours it must not have";

/** A backend at the other end of a wire. Made, it dials at once. */
export class Connection extends Exchange implements ConnectOwner {
  readonly backend: Backend;
  readonly openedAt: number;
  holder: Holder;
  extensions: Extensions = NO_EXTENSIONS;
  /** Under TLS, by a certificate that was verified: what REQUIRETLS asks for (RFC 8689 §4.2.1). */
  secured = false;
  /** It has been ready: what goes wrong now is about a command. */
  handshaken = false;
  /** It was ready before, and has been made another client's since. */
  renamed = false;
  /** Whose transaction it carries, or has carried last: an address. */
  client: string | undefined;
  /** Transactions begun on it. */
  uses = 0;
  /** Commands refused on it: backends count them against whoever is connected (Postfix smtpd_hard_error_limit). */
  refusals = 0;
  idleSince = 0;
  protected readonly around: Surroundings;
  readonly #connecting: Connecting;
  readonly #mandate: Mandate;
  #handshake: Handshake;
  /** TLS is being agreed on. */
  #shaking = false;
  /** TLS is agreed on as far as we can tell, and nothing has come through it yet. */
  #unproven = false;

  /** @param identity whom it will speak for; undefined for ourselves */
  constructor(backend: Backend, around: Surroundings, holder: Holder, identity?: Identity) {
    super();
    this.backend = backend;
    this.holder = holder;
    this.around = around;
    this.openedAt = around.now();
    this.deadline = this.openedAt + around.times.connect;
    this.#mandate = new Mandate(backend, around, identity);
    this.#handshake = new Handshake(this.#mandate);
    this.#connecting = around.network.connect(backend.endpoint, this);
  }

  /** The backend knows for whom it speaks. */
  get speaks(): boolean {
    return this.#mandate.told;
  }

  /** Whether a transaction of this client can be had on it, if need be after `rename`. */
  canServe(identity: Identity): boolean {
    return this.#mandate.canServe(identity, this.extensions);
  }

  /** It speaks for one client only, who has left. */
  get deserted(): boolean {
    return this.#mandate.deserted(this.extensions);
  }

  /** The backend must be told first that it is this client's now. */
  mustName(identity: Identity): boolean {
    return this.#mandate.mustName(identity, this.extensions);
  }

  /** Makes it speak for another client; the holder is told `ready` as after the dial. */
  rename(identity: Identity): void {
    this.#mandate.rename(identity);
    this.handshaken = false;
    this.renamed = true;
    this.#handshake = new Handshake(this.#mandate);
    this.#move(this.#handshake.rename(this.extensions, this.wire!.tls !== undefined));
  }

  /** Ends it now: queued octets are dropped, the holder is told nothing. */
  abort(): void {
    if (this.dead) return;
    this.stop();
    if (this.wire === undefined) this.#connecting.cancel();
    else this.wire.abort();
  }

  /** Takes its leave; only on a quiet connection. */
  quit(): void {
    if (this.dead) return;
    this.stop();
    this.wire!.write(latin1("QUIT\r\n"));
    this.wire!.close();
  }

  /** To be called now and then. */
  tick(now: number): void {
    if (now >= this.deadline) {
      if (this.#shaking) return this.#tlsFailed("no TLS in time");
      this.#lose("timeout", this.wire === undefined ? "connecting took too long" : "no reply in time");
    }
  }

  /** Ends it as lost, for a reason that the connection itself cannot see. */
  fail(why: Loss["why"], detail: string): void {
    this.#lose(why, detail);
  }

  // ---- the wire's side ----

  open(wire: Wire): void {
    if (this.dead) return wire.abort();
    this.wire = wire;
    if (isProxied(this.backend.address)) {
      const header = this.#mandate.header(wire);
      if (header === undefined) return this.#lose("refused", NAMELESS);
      wire.write(header);
    }
    this.#move(this.#handshake.begin());
  }

  data(bytes: Uint8Array): void {
    if (this.dead) return;
    this.#unproven = false;
    this.read(bytes);
  }

  drain(): void {
    if (this.dead) return;
    this.setDeadline();
    this.holder.drained();
  }

  end(): void {
    this.#lose(this.replies.torn ? "torn" : "closed", "the backend closed the connection");
  }

  close(error: Error | undefined): void {
    if (this.#shaking || (this.#unproven && error !== undefined && isTlsFault(error))) {
      return this.#tlsFailed(error?.message ?? "the backend closed the connection");
    }
    const why = this.wire === undefined ? "refused" : this.replies.torn ? "torn" : "closed";
    this.#lose(why, error?.message ?? "the backend closed the connection");
  }

  // ---- the replies ----

  protected misread(event: Misread): void {
    this.#lose(event.fault, faultText(event, this.backend.address), event.step);
  }

  protected answered(step: Step, reply: Reply): void {
    const positive = severity(reply) === 2;
    switch (step) {
      case "greeting":
      case "ehlo":
      case "helo":
      case "starttls":
      case "xclient":
        return this.#move(this.#handshake.reply(step, reply), step);
      case "auth":
        return this.#loginAnswered(reply);
      default:
        // Nobody can have taken what was not all sent.
        if (positive && (step === "end" || step === "chunk") && this.unsent) {
          return this.#lose("unasked", "a reply came before what it answers", step);
        }
        if (!positive && step !== "data" && step !== "xforward") this.refusals++;
        this.holder.reply(step, reply);
    }
  }

  #loginAnswered(reply: Reply): void {
    const move = this.#handshake.reply("auth", reply);
    if (severity(reply) === 2) this.backend.login.accepted();
    // 4yz says nothing of the password (RFC 4954 §6).
    if (move.kind === "fault" && reply.code >= 500) {
      this.backend.login.refused(move.detail, this.around.now());
    }
    this.#move(move, "auth");
  }

  // ---- the handshake ----

  /** @param after the step that was answered */
  #move(move: Move, after?: Step): void {
    switch (move.kind) {
      case "send":
        this.send(move.step, move.line);
        this.flush();
        return;
      case "await":
        return this.expect(move.step);
      case "secure":
        return this.#secure();
      case "ready":
        return this.#ready(move.extensions);
      case "refused":
        return this.#refused(move.reply);
      case "fault":
        return this.#lose("refused", move.detail, after);
    }
  }

  /** The backend does not want this client; it is not to blame, and is left in order. */
  #refused(verdict: Reply): void {
    const detail = `${this.backend.name}: it refuses the client`;
    const loss: Loss = { why: "refused", step: undefined, detail, personal: true, verdict };
    this.quit();
    this.around.watch?.lost(this, loss);
    this.holder.lost(loss);
  }

  #secure(): void {
    // What came with the reply was not encrypted, and could be anybody's.
    if (!this.replies.quiet) return this.#lose("unasked", "octets came before TLS");
    this.#shaking = true;
    this.deadline = this.around.now() + this.around.times.hello;
    this.wire!.secureAsClient(this.around.tls(this.backend.address), ({ peer }) => {
      this.#shaking = false;
      this.#unproven = true;
      const { verify, pins, ca } = this.backend.address;
      // A chain to a public CA does not say whose certificate it is.
      this.secured = peer?.verified === true && (verify === "name" || pins.length > 0 || ca !== undefined);
      this.#move(this.#handshake.secured());
    });
  }

  #tlsFailed(detail: string): void {
    this.#shaking = false;
    const again = tlsMode(this.backend.address) === "opportunistic";
    if (again) {
      this.backend.plainUntil = this.around.now() + PLAIN_FOR;
      this.around.watch?.inTheClear(this.backend, detail);
    }
    this.#lose("tls", detail, "starttls", { again });
  }

  #ready(offered: Extensions): void {
    const extensions = this.secured ? offered : offeredUnsecured(offered);
    this.extensions = extensions;
    this.handshaken = true;
    this.#mandate.told = this.#handshake.named;
    // One client's greeting that is not taken to EHLO must not decide what all others are offered.
    if (!this.#mandate.told || extensions.size > 0) this.backend.extensions = extensions;
    const { inTheClear } = this.#handshake;
    if (inTheClear !== undefined) this.around.watch?.inTheClear(this.backend, inTheClear);
    this.around.watch?.ready(this);
    this.holder.ready(this);
  }

  #lose(
    why: Loss["why"],
    detail: string,
    step: Step | undefined = this.replies.awaited,
    more: Pick<Loss, "again"> = {},
  ): void {
    if (this.dead) return;
    this.abort();
    const personal = !this.handshaken && this.#handshake.named;
    const loss = { why, step, detail: `${this.backend.name}: ${detail}`, personal, ...more };
    this.around.watch?.lost(this, loss);
    this.holder.lost(loss);
  }
}
