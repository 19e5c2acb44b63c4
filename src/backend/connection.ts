/**
 * One connection to a backend: the client machine (`smtp/client`) on a wire, from the dial to the last reply.
 * It knows steps and replies, nothing of what a transaction is.
 */
import type { Connecting, ConnectOwner, Network, TlsClientOptions, Wire } from "../net/wire.ts";
import type { Reply } from "../smtp/reply.ts";
import type { BackendAddress, BackendTimes } from "../policy/settings.ts";
import type { Backend } from "./backend.ts";
import { Client, type ClientEvent, type ClientFault, type Step } from "../smtp/client.ts";
import { type Extensions, NO_EXTENSIONS, offeredUnsecured } from "../smtp/extensions.ts";
import { join, type Octets } from "../smtp/octets.ts";
import { latin1, severity } from "../smtp/reply.ts";
import { tlsMode } from "../policy/backend_security.ts";
import { Handshake, isProxied, mayName, type Move, mustTell } from "./handshake.ts";
import { type Identity, identityKey, proxyHeader, takesNames } from "./identity.ts";
import { ENVELOPE, timeFor } from "./reply_times.ts";

/** Why a connection ended other than by our own wish. */
export interface Loss {
  readonly why: "refused" | "closed" | "torn" | "timeout" | "tls" | ClientFault;
  /** The step that was waiting for its reply. */
  readonly step: Step | undefined;
  /** For the log. */
  readonly detail: string;
  /** What the backend says to the client whom it was told of: it refuses that client, and is well itself. */
  readonly verdict?: Reply | undefined;
  /** It came to pass after the backend was told of a client: it may be about that client. */
  readonly personal?: boolean | undefined;
  /** The same backend may do without what failed: TLS, where it is opportunistic. */
  readonly again?: boolean | undefined;
}

/** Whether the backend said what nobody had asked for. */
export function isOutOfTurn({ why }: Loss): boolean {
  return why === "unasked" || why === "unexpected";
}

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
export interface Surroundings {
  readonly network: Network;
  readonly hostname: string;
  readonly times: BackendTimes;
  /** How TLS is done there; the same object each time, so that sessions are resumed. */
  tls(address: BackendAddress): TlsClientOptions;
  now(): number;
  readonly watch?: Watch;
}

/** Milliseconds that a backend whose opportunistic TLS has failed is spoken to without. */
export const PLAIN_FOR = 600_000;
/** The wire's word for an alert that came when TLS was agreed on for us (TLS 1.3 judges our certificate last). */
const isTlsFault = (error: Error) => error.message.startsWith("Cannot speak TLS");
const NAMELESS = "the client has no address that a PROXY header could tell, and ours it must not have";

export class Connection implements ConnectOwner {
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
  /** When the backend has taken too long; Infinity while nothing is awaited. */
  deadline: number;
  #wire: Wire | undefined;
  readonly #connecting: Connecting;
  readonly #client = new Client();
  readonly #around: Surroundings;
  #identity: Identity | undefined;
  /** Made when it is first asked for. */
  #key: string | undefined;
  #handshake: Handshake;
  /** The backend knows for whom it speaks. */
  #told = false;
  /** TLS is being agreed on. */
  #shaking = false;
  /** TLS is agreed on as far as we can tell, and nothing has come through it yet. */
  #unproven = false;
  #out: Octets[] = [];
  #dead = false;
  #chunkWritten = false;
  #awaitedSince = 0;

  /** @param identity whom it will speak for; undefined for ourselves */
  constructor(backend: Backend, around: Surroundings, holder: Holder, identity?: Identity) {
    this.backend = backend;
    this.#identity = identity;
    this.holder = holder;
    this.#around = around;
    this.openedAt = around.now();
    this.deadline = this.openedAt + around.times.connect;
    this.#handshake = this.#newHandshake(identity);
    this.#connecting = around.network.connect(backend.endpoint, this);
  }

