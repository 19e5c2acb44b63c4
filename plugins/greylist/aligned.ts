/**
 * The domain that a client speaks for beyond doubt: the sender's, where SPF passes for it or the client's own confirmed
 * name is in it. The only importer of tldts, which knows where an organization's domain begins (the Public Suffix List,
 * with its private part: customers of one host are not one organization).
 */
import { getDomain } from "tldts";
import { type MailFacts, REVERSE, SPF } from "sallyport";

/** The organizational domain; undefined where nothing vouches for the sender. A null sender's is that of HELO (RFC 7208 §2.4). */
export function alignedDomain({ findings, reversePath, helo }: MailFacts): string | undefined {
  const spf = findings.get(SPF);
  const vouched = spf?.result === "pass" ? spf.domain : undefined;
  const name = findings.get(REVERSE)?.name;
  if (vouched === undefined && name === undefined) return undefined;
  const domain = organization(reversePath.domain || helo);
  if (domain === undefined) return undefined;
  const aligned = (other: string | undefined) => other !== undefined && organization(other) === domain;
  return aligned(vouched) || aligned(name) ? domain : undefined;
}

function organization(name: string): string | undefined {
  if (name.length > 253 || !/^[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)+\.?$/.test(name)) return undefined;
  return getDomain(name.toLowerCase(), { extractHostname: false, allowPrivateDomains: true }) ?? undefined;
}
