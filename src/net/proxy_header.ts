/**
 * What a PROXY protocol header says (haproxy.org, "The PROXY protocol", versions 1 and 2): whose connection this is,
 * and what the sender knows of it. Values only; proxy_protocol.ts reads them, proxy_v1.ts and proxy_v2.ts write them.
 */
import type { Address } from "./wire.ts";

/** What a header says. */
export type ProxyHeader = ProxiedHeader | UnknownHeader | LocalHeader;

/** The connection is made for a client: these are the ends of the client's own connection. */
export interface ProxiedHeader extends ProxyFacts {
  readonly version: 1 | 2;
  readonly command: "proxy";
  readonly source: Address;
  readonly destination: Address;
}

/**
 * The connection is made for a client that has no TCP addresses, or whose sender does not tell them. Whoever takes it
 * knows only the sender's address: a rule that trusts the sender must not be applied to it.
 */
export interface UnknownHeader extends ProxyFacts {
  readonly version: 1 | 2;
  readonly command: "unknown";
}

/** The sender speaks for itself, as in a health check: the connection's own ends are the true ones. */
export interface LocalHeader {
  readonly version: 2;
  readonly command: "local";
}

/** What version 2 may tell besides the addresses. */
export interface ProxyFacts {
  /** What the client's TLS connection is; undefined where the client does not speak TLS to the sender. */
  readonly tls?: ProxyTls | undefined;
  /** The host name that the client asked for (SNI). */
  readonly authority?: string | undefined;
  /** The protocol that was agreed on by ALPN, one character per octet. */
  readonly alpn?: string | undefined;
  /** At most 128 octets that name the connection. */
  readonly uniqueId?: Uint8Array | undefined;
  /** The name of a Linux network namespace. */
  readonly namespace?: string | undefined;
  /** Types that are not known here, those for applications (E0 to EF) among them, in their order. */
  readonly other?: readonly ProxyTlv[] | undefined;
}

/** What the sender's TLS handshake with the client agreed on. All texts but the common name are printable ASCII. */
export interface ProxyTls {
  /** As in `TLSv1.3`. */
  readonly version?: string | undefined;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher?: string | undefined;
  /** Of the sender's own certificate, as in `RSA-SHA256`. */
  readonly signatureAlgorithm?: string | undefined;
  /** Of the sender's own certificate, as in `RSA2048`. */
  readonly keyAlgorithm?: string | undefined;
  /** Of the key exchange, as in `secp256r1`. */
  readonly group?: string | undefined;
  /** Of the sender's signature in the handshake, as in `rsa_pss_rsae_sha256`. */
  readonly signatureScheme?: string | undefined;
  /** Set where the client gave a certificate, good or bad. */
  readonly certificate?: ProxyCertificate | undefined;
  /** Types of the second level that are not known here. */
  readonly other?: readonly ProxyTlv[] | undefined;
}

/** A client's certificate. It proves nothing unless `verifyError` is 0. */
export interface ProxyCertificate {
  /** What was wrong with it, in OpenSSL's numbers; 0 where the sender verified it. */
  readonly verifyError: number;
  /** Given on this connection; false where it was given on an earlier one of a resumed TLS session. */
  readonly fresh: boolean;
  /** Whatever the certificate holds, control characters included. What is no UTF-8 becomes U+FFFD. */
  readonly commonName?: string | undefined;
  /** The certificate itself, DER. */
  readonly der?: Uint8Array | undefined;
}

/** A type and its value, as they are. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Why a header is none, in words that hold nothing of what was sent. */
export interface ProxyFault {
  readonly fault: string;
}

/** A header, and how many octets it took. */
export interface ProxyHeaderRead {
  readonly header: ProxyHeader;
  readonly length: number;
}

/** Neither version begins like this. */
export const NO_HEADER: ProxyFault = {
  fault: 'this is no PROXY header; allowed is "PROXY " (version 1) or the signature of version 2',
};

/** The checked port of an address that is to be written. */
export function proxyPort({ port }: Address): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw new TypeError(`Cannot write a PROXY header: port ${port} was given; allowed is 0 to 65535`);
}
