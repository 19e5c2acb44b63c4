/**
 * One connection on Bun's native sockets. This is the hot path: a write goes straight to the kernel and
 * is copied only when the kernel is full, and nothing is allocated per event. The second half of the
 * class is what Bun's callbacks (`wireHandlers`) tell it.
 */

import { codedError, endpointError, plainHost } from "./address.ts";
import type { BunHandlers, BunSocket } from "./bun_socket.ts";
import { askTls, serveTls, tlsFacts } from "./bun_tls.ts";
import { nobody, OrderedWire } from "./ordered.ts";
import { copyOf, giveBack } from "./spare.ts";
import { ClientTls } from "./tls_client.ts";
import { isCertificateError } from "./tls_peer.ts";
import { type ServerTls, serverTls } from "./tls_server.ts";
import type {
  Address,
  ConnectOwner,
  Endpoint,
  TlsClientOptions,
  TlsFacts,
  TlsPeer,
  TlsService,
} from "./wire.ts";

type Socket = BunSocket<BunWire>;

/** Seconds a closing wire waits for its peer: 4 to 8, since Bun looks every 4 s and so may cut 4 s off. */
const LINGER = 8;
/** The queue of a wire that never had to queue: shared, never written to. */
const NONE: Uint8Array[] = [];

/** The socket of a wire that is not connected yet. */
export const NO_SOCKET = undefined as unknown as Socket;

interface Upgrade {
  /** Makes the plain socket a secure one. */
  readonly start: () => [plain: Socket, secure: Socket];
  readonly done: (facts: TlsFacts) => void;
  /** Plain bytes written before `secure` that must leave first. */
  readonly before: Uint8Array[];
}

/** A wire over a Bun socket; `socket.data` of that socket is the wire. */
export class BunWire extends OrderedWire {
  queued = 0;
  #socket: Socket;
  readonly #endpoint: Endpoint;
  #remote: Address | undefined = undefined;
  #local: Address | undefined = undefined;
  #queue = NONE;
  /** `write` must queue: something is queued already, or a handshake is ahead. */
  #blocked = false;
  /** FIN goes out (or went) behind the queue. */
  #ending = false;
  #closing = false;
  /** TLS that starts when the kernel has taken the plain bytes. */
  #upgrade: Upgrade | undefined = undefined;
  /** Whom to tell of the handshake that is under way. */
  #shaking: ((facts: TlsFacts) => void) | undefined = undefined;
  /** This end is TLS's server, or its client. */
  #server: ServerTls | undefined = undefined;
  #client: ClientTls | undefined = undefined;
  /** Why the socket is about to close, where Bun tells that earlier than `close`. */
  #fault: Error | undefined = undefined;

  /** @param endpoint what was listened on or is connected to */
  constructor(socket: Socket, endpoint: Endpoint) {
    super();
    this.#socket = socket;
    this.#endpoint = endpoint;
  }

