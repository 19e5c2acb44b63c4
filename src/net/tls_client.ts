/**
 * The client side of TLS as far as it is the same on every runtime: contexts and sessions kept per
 * server, the judgement of what it shows, and what went wrong in words for the operator.
 */

import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { codedError } from "./address.ts";
import { checkIdentity } from "./tls.ts";
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

  /** What broke the handshake, or the stream shortly after it, in words; the session is not tried again. */
  fault(cause: unknown): Error {
    this.#kept.sessions.delete(this.#peer);
    const { code, message } = (cause ?? {}) as { code?: string; message?: string };
    const why = reasonOf(`${code ?? ""} ${message ?? ""}`) ?? message ?? "no reason given";
    return Object.assign(new Error(`Cannot speak TLS with ${this.#peer}: ${why}`, { cause }), {
      code: code ?? "EPROTO",
    });
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

/** OpenSSL's, BoringSSL's and rustls' words → ours; the first that fits. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/CERTIFICATE_REQUIRED|CertificateRequired|DID_NOT_RETURN_A_CERT/i, "it asks for a client certificate"],
  [/WRONG_VERSION_NUMBER|corrupt message|HTTP_REQUEST|UNEXPECTED_MESSAGE/i, "it does not answer in TLS"],
  [/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|ProtocolVersion/i, "it has no TLS 1.2 or later"],
  [
    /HANDSHAKE_FAILURE|NO_SHARED_CIPHER|HandshakeFailure|NO_COMMON_SIG/i,
    "no cipher suite or signature in common",
  ],
  [/UNKNOWN_CA|UnknownCA/i, "it does not know the CA of our client certificate"],
  [
    /ALERT.*(CERT|ACCESS_DENIED)|received fatal alert.*(Cert|AccessDenied)/i,
    "it refuses our client certificate",
  ],
  [/UNRECOGNIZED_NAME|UnrecognisedName/i, "it does not know the name asked for"],
  [/disconnected before|ECONNRESET|the peer left|EOF/i, "it hung up in the middle of the handshake"],
];

function reasonOf(text: string): string | undefined {
  return REASONS.find(([pattern]) => pattern.test(text))?.[1];
}
