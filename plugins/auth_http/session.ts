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
    tls: tls && { protocol: tls.version, cipher: tls.cipher, certificate: certificateOf(tls, whole) },
  };
}

/** Known where `fcrdns`, or whoever else leaves REVERSE, was asked before. */
function nameOf({ findings }: RcptFacts): ClientName {
  const reverse = findings.get(REVERSE);
  if (reverse?.status === "temperror") return "unknown for now";
  return reverse?.status === "pass" && reverse.name !== undefined ? { name: reverse.name } : "none";
}

/** What a session tells of the client's certificate, where clients are asked for one. */
interface Peer {
  readonly verified?: unknown;
  readonly failure?: unknown;
  readonly subject?: unknown;
  readonly issuer?: unknown;
  readonly serial?: unknown;
  readonly fingerprint?: unknown;
  readonly pem?: unknown;
}

function certificateOf(tls: TlsFacts, whole: boolean): Certificate | undefined {
  const { peer } = tls as TlsFacts & { readonly peer?: Peer };
  if (peer === undefined || peer === null) return undefined;
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  return {
    verify: peer.verified === true ? "SUCCESS" : `FAILED:${text(peer.failure) ?? "not verified"}`,
    subject: text(peer.subject),
    issuer: text(peer.issuer),
    serial: text(peer.serial),
    fingerprint: text(peer.fingerprint),
    pem: whole ? text(peer.pem) : undefined,
  };
}
