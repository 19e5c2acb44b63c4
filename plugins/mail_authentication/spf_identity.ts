/**
 * Whose policy is asked: the HELO identity or the MAIL FROM identity (RFC 7208 §2.3, §2.4), and whether it is a name
 * that can have one at all (§4.3).
 */
import { domainToASCII } from "node:url";
import { type HeloFacts, type MailFacts, utf8Text } from "sallyport";

/** What a policy is asked about, as text. */
export interface SpfIdentity {
  readonly scope: "mailfrom" | "helo";
  /** Lower case, A-labels; "" where there is no domain that could have a policy. */
  readonly domain: string;
  readonly localPart: string;
  /** `local-part@domain`. */
  readonly sender: string;
  /** The client's address. */
  readonly client: string;
  readonly helo: string;
  /** Our name. */
  readonly receiver: string;
}

/** The HELO identity. */
export function heloIdentity(session: HeloFacts): SpfIdentity {
  return identity("helo", "postmaster", session.helo, session);
}

/** The MAIL FROM identity; the null reverse-path has that of HELO. */
export function mailIdentity(session: MailFacts): SpfIdentity {
  const { mailbox, localPart, domain } = session.reversePath;
  if (mailbox === "") return heloIdentity(session);
  return identity("mailfrom", localPart === "" ? "postmaster" : utf8Text(localPart), domain, session);
}

function identity(
  scope: "mailfrom" | "helo",
  localPart: string,
  written: string,
  session: HeloFacts,
): SpfIdentity {
  const domain = policyDomain(written);
  return {
    scope,
    domain,
    localPart,
    sender: `${localPart}@${domain}`,
    client: session.client.host,
    helo: utf8Text(session.helo),
    receiver: session.hostname,
  };
}

/** "_" is in no host name, and in reverse-paths that the DNS knows. */
const NAME = /^(?:[a-z0-9_-]{1,63}\.)+(?![0-9]+$)[a-z0-9-]{1,63}$/;

/**
 * The domain whose policy is asked, from one character per byte; "" for what is none: an address, a single label, an
 * empty or an overlong one.
 */
function policyDomain(written: string): string {
  if (written.length > 1000) return "";
  const text = utf8Text(written);
  const ascii = !/[^\0-\x7f]/.test(text) ? text.toLowerCase() : domainToASCII(text).toLowerCase();
  const domain = ascii.endsWith(".") ? ascii.slice(0, -1) : ascii;
  return domain.length <= 253 && NAME.test(domain) ? domain : "";
}
