/** The checks that tell an operator what is wrong with a certificate and its key. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { leafOf } from "./tls_names.ts";
import type { TlsIdentity } from "./wire.ts";

/** @throws with what `checkIdentity` says (the runtimes notice late, Deno only in the handshake) */
export function requireIdentity(identity: TlsIdentity): void {
  const wrong = checkIdentity(identity);
  if (wrong !== undefined) throw new Error(wrong);
}

/** What makes an identity unusable, in words for the operator; undefined when nothing does. */
export function checkIdentity(identity: TlsIdentity): string | undefined {
  const certificate = attempt(() => leaf(identity));
  if (certificate instanceof Error) return `Cannot read the certificate: ${certificate.message}`;
  const key = attempt(() => createPrivateKey(identity.key));
  if (key instanceof Error) return `Cannot read the private key: ${key.message}`;
  if (!certificate.checkPrivateKey(key)) {
    return `Cannot use the private key: it does not belong to the certificate of ${
      oneLine(certificate.subject)
    }`;
  }
  const { cert } = identity;
  const context = attempt(() => createSecureContext({ cert, key: identity.key, minVersion: "TLSv1.2" }));
  return context instanceof Error ? `Cannot use the certificate: ${context.message}` : undefined;
}

/** What makes a file of CA certificates unusable, in words; undefined when nothing does. */
export function checkAuthorities(pem: string): string | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (blocks === null) return "it holds no certificate in PEM";
  for (const block of blocks) {
    const certificate = attempt(() => new X509Certificate(block));
    if (certificate instanceof Error) return `a certificate in it cannot be read: ${certificate.message}`;
  }
  return undefined;
}

/** What an operator should look at though TLS works: a certificate that is not valid `now`, or not for `days` more. */
export function identityWarning(identity: TlsIdentity, now: Date, days = 7): string | undefined {
  const certificate = attempt(() => leaf(identity));
  if (certificate instanceof Error) return undefined;
  const subject = oneLine(certificate.subject);
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  if (now.getTime() < from) return `The certificate of ${subject} is not valid before ${day(from)}`;
  if (now.getTime() > to) return `The certificate of ${subject} expired on ${day(to)}`;
  const left = Math.floor((to - now.getTime()) / 86_400_000);
  return left < days ? `The certificate of ${subject} expires on ${day(to)}, in ${left} days` : undefined;
}

/** The first certificate of the chain, the server's own. */
function leaf(identity: TlsIdentity): X509Certificate {
  const pem = leafOf(identity);
  if (pem === undefined) throw new Error("no PEM block CERTIFICATE");
  return new X509Certificate(pem);
}

function attempt<Value>(work: () => Value): Value | Error {
  try {
    return work();
  } catch (error) {
    return error as Error;
  }
}

function oneLine(subject: string): string {
  return subject.split("\n").join(", ");
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
