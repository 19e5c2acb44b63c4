/**
 * One connection on node:net and node:tls. net.Socket queues by itself and keeps a reference to what it
 * is given, so every write is a copy.
 */

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { codedError, endpointError, plainHost } from "./address.ts";
import { askTls, chainError, peerCertificate, serveTls, tlsFacts, Transport } from "./node_tls.ts";
import { nobody, OrderedWire } from "./ordered.ts";
import { ClientTls } from "./tls_client.ts";
import { type ServerTls, serverTls } from "./tls_server.ts";
import type { Address, ConnectOwner, Endpoint, TlsClientOptions, TlsFacts, TlsService } from "./wire.ts";

/** Milliseconds a closing wire waits for its peer. */
const LINGER = 4_000;

/** A wire over a net.Socket. */
export class NodeWire extends OrderedWire {
  readonly #socket: Socket;
  /** Where plain or decrypted bytes come from and go to: the socket, or TLS over it. */
  #stream: Socket;
  /** What TLS writes to; it has a queue of its own. */
  #transport: Transport | undefined = undefined;
  /** This end is TLS's server, or its client. */
  #server: ServerTls | undefined = undefined;
  #client: ClientTls | undefined = undefined;
  readonly #endpoint: Endpoint;
  #remote: Address | undefined = undefined;
  #local: Address | undefined = undefined;
  #connecting = false;
  /** A `write` was answered false: the owner waits for `drain`. */
  #owed = false;
  #ending = false;
  #closing = false;
  #fault: Error | undefined = undefined;
  #linger: ReturnType<typeof setTimeout> | undefined = undefined;

  /** @param endpoint what was listened on or is connected to */
  constructor(socket: Socket, endpoint: Endpoint) {
    super();
    this.#socket = this.#stream = socket;
    this.#endpoint = endpoint;
    this.#listenTo(socket);
  }

