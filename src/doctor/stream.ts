/**
 * The one connection that the examination needs of the network: octets there and back, and TLS as the client. A seam:
 * `wire_stream.ts` is behind it.
 */
import type { Address, Endpoint } from "../net/wire.ts";

/** Who is told what happens. `close` is told once, last; the error is missing where the peer ended it in order. */
export interface StreamOwner {
  data(bytes: Uint8Array): void;
  close(error: Error | undefined): void;
}

/** What is asked of a handshake. */
export interface TlsWish {
  /** The name that is asked for (SNI) and that the certificate has to have. */
  readonly name: string;
  /** Certificate authorities, PEM; the usual ones where nothing is given. */
  readonly ca?: string | undefined;
  /** Milliseconds. */
  readonly within: number;
}

/** What a handshake came to. Texts are the peer's own: show them with `shown`. */
export interface TlsSeen {
  readonly version: string;
  readonly cipher: string;
  readonly certificate: Certificate;
  /** Why the chain is not trusted; undefined where it is. */
  readonly untrusted: string | undefined;
  /** Why the certificate is not that name's; undefined where it is. */
  readonly misnamed: string | undefined;
}

export interface Certificate {
  readonly subject: string;
  readonly issuer: string;
  /** `DNS:mx.example, IP Address:192.0.2.1`. */
  readonly names: string;
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

export interface Stream {
  readonly local: Address;
  readonly remote: Address;
  /** Nothing is told before somebody is set. */
  set owner(owner: StreamOwner);
  write(bytes: Uint8Array): void;
  /** Starts TLS as the client. What came before it is nobody's. @throws Error when it does not come about */
  secure(wish: TlsWish): Promise<TlsSeen>;
  /** Ends it at once; the owner is told nothing more. */
  abort(): void;
}

/** Connects. @throws Error that says why not, after `within` milliseconds at the latest */
export type Dial = (endpoint: Endpoint, within: number) => Promise<Stream>;
