/**
 * `Stream` on a `Wire`: connections and TLS are those of the proxy, but for what is done about a certificate, which is a
 * finding here and no reason to stop: nothing but a test's envelope is sent over such a connection.
 */
import { X509Certificate } from "node:crypto";
import { endpointError } from "../net/address.ts";
import { nobody } from "../net/ordered.ts";
import { nameFault } from "../net/tls_peer.ts";
import type { Address, Endpoint, Network, TlsFacts, TlsPeer, Wire, WireOwner } from "../net/wire.ts";
import type { Certificate, Dial, Stream, StreamOwner, TlsSeen, TlsWish } from "./stream.ts";

/** Octets that a peer may leave unread before it is given up. */
const QUEUE_LIMIT = 1024 * 1024;

class WireStream implements Stream {
  readonly local: Address;
  readonly remote: Address;
  readonly #wire: Wire;
  #owner: StreamOwner | undefined;
  #fault: Error | undefined;

  constructor(wire: Wire) {
    this.#wire = wire;
    // Some systems forget them with the connection.
    this.local = wire.local;
    this.remote = wire.remote;
    // Until somebody listens.
    wire.pause();
    wire.owner = this.#heard();
  }

  set owner(owner: StreamOwner) {
    this.#owner = owner;
    this.#wire.resume();
  }

  write(bytes: Uint8Array): void {
    this.#wire.write(bytes);
    if (this.#wire.queued <= QUEUE_LIMIT) return;
    this.#fault = new Error("it reads nothing");
    this.#wire.abort();
  }

  secure({ name, ca, within }: TlsWish): Promise<TlsSeen> {
    const wire = this.#wire;
    return new Promise((done, failed) => {
      const fail = (why: string, cause?: unknown) => {
        clearTimeout(patience);
        failed(new Error(why, { cause }));
      };
      const patience = setTimeout(() => {
        fail(`no handshake within ${within / 1000} s`);
        this.abort();
      }, within);
      wire.owner = {
        ...nobody,
        close: (error) => fail(error?.message ?? "the backend closed the connection", error),
      };
      wire.secureAsClient({ serverName: name, verify: "none", ca }, (facts) => {
        clearTimeout(patience);
        wire.owner = this.#heard();
        done(tlsSeen(facts, name));
      });
    });
  }

  abort(): void {
    this.#wire.owner = nobody;
    this.#wire.abort();
  }

  #heard(): WireOwner {
    return {
      ...nobody,
      data: (bytes) => this.#owner?.data(bytes),
      // Nothing more is said to who says nothing more.
      end: () => this.#wire.close(),
      close: (error) => this.#owner?.close(this.#fault ?? error),
    };
  }
}

/** Connects on this network. */
export function wireDial(network: Network): Dial {
  return (endpoint, within) =>
    new Promise((opened, failed) => {
      const connecting = network.connect(endpoint, {
        ...nobody,
        open(wire) {
          clearTimeout(patience);
          opened(new WireStream(wire));
        },
        close(error) {
          clearTimeout(patience);
          failed(error ?? endpointError("connect to", endpoint, new Error("the connection was closed")));
        },
      });
      const patience = setTimeout(() => {
        connecting.cancel();
        failed(silent(endpoint, within));
      }, within);
    });
}

function silent(endpoint: Endpoint, within: number): Error {
  return endpointError("connect to", endpoint, new Error(`no answer within ${within / 1000} s`));
}

function tlsSeen({ version, cipher, peer }: TlsFacts, name: string): TlsSeen {
  // Who shows none has had no handshake.
  const { pem, error } = peer!;
  const certificate = new X509Certificate(pem);
  const misnamed = nameFault(certificate, name);
  return {
    version,
    cipher,
    certificate: certificateOf(peer!, certificate),
    // The chain is told before the name.
    untrusted: error === misnamed ? undefined : error,
    misnamed,
  };
}

function certificateOf({ subject, issuer }: TlsPeer, certificate: X509Certificate): Certificate {
  return {
    subject,
    issuer,
    names: certificate.subjectAltName ?? "",
    from: Date.parse(certificate.validFrom),
    to: Date.parse(certificate.validTo),
  };
}
