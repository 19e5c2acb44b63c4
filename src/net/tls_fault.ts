/**
 * What broke a handshake, in words for the operator: BoringSSL, OpenSSL and rustls each have names of their own for it,
 * and none says whose fault it is.
 */

/** What a library calls it → what it means: to us as the client, and as the server. The first that fits. */
const REASONS: readonly (readonly [called: RegExp, asClient: string, asServer: string])[] = [
  [
    /CERTIFICATE_REQUIRED|CertificateRequired|DID_NOT_RETURN_A_CERT|peer sent no certificates/i,
    "it asks for a client certificate",
    "it showed no certificate, and one is required",
  ],
  [
    /WRONG_VERSION_NUMBER|corrupt message|HTTP_REQUEST|UNEXPECTED_MESSAGE|UNEXPECTED_RECORD|LENGTH_TOO_LONG/i,
    "it does not answer in TLS",
    "what it sends is not TLS",
  ],
  [
    /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|ProtocolVersion|NO_SUPPORTED_VERSIONS/i,
    "it has no TLS 1.2 or later",
    "it has no TLS 1.2 or later",
  ],
  [
    /HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_SHARED_GROUP|HandshakeFailure|NO_COMMON_SIG/i,
    "no cipher suite or signature in common",
    "no cipher suite or signature in common",
  ],
  [
    /UNKNOWN_CA|UnknownCA/i,
    "it does not know the CA of our client certificate",
    "it does not trust the CA of our certificate",
  ],
  [
    /ALERT.*EXPIRED|received fatal alert.*Expired/i,
    "our client certificate has expired, it says",
    "our certificate has expired, it says",
  ],
  [
    /ALERT.*(CERT|ACCESS_DENIED)|received fatal alert.*(Cert|AccessDenied)/i,
    "it refuses our client certificate",
    "it refuses our certificate",
  ],
  [
    /self.signed certificate|DEPTH_ZERO|unable to (get|verify)|UNABLE_TO_|CERTIFICATE_VERIFY_FAILED|UnknownIssuer/i,
    "its certificate is not trusted",
    "no CA for clients stands behind its certificate",
  ],
  [
    /certificate has expired|CERT_HAS_EXPIRED/i,
    "its certificate has expired",
    "its certificate has expired",
  ],
  [/UNRECOGNIZED_NAME|UnrecognisedName/i, "it does not know the name asked for", "it does not know our name"],
  [
    /disconnected before|ECONNRESET|the peer left|EOF/i,
    "it hung up in the middle of the handshake",
    "it hung up in the middle of the handshake",
  ],
];

/** An Error in words, whose `code` is the cause's. */
export function tlsFault(side: "client" | "server", who: string, cause: unknown): Error {
  const { code, message } = (cause ?? {}) as { code?: string; message?: string };
  const called = `${code ?? ""} ${message ?? ""}`;
  const reason = REASONS.find(([pattern]) => pattern.test(called));
  const why = reason?.[side === "client" ? 1 : 2] ?? message ?? "no reason was given";
  return Object.assign(new Error(`Cannot speak TLS with ${who}: ${why}`, { cause }), {
    code: code ?? "EPROTO",
  });
}
