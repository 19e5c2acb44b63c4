/**
 * A recipient of a session as an auth service is told of it.
 */
import { type RcptFacts, REVERSE, type TlsFacts } from "sallyport";
import type { Asked, Certificate, ClientName } from "./request.ts";

/** @param whole whether a certificate goes along as a whole */
export function askedOf(session: RcptFacts, whole: boolean): Asked {
  const { user, helo, mailLine: from, rcptLine: to, client, conduct, tls } = session;
  return {
    login: { method: "none", user, helo, from, to },
    // What counts as an attempt is one that failed: a client may bring a thousand good recipients.
    attempt: conduct.refusedRecipients + 1,
    client: client.host,
    clientName: nameOf(session),
    proxied: proxiedOf(session),
    tls: tls && { protocol: tls.version, cipher: tls.cipher, certificate: certificateOf(tls, whole) },
  };
}

/** Known where `fcrdns`, or whoever else leaves REVERSE, was asked before. */
function nameOf({ findings }: RcptFacts): ClientName {
  const reverse = findings.get(REVERSE);
  if (reverse?.status === "temperror") return "unknown for now";
  return reverse?.status === "pass" && reverse.name !== undefined ? { name: reverse.name } : "none";
}

/** Known where a trusted host has named the client, and not itself or nobody. */
function proxiedOf({ client, local, via }: RcptFacts): Asked["proxied"] {
  const named = via !== undefined && client.host !== via && client.host !== "unknown";
  return named ? { client, server: local } : undefined;
}

/** `undefined` where clients are not asked for one, as nginx tells it. */
function certificateOf({ peer, peerAsked }: TlsFacts, whole: boolean): Certificate | undefined {
  if (peer === undefined) return peerAsked ? { verify: "NONE" } : undefined;
  return {
    verify: peer.verified ? "SUCCESS" : `FAILED:${peer.error ?? "not verified"}`,
    subject: asciiName(peer.subject),
    issuer: asciiName(peer.issuer),
    serial: peer.serial,
    fingerprint: peer.sha1,
    pem: whole ? peer.pem : undefined,
  };
}

/** A name as nginx writes it: what is not ASCII as the octets of its UTF-8, each `\XX` (RFC 4514 §2.4). */
function asciiName(name: string): string {
  return name.replace(
    /[^\0-\x7f]+/g,
    (text) =>
      Array.from(new TextEncoder().encode(text), (octet) => `\\${octet.toString(16).toUpperCase()}`).join(""),
  );
}