  get remote(): Address {
    return (this.#remote ??= this.#address(this.#socket.remoteAddress, this.#socket.remotePort));
  }

  get local(): Address {
    return (this.#local ??= this.#address(this.#socket.localAddress, this.#socket.localPort));
  }

  write(bytes: Uint8Array): boolean {
    if (this.#blocked || this.#ending || this.over) return this.#writeLater(bytes, 0);
    const taken = this.#socket.write(bytes);
    return taken === bytes.length || this.#writeLater(bytes, taken);
  }

  end(): void {
    if (this.#ending || this.over) return;
    this.#ending = true;
    if (!this.#blocked) this.#socket.shutdown();
  }

  /**
   * FIN, then wait for the peer's: a close(2) with unread input sends RST, and on RST the peer's kernel
   * may throw away our last reply.
   */
  close(): void {
    if (this.#closing || this.over) return;
    this.#closing = true;
    this.deafen();
    if (this.paused && this.#upgrade === undefined) this.#socket.resume();
    this.#socket.timeout(LINGER);
    this.end();
  }

  abort(): void {
    if (this.over) return;
    this.deafen();
    this.finished(undefined);
    this.#socket.terminate();
  }

  secure(service: TlsService, done: (facts: TlsFacts) => void, early?: Uint8Array): void {
    const read = early && new Uint8Array(early); // a Buffer would slice to a view
    this.#upgradeBy(() => {
      this.#server = serverTls(service);
      return serveTls(this.#socket, this.#server, wireHandlers, read);
    }, done);
  }

  secureAsClient(options: TlsClientOptions, done: (facts: TlsFacts) => void): void {
    this.#upgradeBy(() => {
      this.#client = new ClientTls(options, this.remote);
      return askTls(this.#socket, this.#client, wireHandlers);
    }, done);
  }

  #upgradeBy(start: Upgrade["start"], done: (facts: TlsFacts) => void): void {
    if (this.#ending || this.over) return;
    // What came early came in plain and is an injection (CVE-2011-0411): never delivered.
    this.deafen();
    this.#upgrade = { start, done, before: this.#queue };
    this.#queue = NONE;
    if (this.#blocked) this.#socket.pause();
    else this.#startTls();
  }

  protected setReading(on: boolean): void {
    if (this.over) return;
    if (on) this.#socket.resume();
    else this.#socket.pause();
  }

  #address(host: string | undefined, port: number): Address {
    if ("path" in this.#endpoint) return { host: this.#endpoint.path, port: 0 };
    return { host: plainHost(host ?? ""), port };
  }

  /**
   * Queues what the kernel did not take. A negative `taken` means that the connection is gone: nobody may wait for room
   * that never comes, since a paused socket is not told of its end.
   */
  #writeLater(bytes: Uint8Array, taken: number): boolean {
    if (taken < 0) return true;
    if (this.#ending || this.over) return false;
    if (this.#queue === NONE) this.#queue = [];
    this.#queue.push(copyOf(bytes, taken));
    this.queued += bytes.length - taken;
    this.#blocked = true;
    return false;
  }

  /** Hands a queue to the kernel; true when all of it went. */
  #flush(queue: Uint8Array[]): boolean {
    for (let bytes = queue[0]; bytes !== undefined; bytes = queue[0]) {
      const taken = this.#socket.write(bytes);
      if (taken < 0) {
        queue.length = this.queued = 0;
        return true;
      }
      this.queued -= taken;
      if (taken < bytes.length) {
        queue[0] = bytes.subarray(taken);
        return false;
      }
      queue.shift();
      giveBack(bytes);
    }
    return true;
  }

  #startTls(): void {
    const { start, done } = this.#upgrade!;
    this.#upgrade = undefined;
    this.expectHandshake(done);
    try {
      const [plain, secure] = start();
      // The plain half goes on reporting, ciphertext and all: from now on to nobody.
      plain.data = BunWire.#retired;
      this.#socket = secure;
      secure.resume();
    } catch (cause) {
      this.failed(cause as Error);
    }
  }

  // What the socket's callbacks tell.

  /** The socket does, or is about to do, a TLS handshake. */
  expectHandshake(done: (facts: TlsFacts) => void): void {
    this.deafen();
    this.#blocked = true;
    this.#shaking = done;
  }

  /** An outgoing connection is open. */
  connected(socket: Socket): void {
    this.#socket = socket;
    if (this.over) socket.terminate();
    else (this.owner as ConnectOwner).open(this);
  }

  /** An outgoing connection could not be made. */
  refused(cause: unknown): void {
    this.finished(endpointError("connect to", this.#endpoint, cause));
  }

  /** The owner gives up a connection that is not open yet. Bun cannot stop it: `connected` will. */
  cancel(): void {
    if (this.#socket !== NO_SOCKET) return;
    this.owner = nobody;
    this.over = true;
  }

  /** There is room for writing. Bun also says so when nothing waits. */
  drained(): void {
    if (!this.#blocked || this.#shaking !== undefined) return;
    if (!this.#flush(this.#upgrade?.before ?? this.#queue)) return;
    if (this.#upgrade !== undefined) return this.#startTls();
    this.#blocked = false;
    if (this.#ending) this.#socket.shutdown();
    if (!this.deaf) this.owner.drain();
  }

  /** The handshake succeeded or failed; after a failure Bun closes the socket. */
  shook(success: boolean, error: Error | null): void {
    const done = this.#shaking;
    if (done === undefined || this.over) return;
    if (!success && !(this.#client !== undefined && isCertificateError(error))) {
      this.#fault = this.#inWords(error ?? codedError("EPROTO", "Cannot agree on TLS"));
      return;
    }
    const peer = this.#judgePeer();
    if (peer instanceof Error) return this.failed(peer);
    this.#shaking = undefined;
    const socket = this.#socket;
    this.tls = tlsFacts(socket, peer, this.#server?.asks);
    if (this.paused && !this.#closing) socket.pause();
    this.deaf = this.#closing;
    this.#blocked = this.#queue.length > 0 || this.#ending;
    if (!this.#closing) done(this.tls);
    if (!this.over) this.drained();
  }

  /** Whom the peer turned out to be; an Error if that is not good enough. */
  #judgePeer(): TlsPeer | Error | undefined {
    const judge = this.#client ?? this.#server;
    if (judge === undefined || this.#server?.clientCertificates === "off") return undefined;
    return judge.judge(this.#socket.getPeerX509Certificate(), this.#socket.getAuthorizationError());
  }

  #inWords(error: Error): Error {
    return (this.#client ?? this.#server)?.fault(error, this.tls !== undefined) ?? error;
  }

  /** The socket is gone. */
  closed(error: Error | undefined): void {
    const fault = this.#fault ?? error;
    if (fault === undefined) this.receivedEnd();
    this.finished(fault);
  }

  override finished(error: Error | undefined): void {
    super.finished(error);
    if (!this.over) return;
    this.#queue = NONE;
    this.queued = 0;
    this.#upgrade = undefined;
  }

  /** TLS broke, or something threw. */
  broke(error: Error): void {
    this.failed(this.#inWords(error));
  }

  /** It must end for this reason. */
  failed(error: Error): void {
    if (this.over) return;
    this.#fault ??= error;
    this.finished(this.#fault);
    this.#socket.terminate();
  }

  /**
   * A closing wire's peer did not close in time. Bun arms a timer of 120 s on every socket unasked, so this is told
   * of wires that are not closing at all: how long those may be silent is their owners' business.
   */
  lingered(): void {
    if (!this.#closing) return;
    if (this.queued > 0) {
      this.failed(codedError("ETIMEDOUT", "Cannot close in order: the peer does not read"));
    } else this.abort();
  }

  /** Who hears the plain half of an upgraded socket. */
  static readonly #retired = BunWire.#dead();

  static #dead(): BunWire {
    const wire = new BunWire(NO_SOCKET, { fd: -1 });
    wire.over = wire.deaf = wire.peerEnded = true;
    return wire;
  }
}

/** Reads smaller than this are left to the garbage collector. */
const LARGE = 16 * 1024;

/**
 * Frees what was read. Bun gives every read a buffer of its own, and the collector is in no hurry: a large message
 * would leave a tail of them several times the size of everything else.
 */
function discard(bytes: Uint8Array): void {
  // The buffer of a view is only made when it is asked for.
  if (bytes.byteLength < LARGE) return;
  const { buffer } = bytes;
  if (buffer.byteLength === bytes.byteLength) {
    (buffer as ArrayBuffer).transfer(0);
  }
}

/** One object for all sockets. */
export const wireHandlers: BunHandlers<BunWire> = {
  binaryType: "uint8array",
  data(socket, bytes) {
    socket.data.received(bytes);
    discard(bytes);
  },
  drain: (socket) => socket.data.drained(),
  end: (socket) => socket.data.receivedEnd(),
  close: (socket, error) => socket.data.closed(error),
  error: (socket, error) => socket.data.broke(error),
  timeout: (socket) => socket.data.lingered(),
  handshake: (socket, success, error) => socket.data.shook(success, error),
};
