/**
 * The server side of TLS as far as it is the same on every runtime: secure contexts, kept so that sessions resume
 * (a new context has new ticket keys), the choice among them by name, and the judgement of client certificates.
 */

import type { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { codedError } from "./address.ts";
import { requireIdentity } from "./tls.ts";
import { tlsFault } from "./tls_fault.ts";
import { type Bundle, CertificateNames } from "./tls_names.ts";
import { chainFault, peerFacts } from "./tls_peer.ts";
import type { TlsIdentity, TlsPeer, TlsService } from "./wire.ts";

/** Milliseconds a client gets for an implicit TLS handshake unless the listener says otherwise. */
export const HANDSHAKE_TIMEOUT = 30_000;

/**
 * TLS 1.2's suites in our order: forward secrecy and AEAD first. The four with CBC are for senders of the years
 * before 2014, who would otherwise send in the clear. TLS 1.3's are the library's own.
 */
export const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-SHA",
  "ECDHE-RSA-AES128-SHA",
  "ECDHE-ECDSA-AES256-SHA",
  "ECDHE-RSA-AES256-SHA",
].join(":");

/** One pair, or several with rules: what it comes to. */
export class ServerTls {
  /** For clients that ask for no name, or for one that has no certificate. */
  readonly context: SecureContext;
  /** There is more than one context to choose from. */
  readonly chooses: boolean;
  /** There are certificates of different kinds for one name. */
  readonly mixes: boolean;
  readonly clientCertificates: "off" | "optional" | "required";
  readonly #names: CertificateNames;
  readonly #contexts = new Map<string, SecureContext>();
  readonly #order: readonly TlsIdentity[];
  readonly #clientCa: string | undefined;

  /** @throws Error in words when a certificate and its key cannot be used */
  constructor(service: TlsService) {
    const { certificates, clientCertificates = "off", clientCa } = "cert" in service
      ? { certificates: [service] }
      : service;
    if (certificates.length === 0) throw new Error("Cannot serve TLS: there is no certificate");
    for (const identity of certificates) requireIdentity(identity);
    this.#order = certificates;
    this.clientCertificates = clientCertificates;
    this.#clientCa = clientCa;
    this.#names = new CertificateNames(certificates);
    this.context = this.#contextOf(this.#names.fallback);
    // All of them now: a context is costly, and a fault in one should show at once.
    for (const name of this.#names.names) this.choose(name);
    this.chooses = this.#contexts.size > 1;
    this.mixes = [...this.#contexts.keys()].some((key) => key.includes(","));
  }

  /** Clients are asked for a certificate. */
  get asks(): boolean {
    return this.clientCertificates !== "off";
  }

  /** The context for the name a client asks for. */
  choose(name: string | undefined): SecureContext {
    return this.#contextOf(this.#bundle(name));
  }

  /** The same where only the first certificate of a context is shown, to a client that cannot take ECDSA. */
  chooseWithoutEcdsa(name: string | undefined): SecureContext {
    return this.#contextOf(this.#bundle(name).slice(-1));
  }

  #bundle(name: string | undefined): Bundle {
    return (name === undefined ? undefined : this.#names.find(name)) ?? this.#names.fallback;
  }

  /** Who the client is by its certificate; an Error when it may not come in. */
  judge(certificate: X509Certificate | undefined, chainError: unknown): TlsPeer | Error | undefined {
    if (!this.asks) return undefined;
    const fault = certificate && this.#fault(certificate, chainError);
    if (this.clientCertificates === "required" && (certificate === undefined || fault !== undefined)) {
      return codedError("ECERT", `Cannot let the client in: ${fault ?? "it showed no certificate"}`);
    }
    return certificate && peerFacts(certificate, fault === undefined, fault);
  }

  /** What broke the handshake, in words; behind it a client that breaks off is nothing but that. */
  fault(cause: Error, shaken: boolean): Error {
    if (shaken) return cause;
    return tlsFault("server", "the client", cause);
  }

  #fault(certificate: X509Certificate, chainError: unknown): string | undefined {
    // The runtimes would then trust whom any public CA knows, which says nothing of a client.
    if (this.#clientCa === undefined) return "no CA for client certificates is set";
    return chainFault(certificate, chainError);
  }

  #contextOf(bundle: Bundle): SecureContext {
    const key = bundle.map((identity) => this.#order.indexOf(identity)).join();
    let context = this.#contexts.get(key);
    if (context === undefined) {
      // Where nobody is asked for a certificate, a store with our own alone: in the system's, BoringSSL would look in files for
      // who issued a certificate that comes without a chain, at every handshake.
      context = createSecureContext({
        cert: bundle.map(({ cert }) => cert),
        key: bundle.map(({ key }) => key),
        minVersion: "TLSv1.2",
        ciphers: CIPHERS,
        honorCipherOrder: true,
        ca: this.asks ? this.#clientCa : bundle.map(({ cert }) => cert),
      });
      this.#contexts.set(key, context);
    }
    return context;
  }
}

const made = new WeakMap<TlsService, ServerTls>();

/** What a service comes to. The same object gives the same contexts: keep it. @throws Error in words */
export function serverTls(service: TlsService): ServerTls {
  let mine = made.get(service);
  if (mine === undefined) made.set(service, mine = new ServerTls(service));
  return mine;
}