  #newHandshake(client: Identity | undefined): Handshake {
    const { backend } = this;
    const { hostname, now } = this.#around;
    return new Handshake({
      address: backend.address,
      hostname,
      client,
      plain: now() < backend.plainUntil,
      refusedLogin: () => backend.login.barred(now()),
    });
  }

  /** The backend knows for whom it speaks. */
  get speaks(): boolean {
    return this.#told;
  }

  /** Whether it speaks for this very client. */
  speaksFor(identity: Identity): boolean {
    if (this.#identity === undefined) return false;
    if (this.#identity === identity) return true;
    // Nobody knows one who has no address from another.
    if (identity.unknown) return false;
    return (this.#key ??= identityKey(this.#identity)) === identityKey(identity);
  }

  /** Whether a transaction of this client can be had on it, if need be after `rename`. */
  canServe(identity: Identity): boolean {
    if (this.#canName) return true;
    return this.#told ? this.speaksFor(identity) : !mustTell(this.backend.address);
  }

  /** It speaks for one client only, who has left. */
  get deserted(): boolean {
    return this.#told && !this.#canName && this.#identity?.present?.() === false;
  }

  /** The backend must be told first that it is this client's now. */
  mustName(identity: Identity): boolean {
    return this.#canName && !this.speaksFor(identity);
  }

  /** It can be made to speak for another client: the backend offers XCLIENT even now. */
  get #canName(): boolean {
    return mayName(this.backend.address) && takesNames(this.extensions);
  }

  /** Makes it speak for another client; the holder is told `ready` as after the dial. */
  rename(identity: Identity): void {
    this.#identity = identity;
    this.#key = undefined;
    this.handshaken = false;
    this.renamed = true;
    this.#handshake = this.#newHandshake(identity);
    this.#move(this.#handshake.rename(this.extensions, this.#wire!.tls !== undefined));
  }

  /** Nothing is owed, nothing unread, nothing unsent: fit for another transaction. */
  get quiet(): boolean {
    return !this.#dead && this.#client.quiet && this.#out.length === 0 && this.#wire!.queued === 0;
  }

  /** Queues a command line (without CRLF, one character per byte) whose reply is `step`; `flush` sends it. */
  send(step: Step, line: string): void {
    this.command(line);
    this.expect(step);
  }

  /** Queues a command line; what it makes the backend owe is said by `expect`. */
  command(line: string): void {
    this.#out.push(line + "\r\n");
  }

  /** A reply to `step` is owed for what was or will be written. */
  expect(step: Step): void {
    this.#client.expect(step);
    if (step === "chunk") this.#chunkWritten = false;
    if (this.#client.awaited === step) this.#await();
  }

  /** All octets of the chunk have been written: its reply is due from now on. */
  chunkWritten(): void {
    this.deadline = this.#around.now() + this.#around.times.end;
    this.#chunkWritten = true;
  }

  /** Queues octets; they must not change before `flush`. */
  write(octets: Octets): void {
    this.#out.push(octets);
  }

  /** Sends what is queued in one write. False: the backend is slow, wait for `drained`. */
  flush(): boolean {
    if (this.#dead || this.#wire === undefined) return true;
    if (this.#out.length === 0) return this.#wire.queued === 0;
    const out = this.#out;
    this.#out = [];
    const taken = this.#wire.write(join(out));
    const { awaited } = this.#client;
    if (!taken && (awaited === undefined || (awaited === "chunk" && !this.#chunkWritten))) {
      this.deadline = this.#around.now() + this.#around.times.block;
    }
    return taken;
  }

  /** Ends it now: queued octets are dropped, the holder is told nothing. */
  abort(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#out = [];
    if (this.#wire === undefined) this.#connecting.cancel();
    else this.#wire.abort();
  }

  /** Takes its leave; only on a quiet connection. */
  quit(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#wire!.write(latin1("QUIT\r\n"));
    this.#wire!.close();
  }

  /** To be called now and then. */
  tick(now: number): void {
    if (now >= this.deadline) {
      if (this.#shaking) return this.#tlsFailed("no TLS in time");
      this.#lose("timeout", this.#wire === undefined ? "connecting took too long" : "no reply in time");
    }
  }

  /** Milliseconds that a reply before the message has been awaited; 0 where none is. */
  envelopeWait(now: number): number {
    const step = this.#client.awaited;
    return step !== undefined && ENVELOPE.has(step) ? now - this.#awaitedSince : 0;
  }

  /** Ends it as lost, for a reason that the connection itself cannot see. */
  fail(why: Loss["why"], detail: string): void {
    this.#lose(why, detail);
  }

  // ---- the wire's side ----

  open(wire: Wire): void {
    if (this.#dead) return wire.abort();
    this.#wire = wire;
    const { identity } = this.backend.address;
    if (isProxied(this.backend.address)) {
      const header = proxyHeader(identity === "proxy-v1" ? 1 : 2, this.#identity, wire);
      if (header === undefined) return this.#lose("refused", NAMELESS);
      wire.write(header);
    }
    this.#move(this.#handshake.begin());
  }

  data(bytes: Uint8Array): void {
    if (this.#dead) return;
    this.#unproven = false;
    this.#client.receive(bytes);
    for (;;) {
      const event = this.#client.next();
      if (event === undefined) break;
      if (event.kind === "fault") {
        return this.#lose(event.fault, faultText(event, this.backend.address), event.step);
      }
      this.#await();
      this.#answered(event.step, event.reply);
      if (this.#dead) return;
    }
    this.#client.keep();
  }

  drain(): void {
    if (this.#dead) return;
    this.#await();
    this.holder.drained();
  }

  end(): void {
    this.#lose(this.#client.torn ? "torn" : "closed", "the backend closed the connection");
  }

  close(error: Error | undefined): void {
    if (this.#shaking || (this.#unproven && error !== undefined && isTlsFault(error))) {
      return this.#tlsFailed(error?.message ?? "the backend closed the connection");
    }
    const why = this.#wire === undefined ? "refused" : this.#client.torn ? "torn" : "closed";
    this.#lose(why, error?.message ?? "the backend closed the connection");
  }

  #answered(step: Step, reply: Reply): void {
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
        if (positive && (step === "end" || step === "chunk") && this.#unsent) {
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
      this.backend.login.refused(move.detail, this.#around.now());
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
    this.#around.watch?.lost(this, loss);
    this.holder.lost(loss);
  }

  #secure(): void {
    // What came with the reply was not encrypted, and could be anybody's.
    if (!this.#client.quiet) return this.#lose("unasked", "octets came before TLS");
    this.#shaking = true;
    this.deadline = this.#around.now() + this.#around.times.hello;
    this.#wire!.secureAsClient(this.#around.tls(this.backend.address), ({ peer }) => {
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
      this.backend.plainUntil = this.#around.now() + PLAIN_FOR;
      this.#around.watch?.inTheClear(this.backend, detail);
    }
    this.#lose("tls", detail, "starttls", { again });
  }

  #ready(offered: Extensions): void {
    const extensions = this.secured ? offered : offeredUnsecured(offered);
    this.extensions = extensions;
    this.handshaken = true;
    this.#told = this.#handshake.named;
    // One client's greeting that is not taken to EHLO must not decide what all others are offered.
    if (!this.#told || extensions.size > 0) this.backend.extensions = extensions;
    const { inTheClear } = this.#handshake;
    if (inTheClear !== undefined) this.#around.watch?.inTheClear(this.backend, inTheClear);
    this.#around.watch?.ready(this);
    this.holder.ready(this);
  }

  get #unsent(): boolean {
    return this.#out.length > 0 || this.#wire!.queued > 0;
  }

  /** Sets the deadline for the reply that is awaited now. */
  #await(): void {
    const step = this.#client.awaited;
    this.#awaitedSince = this.#around.now();
    // While the client still sends the chunk, its pace is not the backend's fault.
    if (step === "chunk" && !this.#chunkWritten) {
      this.deadline = Infinity;
      return;
    }
    this.deadline = step === undefined ? Infinity : this.#around.now() + timeFor(step, this.#around.times);
  }

  #lose(
    why: Loss["why"],
    detail: string,
    step: Step | undefined = this.#client.awaited,
    more: Pick<Loss, "again"> = {},
  ): void {
    if (this.#dead) return;
    this.abort();
    const personal = !this.handshaken && this.#handshake.named;
    const loss = { why, step, detail: `${this.backend.name}: ${detail}`, personal, ...more };
    this.#around.watch?.lost(this, loss);
    this.holder.lost(loss);
  }
}

/** What no reply was, for the log; where we authenticate it may be an echo of the credentials, however late it comes. */
function faultText(
  { step, fault, text }: ClientEvent & { kind: "fault" },
  { login }: BackendAddress,
): string {
  if (step === "auth") return "no possible reply to AUTH (its text is hidden)";
  return login === undefined || fault === "421" ? text : "no possible reply (its text is hidden)";
}
