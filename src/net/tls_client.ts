/**
 * The client side of TLS as far as it is the same on every runtime: contexts and sessions kept per
 * server, the judgement of what it shows, and what went wrong in words for the operator.
 */

import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { codedError } from "./address.ts";
import { checkIdentity } from "./tls.ts";
import { tlsFault } from "./tls_fault.ts";
import { judgePeer } from "./tls_peer.ts";
import type { Address, TlsClientOptions, TlsPeer } from "./wire.ts";

/** What is kept for all connections with the same options. */
interface Kept {
  readonly context: SecureContext;
  /** By address; the last one offered is the one that is tried. */
  readonly sessions: Map<string, Uint8Array>;
}

const kept = new WeakMap<TlsClientOptions, Kept>();

/** Addresses whose sessions are kept; a server has one or a few. */
const MOST_SESSIONS = 64;

/** One connection's client side of TLS. */
export class ClientTls {
  readonly options: TlsClientOptions;
  readonly #peer: string;
  readonly #host: string;
  readonly #kept: Kept;
  #sound = false;
  /** A session that came before the peer was found good. */
  #early: Uint8Array | undefined = undefined;

  /** @throws Error when certificate, key or CA do not parse, in words */
  constructor(options: TlsClientOptions, remote: Address) {
    this.options = options;
    this.#host = remote.host;
    this.#peer = remote.port === 0 ? remote.host : `${remote.host} port ${remote.port}`;
    this.#kept = keptFor(options);
  }

  get context(): SecureContext {
    return this.#kept.context;
  }

  /** What goes into the ClientHello (RFC 6066 §3: never an address). */
  get serverName(): string | undefined {
    const { serverName } = this.options;
    return serverName === undefined || isIP(serverName) > 0 ? undefined : serverName;
  }

  /** The session to resume, if there is one. */
  get session(): Uint8Array | undefined {
    return this.#kept.sessions.get(this.#peer);
  }

  /** Servers show theirs unasked. */
  readonly asks = false;

  /** A session for next time. It is kept only once the peer has passed. */
  offered(session: Uint8Array): void {
    if (!this.#sound) {
      this.#early = session.slice();
      return;
    }
    const { sessions } = this.#kept;
    if (sessions.size >= MOST_SESSIONS && !sessions.has(this.#peer)) sessions.clear();
    sessions.set(this.#peer, session.slice());
  }

  /** Looks at what the peer showed; an Error says why it is refused. */
  judge(certificate: X509Certificate | undefined, chainError: unknown): TlsPeer | Error {
    const { peer, refusal } = judgePeer(certificate, chainError, this.options, this.#host);
    if (refusal !== undefined || peer === undefined) {
      return codedError("ECERT", `Cannot trust ${this.#peer} under TLS: ${refusal}`);
    }
    this.#sound = true;
    if (this.#early !== undefined) this.offered(this.#early);
    return peer;
  }

  /**
   * What broke the handshake, in words; the session is not tried again. Under TLS 1.3 a server refuses our certificate
   * when the handshake is over for us: that it does so with an alert, and nothing else does.
   */
  fault(cause: Error, shaken: boolean): Error {
    if (shaken && !/alert/i.test(cause.message)) return cause;
    this.#kept.sessions.delete(this.#peer);
    return tlsFault("client", this.#peer, cause);
  }
}

function keptFor(options: TlsClientOptions): Kept {
  let mine = kept.get(options);
  if (mine === undefined) {
    mine = { context: clientContext(options), sessions: new Map() };
    kept.set(options, mine);
  }
  return mine;
}

function clientContext({ ca, cert, key }: TlsClientOptions): SecureContext {
  const identity = cert === undefined || key === undefined ? undefined : { cert, key };
  // Deno looks at neither before the handshake.
  const wrong = identity && checkIdentity(identity);
  if (wrong !== undefined) throw new Error(`Cannot use the client certificate for TLS: ${wrong}`);
  try {
    return createSecureContext({ minVersion: "TLSv1.2", ...(ca !== undefined && { ca }), ...identity });
  } catch (cause) {
    throw new Error(`Cannot use the CA certificates for TLS: ${(cause as Error).message}`, { cause });
  }
}
