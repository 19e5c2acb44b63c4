/**
 * `Stream` on node:net and node:tls, which both runtimes have. To be replaced by a `Wire` when its `TlsPeer` says how long a
 * certificate lasts and for which names, and tells a wrong chain from a wrong name.
 */
import { connect, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import { endpointError, plainHost } from "../net/address.ts";
import type { Address, Endpoint } from "../net/wire.ts";
import type { Certificate, Stream, StreamOwner, TlsSeen, TlsWish } from "./stream.ts";

const nobody: StreamOwner = { data() {}, close() {} };

/** Octets that a peer may leave unread before it is given up. */
const QUEUE_LIMIT = 1024 * 1024;

class NodeStream implements Stream {
  owner: StreamOwner = nobody;
  readonly local: Address;
  readonly remote: Address;
  readonly #socket: Socket;
  #stream: Socket;
  #fault: Error | undefined;

  constructor(socket: Socket, endpoint: Endpoint) {
    this.#socket = this.#stream = socket;
    const [host, port] = "host" in endpoint ? [endpoint.host, endpoint.port] : ["local", 0];
    this.local = { host: plainHost(socket.localAddress ?? "local"), port: socket.localPort ?? 0 };
    this.remote = { host: plainHost(socket.remoteAddress ?? host), port: socket.remotePort ?? port };
    socket.setNoDelay(true);
    this.#listenTo(socket);
  }

  write(bytes: Uint8Array): void {
    if (this.#stream.destroyed) return;
    if (this.#stream.writableLength > QUEUE_LIMIT) this.#stream.destroy(new Error("it reads nothing"));
    else this.#stream.write(bytes);
  }

  async secure({ name, ca, within }: TlsWish): Promise<TlsSeen> {
    const socket = this.#socket;
    for (const event of ["data", "error", "close"]) socket.removeAllListeners(event);
    const secured = await handshake(socket, { name, ca, within });
    this.#stream = secured;
    this.#listenTo(secured);
    return tlsSeen(secured, name);
  }

  abort(): void {
    this.owner = nobody;
    this.#stream.on("error", () => {});
    this.#stream.destroy();
    this.#socket.destroy();
  }

  #listenTo(stream: Socket): void {
    stream.on("data", (bytes: Uint8Array) => this.owner.data(bytes));
    stream.on("error", (error) => this.#fault = error);
    stream.on("close", () => {
      const owner = this.owner;
      this.owner = nobody;
      owner.close(this.#fault);
    });
  }
}

/** Connects with node:net: a `Dial`. */
export function nodeDial(endpoint: Endpoint, within: number): Promise<Stream> {
  return new Promise((opened, failed) => {
    const place = "path" in endpoint ? { path: endpoint.path } : endpoint;
    const socket = connect(place as { host: string; port: number });
    const fail = (cause: unknown) => {
      clearTimeout(patience);
      socket.on("error", () => {}).destroy();
      failed(endpointError("connect to", endpoint, cause));
    };
    const patience = setTimeout(() => fail(new Error(`no answer within ${within / 1000} s`)), within);
    socket.once("error", fail);
    socket.once("connect", () => {
      clearTimeout(patience);
      socket.removeListener("error", fail);
      opened(new NodeStream(socket, endpoint));
    });
  });
}

function handshake(socket: Socket, { name, ca, within }: TlsWish): Promise<TLSSocket> {
  return new Promise((done, failed) => {
    // What is wrong with the certificate is a finding: nothing but a test's envelope is sent over this connection.
    const secured = connectTls({
      socket,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca === undefined ? {} : { ca }),
    });
    const fail = (cause: Error) => {
      clearTimeout(patience);
      secured.on("error", () => {}).destroy();
      socket.on("error", () => {}).destroy();
      failed(cause);
    };
    const patience = setTimeout(() => fail(new Error(`no handshake within ${within / 1000} s`)), within);
    const left = () => fail(new Error("the backend closed the connection"));
    secured.once("error", fail).once("close", left);
    secured.once("secureConnect", () => {
      clearTimeout(patience);
      secured.removeListener("error", fail).removeListener("close", left);
      done(secured);
    });
  });
}

function tlsSeen(socket: TLSSocket, name: string): TlsSeen {
  const peer = socket.getPeerCertificate();
  const given = peer !== null && typeof peer === "object" && peer.raw !== undefined;
  const error = socket.authorizationError as Error | string | undefined | null;
  return {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.name ?? "",
    certificate: given ? certificateOf(peer) : undefined,
    untrusted: socket.authorized ? undefined : String((error as Error)?.message ?? error ?? "no certificate"),
    misnamed: given ? checkServerIdentity(name, peer)?.message : undefined,
  };
}

function certificateOf(peer: PeerCertificate): Certificate {
  return {
    subject: nameOf(peer.subject),
    issuer: nameOf(peer.issuer),
    names: peer.subjectaltname ?? "",
    from: Date.parse(peer.valid_from),
    to: Date.parse(peer.valid_to),
  };
}

function nameOf(given: object | undefined): string {
  return Object.entries(given ?? {}).map(([key, value]) => `${key}=${value}`).join(", ");
}
