/**
 * The part of Bun's socket API that `src/net` uses, as measured on Bun 1.4.5. Written out here because the
 * published types lack `upgradeTLS({ isServer })`, and because Deno's type check knows no `Bun` at all.
 */

import type { X509Certificate } from "node:crypto";
import type { SecureContext } from "node:tls";

/** A socket of `Bun.listen` or `Bun.connect`, plain or TLS. */
export interface BunSocket<Data> {
  data: Data;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number;
  readonly localAddress: string | undefined;
  readonly localPort: number;
  /** Bytes taken; less than given when the kernel is full; negative when the stream can take none any more. */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  /** FIN (under TLS close_notify first); reading goes on. */
  shutdown(): void;
  /** close(2), calling `close` before it returns; under TLS it waits for the peer's close_notify instead. */
  end(): void;
  /** RST, calling `close` before it returns. */
  terminate(): void;
  /** Calls `timeout` after this many seconds, rounded up to the next 4; 0 = never. The socket is left as it is. */
  timeout(seconds: number): void;
  getTLSVersion(): string;
  getCipher(): { name: string };
  getServername(): string | undefined;
  getPeerX509Certificate(): X509Certificate | undefined;
  /** Null when the peer's chain is trusted. The name counts too when it is wrong and the chain is right. */
  getAuthorizationError(): Error | null;
  /** Offers to resume this session; only from `open`. */
  setSession(session: Uint8Array): void;
  /** Plain half and secure half. The plain half goes on calling its `data` with ciphertext. */
  upgradeTLS(options: {
    isServer: boolean;
    tls: BunTls;
    data: Data;
    socket: BunHandlers<Data>;
    /** Ciphertext that was read from the plain socket already. */
    initialData?: Uint8Array | undefined;
  }): [plain: BunSocket<Data>, secure: BunSocket<Data>];
}

/** What a handshake works with. A context carries certificates, keys and CAs, the rest stands beside it. */
export interface BunTls {
  /** The native half of node:tls's SecureContext (`bunContext`). */
  secureContext: object;
  serverName?: string | undefined;
  requestCert?: boolean;
  rejectUnauthorized?: boolean;
}

/** Callbacks of a listener or connection. */
export interface BunHandlers<Data> {
  binaryType: "uint8array";
  open?(socket: BunSocket<Data>): void;
  data(socket: BunSocket<Data>, bytes: Uint8Array): void;
  /** Also called when nothing waits. */
  drain(socket: BunSocket<Data>): void;
  /** FIN; not called any more after an own `shutdown()`: then only `close` is. */
  end(socket: BunSocket<Data>): void;
  close(socket: BunSocket<Data>, error?: Error): void;
  /** A handler threw, or TLS failed. */
  error(socket: BunSocket<Data>, error: Error): void;
  timeout(socket: BunSocket<Data>): void;
  /** `error` is set even on success when no client certificate was given: only `success` counts. */
  handshake?(socket: BunSocket<Data>, success: boolean, error: Error | null): void;
  /** A session that may be resumed later; several per connection under TLS 1.3. */
  session?(socket: BunSocket<Data>, session: Uint8Array): void;
  /** A ClientHello asks for a name: the context (`bunContext`) that answers; none = the one that was given. */
  serverName?(data: Data, name: string): object | undefined;
  connectError?(socket: BunSocket<Data>, error: Error): void;
}

type Place = { hostname: string; port: number } | { unix: string } | { fd: number };

/** A listening socket. */
export interface BunListener {
  readonly hostname?: string;
  readonly port?: number;
  stop(closeConnections: boolean): void;
}

interface BunApi {
  listen<Data>(
    options: Place & {
      socket: BunHandlers<Data>;
      allowHalfOpen: true;
      reusePort?: boolean;
    },
  ): BunListener;
  connect<Data>(
    options: Place & { socket: BunHandlers<Data>; allowHalfOpen: true; data: Data },
  ): Promise<unknown>;
}

/** Bun itself; undefined on other runtimes. */
export const bun: BunApi = (globalThis as unknown as { Bun: BunApi }).Bun;

/** The part of a secure context that native sockets take. */
export function bunContext(context: SecureContext): object {
  return (context as SecureContext & { context: object }).context;
}
