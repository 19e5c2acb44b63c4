/**
 * Which of several certificates a client gets: by the name it asks for (RFC 6066 §3), read from the certificates' own
 * names (RFC 6125 §6.4, wildcards as a whole left-most label), an ECDSA and an RSA one together where there are both.
 */

import { X509Certificate } from "node:crypto";
import type { TlsIdentity } from "./wire.ts";

/** Certificates that serve one name together: at most one per kind of key, ECDSA first. */
export type Bundle = readonly TlsIdentity[];

/** Kinds of key in the order in which a client that takes both gets them: ECDSA costs us a tenth of RSA. */
const KINDS = ["ec", "ed25519", "rsa"];

/** Certificates by name. */
export class CertificateNames {
  /** For a client that asks for nothing we have: what serves the first certificate's first name. */
  readonly fallback: Bundle;
  readonly #byName = new Map<string, Bundle>();

  /** @param identities at least one; of two for the same name and kind of key the first counts */
  constructor(identities: readonly TlsIdentity[]) {
    const served = identities.map((identity) => {
      const certificate = new X509Certificate(leafOf(identity)!);
      return { identity, kind: kindOf(certificate), names: namesOf(certificate) };
    });
    for (const name of new Set(served.flatMap(({ names }) => names))) {
      const fit = [
        ...served.filter(({ names }) => names.includes(name)),
        ...served.filter(({ names }) => names.includes(wildcardOf(name))),
      ];
      this.#byName.set(name, bundleOf(fit));
    }
    const first = served[0]!;
    this.fallback = this.#byName.get(first.names[0] ?? "") ?? [first.identity];
  }

  /** Names, wildcards among them, that have a certificate. */
  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** What serves a name; undefined where nothing does, or not better than the fallback. */
  find(name: string): Bundle | undefined {
    const asked = name.toLowerCase();
    return this.#byName.get(asked) ?? this.#byName.get(wildcardOf(asked));
  }
}

interface Served {
  readonly identity: TlsIdentity;
  readonly kind: string;
}

function bundleOf(fit: readonly Served[]): Bundle {
  const byKind = new Map<string, TlsIdentity>();
  for (const { kind, identity } of fit) if (!byKind.has(kind)) byKind.set(kind, identity);
  return [...byKind].sort(([a], [b]) => KINDS.indexOf(a) - KINDS.indexOf(b)).map(([, identity]) => identity);
}

/** The PEM block of the server's own certificate, the first of the chain; undefined where there is none. */
export function leafOf({ cert }: TlsIdentity): string | undefined {
  // Deno's parser accepts a certificate that is cut off: insist on both ends.
  return /-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----/.exec(cert)?.[0];
}

/** The DNS names a certificate is for, in lower case; the common name where it has none (RFC 6125 §6.4.4). */
export function namesOf(certificate: X509Certificate): string[] {
  const names = (certificate.subjectAltName ?? "").split(", ")
    .filter((name) => name.startsWith("DNS:"))
    .map((name) => name.slice(4).toLowerCase());
  if (names.length > 0) return names;
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}

function kindOf(certificate: X509Certificate): string {
  const kind = certificate.publicKey.asymmetricKeyType ?? "";
  return kind === "rsa-pss" ? "rsa" : kind;
}

/** `*.example` of `mx.example`. */
function wildcardOf(name: string): string {
  const dot = name.indexOf(".");
  return dot < 0 ? "" : `*${name.slice(dot)}`;
}
