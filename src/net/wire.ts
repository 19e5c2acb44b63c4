/**
 * One byte stream between two hosts, and the listener that hands such streams out.
 *
 * These interfaces are all that the rest of the program knows of sockets. `bun.ts` and `node.ts`
 * implement them; nothing outside `src/net` names a runtime. Everything is a callback, never a
 * promise: a promise per read or write costs more than the read.
 */

/** Where to listen or connect. */
export type Endpoint =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number };

/** One end of an open connection. A unix socket has its path as `host` and port 0. */
export interface Address {
  /** IPv4 dotted quad, IPv6 without brackets or zone, or a path. IPv4-mapped IPv6 is given as IPv4. */
  readonly host: string;
  readonly port: number;
}

/** What a TLS handshake agreed on. */
export interface TlsFacts {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher: string;
  /** The name the client asked for (SNI), if any. */
  readonly serverName: string | undefined;
  /** Whose certificate the peer showed; missing when it showed none. */
  readonly peer?: TlsPeer | undefined;
  /** The client was asked for a certificate; missing where it was not, or where a host before us spoke with it. */
  readonly peerAsked?: true;
}

/** What a peer's certificate says, and whether to believe it. */
export interface TlsPeer {
  /** On one line (RFC 4514): `CN=mx.example,O=Example`. */
  readonly subject: string;
  /** Who signed it, written as `subject`. */
  readonly issuer: string;
  /** Its serial number: whole octets in hexadecimal, capital letters. */
  readonly serial: string;
  /** SHA-256 of the certificate, 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  /** SHA-1 of the certificate, 40 hexadecimal digits in lower case: what older lists know it by. */
  readonly sha1: string;
  /** Everything that was to be checked was checked, and it was more than nothing. */
  readonly verified: boolean;
  /** What a check found wrong with it, in words; such a peer is only met where nothing was to be checked. */
  readonly error?: string;
  /** The certificate itself, made when it is asked for. */
  readonly pem: string;
}

/** How to be a TLS client. Keep the object for all connections to one server: sessions resume within it. TLS 1.2 and up. */
export interface TlsClientOptions {
  /** The name to ask for (SNI) and to find in the certificate. Without it the peer's IP address must be in there. */
  readonly serverName?: string | undefined;
  /** `name`: chain and name; `ca`: chain only; `none`: neither. */
  readonly verify: "none" | "name" | "ca";
  /** CA certificates in PEM, instead of those the runtime trusts. */
  readonly ca?: string | undefined;
  /** Base64 SHA-256 of public keys (SubjectPublicKeyInfo): the peer's must be one of them, besides what `verify` says. */
  readonly pins?: readonly string[] | undefined;
  /** Client certificate chain and its key, both PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** A certificate chain and its private key, both PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** What a server shows and asks for. Keep the object: sessions resume within it. TLS 1.2 and up. */
export type TlsService = TlsIdentity | TlsServerOptions;

/** Several certificates, and what is asked of clients. */
export interface TlsServerOptions {
  /** The client's server name chooses, by the names in the certificates; the first is for those who ask for none of them. */
  readonly certificates: readonly TlsIdentity[];
  /** `optional`: asked for, and its verification told; `required`: no handshake without a verified one. Default `off`. */
  readonly clientCertificates?: "off" | "optional" | "required" | undefined;
  /** CA certificates in PEM that verify clients'. Without it none is verified. */
  readonly clientCa?: string | undefined;
}

/** Who is told what happens on a wire. No method is called after `close`, nor from inside a call on the wire. */
export interface WireOwner {
  /** Bytes arrived. The view is the wire's own and void after the call: copy what must be kept. */
  data(bytes: Uint8Array): void;
  /** Everything that `write` had to queue is with the kernel now. */
  drain(): void;
  /** The peer will send no more (FIN); writing may go on. */
  end(): void;
  /** The stream is over: told exactly once, last. `error` is missing when it ended in order. */
  close(error: Error | undefined): void;
}

/** One byte stream. */
export interface Wire {
  readonly remote: Address;
  readonly local: Address;
  /** Set once a handshake is done. */
  readonly tls: TlsFacts | undefined;
  /** Bytes accepted by `write` that the kernel has not taken yet. */
  readonly queued: number;
  /** Who is told; may be replaced at any time. */
  owner: WireOwner;
  /** Sends bytes, queueing (a copy of) what the kernel does not take. False = wait for `drain` before more. */
  write(bytes: Uint8Array): boolean;
  /** No more `data` until `resume`. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then FIN. The peer's bytes still arrive; `close` follows its FIN. */
  end(): void;
  /** Sends what is queued, then closes both directions; gives up after a few seconds on a peer that reads nothing. */
  close(): void;
  /** Ends it now: what is queued is never sent, `close` is told (later, not inside this call). */
  abort(): void;
  /**
   * Starts TLS as the server on a plain wire. From this call on no plain byte is delivered or written.
   * `done` is told the handshake's outcome before the first decrypted `data`; a failed handshake ends in `close(error)`.
   * @param early ciphertext that was read already, the beginning of the ClientHello (behind a PROXY header, say)
   */
  secure(service: TlsService, done: (facts: TlsFacts) => void, early?: Uint8Array): void;
  /**
   * Starts TLS as the client on a plain wire, with the promises of `secure`. A peer that does not pass what `options`
   * check ends in `close(error)` before `done`; so may one that dislikes our certificate, but with TLS 1.3 after it.
   */
  secureAsClient(options: TlsClientOptions, done: (facts: TlsFacts) => void): void;
}

/** What a listener needs. */
export interface ListenOptions {
  readonly endpoint: Endpoint;
  /** Implicit TLS; a function is asked anew for every connection. `accept` is told after the handshake, within `handshakeTimeout`. */
  readonly tls?: TlsService | (() => TlsService) | undefined;
  /** Milliseconds a client may take for the implicit TLS handshake. */
  readonly handshakeTimeout?: number;
  /** Several processes may listen on the same port. */
  readonly reusePort?: boolean;
  /** An implicit TLS handshake came to nothing. */
  refused?(remote: Address, error: Error): void;
  /** Takes a new connection and says who owns it. */
  accept(wire: Wire): WireOwner;
}

/** A bound socket. */
export interface Listener {
  readonly address: Address;
  /** Accepts no more; open connections stay. */
  close(): void;
}

/** An outgoing connection's owner is also told when it is open. */
export interface ConnectOwner extends WireOwner {
  /** Connected; told before anything else. A connection that fails is only told `close(error)`. */
  open(wire: Wire): void;
}

/** A connection attempt under way. */
export interface Connecting {
  /** Gives it up; the owner is told nothing more. No effect once it is open. */
  cancel(): void;
}

/** The network as the program sees it. */
export interface Network {
  /** Rejects with an Error whose `code` is the system's (EADDRINUSE, EACCES …). */
  listen(options: ListenOptions): Promise<Listener>;
  connect(endpoint: Endpoint, owner: ConnectOwner): Connecting;
}
