/**
 * TLS over a connected net.Socket. TLSSocket gets a Duplex, not the socket itself: with
 * the socket, bytes that arrive while it changes hands can be lost (on Deno concurrent handshakes then
 * hang), and what each runtime does with the socket's own listeners differs. It costs nothing measurable.
 */

import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect, type SecureContext, TLSSocket } from "node:tls";
import { takesEcdsa } from "./client_hello.ts";
import type { ClientTls } from "./tls_client.ts";
import type { ServerTls } from "./tls_server.ts";
import type { TlsFacts, TlsPeer } from "./wire.ts";

/** The socket's bytes as a Duplex. Takes over the socket: its former listeners must be gone. */
export class Transport extends Duplex {
  readonly #socket: Socket;
  /** The beginning of what the peer sent, kept while it is wanted. */
  #first: Uint8Array[] | undefined = undefined;
  /** The write that waits for the socket to drain. */
  #written: (() => void) | undefined = undefined;

  constructor(socket: Socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.pause();
    socket.on("drain", () => this.#drained());
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  /** Lets the peer's bytes in, after those that were read already. */
  open(early?: Uint8Array): void {
    const socket = this.#socket;
    if (early !== undefined) this.#received(early);
    socket.on("data", (bytes: Uint8Array) => {
      if (!this.#received(bytes)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.resume();
  }

  /** Keeps the ClientHello for `first`. */
  keepFirst(): void {
    this.#first = [];
  }

  /** What came so far, once; an empty array unless `keepFirst` was called. */
  first(): Uint8Array {
    const first = Buffer.concat(this.#first ?? []);
    this.#first = undefined;
    return first;
  }

  #received(bytes: Uint8Array): boolean {
    this.#first?.push(bytes);
    return this.push(bytes);
  }

  override _read(): void {
    if (this.#socket.listenerCount("data") > 0) this.#socket.resume();
  }

  override _write(bytes: Uint8Array, _encoding: string, written: () => void): void {
    if (this.#socket.write(bytes)) written();
    else this.#written = written;
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #drained(): void {
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }
}

/**
 * Starts TLS as the server. The result tells `secure` after the handshake; before that, errors come as
 * `_tlsError` or `error`.
 */
export function serveTls(transport: Transport, server: ServerTls, early?: Uint8Array): TLSSocket {
  const { context, chooses, mixes, clientCertificates } = server;
  const stream = new TLSSocket(transport, {
    isServer: true,
    secureContext: context,
    requestCert: clientCertificates !== "off",
    rejectUnauthorized: clientCertificates === "required",
    ...((chooses || mixes) && {
      SNICallback: (name: string, chosen: (error: null, context: SecureContext) => void) =>
        // Deno shows the first certificate of a context only.
        chosen(
          null,
          mixes && !takesEcdsa(transport.first()) ? server.chooseWithoutEcdsa(name) : server.choose(name),
        ),
    }),
  });
  if (mixes) transport.keepFirst();
  // Deno's TLSSocket starts a few ticks later, and when a broken handshake is already waiting for it
  // there, it dies of a TypeError that nobody can catch: a client could end the process.
  setImmediate(() => transport.open(early));
  return stream;
}

/**
 * Starts TLS as the client. The result tells `secureConnect` after the handshake, whoever the peer is: the caller judges.
 */
export function askTls(transport: Transport, client: ClientTls): TLSSocket {
  const { context, session, serverName } = client;
  const stream = connect({
    socket: transport,
    secureContext: context,
    rejectUnauthorized: false,
    // The chain's error would hide behind the name's.
    checkServerIdentity: () => undefined,
    ...(serverName !== undefined && { servername: serverName }),
    ...(session !== undefined && { session: Buffer.from(session) }),
  });
  stream.on("session", (offered: Uint8Array) => client.offered(offered));
  setImmediate(() => transport.open());
  return stream;
}

/** The peer's certificate; undefined when it showed none. */
export function peerCertificate(socket: TLSSocket): X509Certificate | undefined {
  const { raw } = (socket.getPeerCertificate(true) ?? {}) as { raw?: Uint8Array };
  return raw === undefined ? undefined : new X509Certificate(raw);
}

/**
 * What is wrong with the peer's chain. Deno tells it of clients only in a part that Node does not document; when that is
 * gone nobody is verified any more.
 */
export function chainError(socket: TLSSocket): unknown {
  if (socket.authorized) return undefined;
  const told = socket.authorizationError as unknown;
  if (told !== undefined && told !== null) return told;
  const handle = (socket as unknown as { _handle?: { verifyError?(): unknown } })._handle;
  if (typeof handle?.verifyError !== "function") return new Error("this runtime does not say");
  return handle.verifyError();
}

/**
 * What was agreed on.
 * @param asked the client was asked for a certificate
 */
export function tlsFacts(socket: TLSSocket, peer: TlsPeer | undefined, asked = false): TlsFacts {
  // Missing in @types/node; false when the client named none.
  const { servername } = socket as TLSSocket & { servername?: string | false };
  return {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher().name,
    serverName: servername || undefined,
    peer,
    ...(asked && { peerAsked: true }),
  };
}
