/**
 * Findings that plugins of different authors share: who leaves one and who reads it need not know one another.
 */
import { finding, type FindingKey } from "./finding.ts";
import type { Path } from "../smtp/path.ts";
import type { Known } from "./stages.ts";

/** The client needs no further checks; the value says who says so. Left by allow lists. */
export const ALLOWED: FindingKey<string> = finding("allowed");

/** For `unless`: the client is on an allow list. */
export function isAllowed({ findings }: Known): boolean {
  return findings.get(ALLOWED) !== undefined;
}

/**
 * The recipient in question is postmaster, who hears everybody (RFC 5321 §4.5.1); once the recipients are complete, there is
 * nobody else among them.
 */
export function isPostmaster(
  { forwardPath, recipients }: Pick<Known, "forwardPath" | "recipients">,
): boolean {
  if (forwardPath !== undefined) return isHis(forwardPath);
  return recipients !== undefined && recipients.length > 0 && recipients.every(isHis);
}

function isHis({ localPart }: Path): boolean {
  return localPart.toLowerCase() === "postmaster";
}

/** What the reverse DNS says of the client (RFC 8601 §2.7.3, iprev). */
export interface ReverseFinding {
  readonly status: "pass" | "fail" | "none" | "temperror" | "permerror";
  /** Names that the address points to, confirmed or not. */
  readonly names: readonly string[];
  /** The first name that points back to the address. */
  readonly name: string | undefined;
}

export const REVERSE: FindingKey<ReverseFinding> = finding("reverse");

/** RFC 7208 §2.6. */
export type SpfResult = "none" | "neutral" | "pass" | "fail" | "softfail" | "temperror" | "permerror";

export interface SpfFinding {
  readonly result: SpfResult;
  readonly scope: "mailfrom" | "helo";
  /** The domain whose policy was asked. */
  readonly domain: string;
}

/** SPF of the reverse-path, or of HELO where that is null. */
export const SPF: FindingKey<SpfFinding> = finding("spf");
/** SPF of the HELO name. */
export const SPF_HELO: FindingKey<SpfFinding> = finding("spf-helo");

export interface DnsblFinding {
  readonly score: number;
  readonly lists: readonly {
    readonly zone: string;
    readonly answers: readonly string[];
    readonly weight: number;
    readonly reason: string | undefined;
  }[];
}

/** DNS lists that know the client. */
export const DNSBL: FindingKey<DnsblFinding> = finding("dnsbl");

export interface GeoFinding {
  /** ISO 3166-1, two letters. */
  readonly country: string | undefined;
  /** Number of the autonomous system. */
  readonly as: number | undefined;
  readonly organization: string | undefined;
}

/** Where the client is. */
export const GEO: FindingKey<GeoFinding> = finding("geo");