  get remote(): Address {
    return (this.#remote ??= this.#address(this.#socket.remoteAddress, this.#socket.remotePort));
  }

  get local(): Address {
    return (this.#local ??= this.#address(this.#socket.localAddress, this.#socket.localPort));
  }

  get queued(): number {
    if (this.over) return 0;
    const plain = this.#socket.writableLength;
    if (this.#transport === undefined) return plain;
    return this.#stream.writableLength + this.#transport.writableLength + plain;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ending || this.over) return false;
    const wanted = this.#stream.write(new Uint8Array(bytes));
    // Deno's TLSSocket says true whatever waits below it.
    if (wanted && !this.#transport?.writableNeedDrain) return true;
    this.#owed = true;
    return false;
  }

  end(): void {
    if (this.#ending || this.over) return;
    this.#ending = true;
    this.#stream.end();
  }

  /** FIN, then wait for the peer's: see `BunWire.close`. */
  close(): void {
    if (this.#closing || this.over) return;
    this.#closing = true;
    this.deafen();
    this.#stream.resume();
    this.#linger = setTimeout(() => this.#lingered(), LINGER);
    (this.#linger as { unref?(): void }).unref?.();
    this.end();
  }

  abort(): void {
    if (this.over) return;
    this.deafen();
    this.finished(undefined);
    this.#reset();
  }

  secure(service: TlsService, done: (facts: TlsFacts) => void, early?: Uint8Array): void {
    const read = early && new Uint8Array(early); // a Buffer would slice to a view
    this.#upgradeBy((transport) => {
      const server = this.#server = serverTls(service);
      const stream = serveTls(transport, server, read);
      stream.once("secure", () => this.#judge(stream, server, done));
      return stream;
    });
  }

  secureAsClient(options: TlsClientOptions, done: (facts: TlsFacts) => void): void {
    this.#upgradeBy((transport) => {
      const client = new ClientTls(options, this.remote);
      const stream = askTls(transport, client);
      this.#client = client;
      stream.once("secureConnect", () => this.#judge(stream, client, done));
      return stream;
    });
  }

  #upgradeBy(start: (transport: Transport) => TLSSocket): void {
    if (this.#ending || this.over) return;
    this.deafen();
    const socket = this.#socket;
    for (const event of EVENTS) socket.removeAllListeners(event);
    try {
      const transport = new Transport(socket);
      const stream = start(transport);
      this.#transport = transport;
      this.#stream = stream;
      transport.on("drain", () => this.#drained());
      this.#listenTo(stream);
      socket.on("end", () => this.#left());
      stream.on("_tlsError", (error: Error) => this.#failed(error));
    } catch (cause) {
      socket.on("error", ignore);
      this.#failed(cause as Error);
    }
  }

  /** An outgoing connection: `open` is told when it is there, `close` when it cannot be. */
  expectConnect(): void {
    this.#connecting = true;
    this.#socket.once("connect", () => {
      this.#connecting = false;
      if (!this.over) (this.owner as ConnectOwner).open(this);
    });
  }

  /** An outgoing connection could not be made. */
  refused(cause: unknown): void {
    this.finished(endpointError("connect to", this.#endpoint, cause));
  }

  /** The owner gives up a connection that is not open yet. */
  cancel(): void {
    if (!this.#connecting) return;
    this.owner = nobody;
    this.over = true;
    this.#socket.destroy();
  }

  protected setReading(on: boolean): void {
    if (this.over) return;
    if (on) this.#stream.resume();
    else this.#stream.pause();
  }

  #address(host: string | undefined, port: number | undefined): Address {
    if ("path" in this.#endpoint) return { host: this.#endpoint.path, port: 0 };
    return { host: plainHost(host ?? ""), port: port ?? 0 };
  }

  #listenTo(stream: Socket): void {
    stream.on("data", (bytes: Uint8Array) => this.received(bytes));
    stream.on("end", () => this.receivedEnd());
    stream.on("drain", () => this.#drained());
    stream.on("error", (error) => this.#failed(error));
    stream.on("close", () => this.#closed());
  }

  #drained(): void {
    if (!this.#owed || this.deaf) return;
    if (this.#stream.writableNeedDrain || this.#transport?.writableNeedDrain) return;
    this.#owed = false;
    this.owner.drain();
  }

  /** Is this the server that was meant, or a client that may come in? */
  #judge(stream: TLSSocket, judge: ClientTls | ServerTls, done: (facts: TlsFacts) => void): void {
    if (this.over) return;
    const peer = judge.judge(peerCertificate(stream), chainError(stream));
    if (peer instanceof Error) this.#fail(peer);
    else this.#secured(stream, tlsFacts(stream, peer, judge.asks), done);
  }

  #secured(stream: TLSSocket, facts: TlsFacts, done: (facts: TlsFacts) => void): void {
    if (this.over) return;
    this.tls = facts;
    this.deaf = this.#closing;
    if (this.paused && !this.#closing) stream.pause();
    if (!this.#closing) done(facts);
  }

  #failed(error: Error): void {
    if (this.over) return;
    if (this.#connecting) this.refused(error);
    this.#fail(this.#inWords(error));
  }

  #inWords(error: Error): Error {
    return (this.#client ?? this.#server)?.fault(error, this.tls !== undefined) ?? error;
  }

  #fail(error: Error): void {
    this.finished(this.#fault ??= error);
    clearTimeout(this.#linger);
    // Later: a TLS alert that says why is still on its way down.
    setImmediate(() => {
      this.#socket.destroySoon();
      this.#stream.destroy();
    });
  }

  #closed(): void {
    clearTimeout(this.#linger);
    this.#left();
    this.finished(this.#fault);
  }

  /** The peer is gone; in the middle of a handshake that is an error, which not every TLSSocket reports. */
  #left(): void {
    const shaking = this.#stream !== this.#socket && this.tls === undefined;
    if (shaking) this.#failed(codedError("ECONNRESET", "Cannot finish the TLS handshake: the peer left"));
  }

  #lingered(): void {
    const stuck = codedError("ETIMEDOUT", "Cannot close in order: the peer does not read");
    this.finished(this.queued > 0 ? stuck : undefined);
    this.#reset();
  }

  /** RST: what is queued is never sent. */
  #reset(): void {
    clearTimeout(this.#linger);
    this.#socket.resetAndDestroy();
    this.#stream.destroy();
  }
}

const EVENTS = ["data", "end", "drain", "error", "close"];

function ignore(): void {}
