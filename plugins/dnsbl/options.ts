/**
 * What `dnsbl` can be told, and what is said of mistakes.
 */
import type { OnError } from "sallyport";
import { options, z } from "sallyport/schema";
import { type DnsblSite, type Subject, SUBJECTS } from "./sites.ts";

/** What `dnsbl` can be told. */
export interface DnsblOptions {
  /** In postscreen's syntax, `"bl.example=127.0.0.[2..11]*3 wl.example*-2"`, or as objects. */
  readonly sites: string | readonly DnsblSite[];
  /** What lists are asked about that do not say themselves: the client's address, `"client"`. */
  readonly of?: Subject | undefined;
  /** `"verdict"`: refuses by the sum (default). `"score"`: adds it to the score, for `threshold` to judge. */
  readonly mode?: "verdict" | "score" | undefined;
  /** Refuses with 5yz from this sum on; 1. */
  readonly threshold?: number | undefined;
  /** Refuses with 4yz from this sum on; off. */
  readonly defer?: number | undefined;
  /** Leaves the finding `ALLOWED` up to this sum, which is below 0; off. */
  readonly allowThreshold?: number | undefined;
  /** Milliseconds that a list may take; 2,000, so that the stage's 5 s are not used up. */
  readonly timeout?: number | undefined;
  /** Milliseconds that the reason for a refusal may take besides; 1,000. 0: none is asked for. */
  readonly reasonTimeout?: number | undefined;
  /** Whether addresses that mean another host everywhere (RFC 1918 and the like) are asked about; `"skip"`. */
  readonly privateAddresses?: "skip" | "check" | undefined;
  /** False: zones are used without their test entries; true. */
  readonly selfTest?: boolean | undefined;
  /** By zone: what clients, logs and metrics are told instead, where the zone holds a key. */
  readonly zoneNames?: Readonly<Record<string, string>> | undefined;
  /** Default `"pass"`: what the DNS does is no failure of this plugin, and anything else is a fault of its own. */
  readonly onError?: OnError | undefined;
}

const milliseconds = (from: number) => {
  const allowed = `allowed is a whole number of milliseconds from ${from} to 60000`;
  return z.int(allowed).min(from, allowed).max(60_000, allowed);
};
const yesOrNo = z.boolean("allowed is true or false");
const subject = z.enum(SUBJECTS, `allowed are ${SUBJECTS.join(", ")}`);
const above0 = z.number("allowed is a number above 0").positive("allowed is a number above 0");
const below0 = z.number("allowed is a number below 0").negative("allowed is a number below 0");
const SITES = 'allowed is text as in "bl.example=127.0.0.[2..11]*3 wl.example*-2", or a list of objects';
const NAME = "allowed are 1 to 100 printable ASCII characters, no spaces";

export const SCHEMA = options({
  sites: z.union([
    z.string(),
    z.array(options({
      zone: z.string("allowed is a domain name"),
      filter: z.string('allowed is text as in "127.0.0.[2..11]"').optional(),
      weight: z.number("allowed is a number, as in 3 or -2").optional(),
      of: subject.optional(),
      timeout: milliseconds(1).optional(),
      selfTest: yesOrNo.optional(),
    })).readonly(),
  ], SITES),
  of: subject.default("client"),
  mode: z.enum(["verdict", "score"], "allowed are verdict, score").default("verdict"),
  threshold: above0.default(1),
  defer: above0.optional(),
  allowThreshold: below0.optional(),
  timeout: milliseconds(1).default(2_000),
  reasonTimeout: milliseconds(0).default(1_000),
  privateAddresses: z.enum(["skip", "check"], "allowed are skip and check").default("skip"),
  selfTest: yesOrNo.default(true),
  zoneNames: z.record(z.string(), z.string(NAME).regex(/^[!-~]{1,100}$/, NAME)).default({}),
  onError: z.custom<OnError>().default("pass"),
});

/** The options with their defaults. */
export type Given = z.output<typeof SCHEMA>;
