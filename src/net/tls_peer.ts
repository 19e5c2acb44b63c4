/**
 * Whether the certificate a server showed is good enough (RFC 6125 for names, RFC 7469 §2.4 for pins). The runtimes
 * judge the chain, in different words and, for a name, at different times; name, pin and wording are ours.
 */

import { createHash, type X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { type CertificateNames, readNames } from "./distinguished_name.ts";
import type { TlsClientOptions, TlsPeer } from "./wire.ts";

/** What came of looking at a certificate: the peer, and why it is refused. */
export interface Judgement {
  readonly peer: TlsPeer | undefined;
  readonly refusal: string | undefined;
}

/**
 * @param chainError what the runtime has against the chain; whatever it has against the name is ignored
 * @param host the address connected to, whose certificate it should be when `options` give no name
 */
export function judgePeer(
  certificate: X509Certificate | undefined,
  chainError: unknown,
  options: TlsClientOptions,
  host: string,
): Judgement {
  if (certificate === undefined) return { peer: undefined, refusal: "the peer showed no certificate" };
  const { verify, pins } = options;
  const chain = isNameError(chainError) ? undefined : chainFault(certificate, chainError);
  const fault = chain ?? (verify === "ca" ? undefined : nameFault(certificate, options.serverName ?? host));
  const unpinned = pins === undefined ? undefined : pinFault(certificate, pins);
  const refusal = (verify === "none" ? undefined : fault) ?? unpinned;
  const verified = refusal === undefined && (verify !== "none" || pins !== undefined);
  return { peer: peerFacts(certificate, verified, verified ? undefined : fault), refusal };
}

/** A certificate as the rest of the program sees it. */
export function peerFacts(certificate: X509Certificate, verified: boolean, error?: string): TlsPeer {
  return new Peer(certificate, verified, error);
}

class Peer implements TlsPeer {
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly fingerprint: string;
  readonly sha1: string;
  readonly verified: boolean;
  declare readonly error?: string;
  readonly #certificate: X509Certificate;

  constructor(certificate: X509Certificate, verified: boolean, error: string | undefined) {
    const { subject, issuer } = namesOf(certificate);
    this.subject = subject;
    this.issuer = issuer;
    this.serial = evenly(certificate.serialNumber.toUpperCase());
    this.fingerprint = digits(certificate.fingerprint256);
    this.sha1 = digits(certificate.fingerprint);
    this.verified = verified;
    if (error !== undefined) this.error = error;
    this.#certificate = certificate;
  }

  get pem(): string {
    return this.#certificate.toString();
  }
}

function digits(fingerprint: string): string {
  return fingerprint.replaceAll(":", "").toLowerCase();
}

/** Whole octets: Deno leaves the first zero out. */
function evenly(hex: string): string {
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}

function namesOf(certificate: X509Certificate): CertificateNames {
  const { raw, subject, issuer } = certificate;
  return readNames(raw) ?? { subject: oneLine(subject), issuer: oneLine(issuer) };
}

/** Base64 SHA-256 of a certificate's public key, as pins are written. */
export function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}

/** Only the name is wrong. */
function isNameError(error: unknown): boolean {
  return codeOf(error) === "ERR_TLS_CERT_ALTNAME_INVALID";
}

/**
 * Something is wrong with the certificate, and nothing with TLS. Bun calls that a failed handshake where the chain is looked at
 * against the system's CAs, though nobody asked it to refuse anybody, and the connection stands.
 */
export function isCertificateError(error: unknown): boolean {
  return isNameError(error) || VERIFICATION.test(codeOf(error));
}

/** OpenSSL's names of what a verification comes to (X509_V_ERR_). */
const VERIFICATION =
  /^(UNABLE_TO_(GET|DECRYPT|DECODE|VERIFY)_|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_CERT|ERROR_IN_CERT|INVALID_(CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

/** What is wrong with a chain, in words; undefined when the runtime trusts it. */
export function chainFault(certificate: X509Certificate, error: unknown): string | undefined {
  if (error === undefined || error === null || error === "") return undefined;
  // Looked at first: Deno says of an expired certificate that nobody signed it.
  const now = Date.now();
  if (now > Date.parse(certificate.validTo)) return `its certificate expired on ${day(certificate.validTo)}`;
  if (now < Date.parse(certificate.validFrom)) {
    return `its certificate is not valid before ${day(certificate.validFrom)}`;
  }
  const code = codeOf(error);
  if (code === "CERT_HAS_EXPIRED") return "a certificate of its chain has expired";
  if (code === "CERT_REVOKED") return "its certificate has been revoked";
  if (code === "INVALID_PURPOSE") return "its certificate is not meant for this";
  if (certificate.subject === certificate.issuer) {
    return `its certificate is self-signed (${namesOf(certificate).subject}) and not among the trusted ones`;
  }
  if (UNTRUSTED.test(code)) {
    return `no trusted CA stands behind its certificate, whose issuer is ${namesOf(certificate).issuer}`;
  }
  return `its certificate is not trusted: ${(error as Error).message ?? code}`;
}

const UNTRUSTED = /^(UNABLE_TO_|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_|CERT_UNTRUSTED|UnknownIssuer)/;

/** Why a certificate is not for this name or IP address; undefined where it is. */
export function nameFault(certificate: X509Certificate, name: string): string | undefined {
  const match = isIP(name) > 0 ? certificate.checkIP(name) : certificate.checkHost(name);
  if (match !== undefined) return undefined;
  const names = certificate.subjectAltName ?? namesOf(certificate).subject;
  return `its certificate is not for ${name} but for ${names}`;
}

function pinFault(certificate: X509Certificate, pins: readonly string[]): string | undefined {
  const pin = pinOf(certificate);
  return pins.includes(pin) ? undefined : `its public key is not a pinned one: it is ${pin}`;
}

/** A subject or issuer as the runtimes write it, over several lines. */
function oneLine(name: string): string {
  return name.trim().split("\n").join(", ");
}

function codeOf(error: unknown): string {
  if (typeof error === "string") return error;
  return String((error as { code?: unknown } | null | undefined)?.code ?? "");
}

function day(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}
