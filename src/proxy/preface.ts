/**
 * A connection before its session: what says first whose connection it is, a PROXY header, is read here, and only then
 * is there a client that can be greeted and judged. TLS from the first octet (implicit TLS) begins behind the header.
 */
import { type ProxyHeader, ProxyReader } from "../net/proxy_protocol.ts";
import type { TlsService, Wire, WireOwner } from "../net/wire.ts";
import type { After } from "../policy/engine.ts";
import { headerBegins } from "./signature.ts";

/** Milliseconds for a header to come: its sender is near, and writes it at once. */
const HEADER_TIME = 5_000;
/**
 * Milliseconds until a trusted host that is silent is greeted as one that sends no header: only a listener that
 * requires one can know. Nobody is greeted where TLS comes first: there the first octets tell.
 */
const GRACE = 300;

/** How a connection begins. */
export interface Beginning {
  readonly header: "off" | "optional" | "required";
  /** Implicit TLS, behind the header. */
  readonly tls: TlsService | undefined;
  /** Milliseconds for its handshake. */
  readonly handshakeTime: number;
  readonly wait: After;
}

/** Who goes on. Exactly one of these is told, once. */
export interface PrefaceOwner {
  /**
   * @param header undefined: there was none
   * @param early octets that came behind it before the greeting; void after the call
   */
  began(header: ProxyHeader | undefined, early: Uint8Array): void;
  /** What came was no header: the connection is still open, and must not be anybody's. */
  faulty(fault: string): void;
  /** A header came where none is taken and TLS should begin: the connection has been ended, since nobody could read a reply. */
  stray(): void;
  /**
   * The connection is gone.
   * @param error why TLS came to nothing, where it was that
   */
  left(error?: Error): void;
}

const NOTHING = new Uint8Array(0);

export class Preface implements WireOwner {
  readonly #wire: Wire;
  readonly #beginning: Beginning;
  readonly #owner: PrefaceOwner;
  readonly #reader = new ProxyReader();
  /** What has come while it is open whether a header begins. */
  #first = NOTHING;
  #isHeader: boolean;
  /** TLS has begun. */
  #securing = false;
  #over = false;
  #stop = (): void => {};

  constructor(wire: Wire, beginning: Beginning, owner: PrefaceOwner) {
    this.#wire = wire;
    this.#beginning = beginning;
    this.#owner = owner;
    const { header, tls, wait } = beginning;
    this.#isHeader = header === "required";
    this.#stop = this.#isHeader
      ? this.#expire()
      : tls === undefined
      ? wait(GRACE, () => this.#begin(undefined, NOTHING))
      : this.#shakeWithin();
  }

  /** Ends the connection. */
  abort(): void {
    this.#settle(() => this.#owner.left());
    this.#wire.abort();
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    if (this.#isHeader) return this.#read(bytes);
    const all = this.#first.length === 0 ? bytes : Buffer.concat([this.#first, bytes]);
    const begins = headerBegins(all);
    if (begins === "no") return this.#begin(undefined, all);
    if (this.#beginning.header === "off") return begins === "yes" ? this.#astray() : this.#keep(all);
    if (this.#first.length === 0) {
      this.#stop();
      this.#stop = this.#expire();
    }
    if (begins === "maybe") return this.#keep(all);
    this.#isHeader = true;
    this.#read(all);
  }

  end(): void {
    this.abort();
  }

  close(error: Error | undefined): void {
    this.#settle(() => this.#owner.left(this.#securing ? error : undefined));
  }

  drain(): void {}

  /** Until more octets tell. */
  #keep(octets: Uint8Array): void {
    this.#first = Uint8Array.from(octets);
  }

  #astray(): void {
    this.#settle(() => this.#owner.stray());
    this.#wire.abort();
  }

  #shakeWithin(): () => void {
    const { wait, handshakeTime } = this.#beginning;
    return wait(handshakeTime, () => {
      const why = `Cannot speak TLS with the client: no handshake within ${handshakeTime} ms`;
      this.#settle(() => this.#owner.left(new Error(why)));
      this.#wire.abort();
    });
  }

  #expire(): () => void {
    return this.#beginning.wait(HEADER_TIME, () => {
      const fault = `no whole PROXY header came within ${HEADER_TIME / 1000} s`;
      this.#settle(() => this.#owner.faulty(fault));
    });
  }

  #read(bytes: Uint8Array): void {
    const read = this.#reader.push(bytes);
    if (read === undefined) return;
    if ("fault" in read) this.#settle(() => this.#owner.faulty(read.fault));
    else this.#begin(read.header, read.rest);
  }

  #begin(header: ProxyHeader | undefined, early: Uint8Array): void {
    const { tls } = this.#beginning;
    if (tls === undefined) return this.#settle(() => this.#owner.began(header, early));
    this.#securing = true;
    this.#stop();
    this.#stop = this.#shakeWithin();
    // Not slice(): a Buffer's copies nothing, and the octets are void after this call.
    const kept = Uint8Array.from(early);
    this.#wire.secure(tls, () => this.#settle(() => this.#owner.began(header, NOTHING)), kept);
  }

  #settle(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#stop();
    tell();
  }
}
