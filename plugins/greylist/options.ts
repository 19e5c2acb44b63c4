/**
 * The options of `greylist`.
 */
import type { DataFacts, OnError, RcptFacts } from "sallyport";
import { options, z } from "sallyport/schema";

/** How the greylist is set; times are milliseconds. */
export interface GreylistOptions {
  /** How long a new triplet waits; 300,000 (5 minutes) unless given: most senders of spam do not come back at all. */
  readonly delay?: number | undefined;
  /** How long after its first attempt it may come again; 2 days unless given, since a sender may try that rarely. */
  readonly window?: number | undefined;
  /** How long a triplet that has passed is remembered after its last message; 35 days unless given: a monthly letter does. */
  readonly memory?: number | undefined;
  /** So many triplets of a client's network, or of a domain, have to pass until it is let through; 5 unless given, 0: never. */
  readonly passes?: number | undefined;
  /**
   * So many new triplets of a client's network are remembered in an hour; 1,000 unless given. More of them wait and are
   * forgotten, so that nobody fills the store with senders and recipients that he makes up.
   */
  readonly strangers?: number | undefined;
  /** How long the process itself remembers who may pass, so that busy senders cost the store nothing; 60,000 unless given. */
  readonly cache?: number | undefined;
  /** Bits of an IPv4 address that make its network; 24 unless given. */
  readonly ipv4?: number | undefined;
  /** Bits of an IPv6 address that make its network; 64 unless given. */
  readonly ipv6?: number | undefined;
  /**
   * Where mail with the null sender waits: `data` (unless given) lets those through who only ask whether a mailbox is
   * there, and refuses at DATA; `rcpt` as all other mail; `exempt` nowhere.
   */
  readonly nullSender?: "data" | "rcpt" | "exempt" | undefined;
  /** Whether mail with SPF pass waits; `greylist` (it does) unless given, since whoever sends spam can publish SPF too. */
  readonly spfPass?: "greylist" | "exempt" | undefined;
  /** What else does not wait: a test of what is known. */
  readonly exempt?: ((session: RcptFacts | DataFacts) => boolean) | undefined;
  /** What a failure does, the store being away above all; `pass` unless given: mail that should have waited is no harm. */
  readonly onError?: OnError | undefined;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
const YEAR = 365 * DAY;

const time = (least: number) => {
  const allowed = `allowed are milliseconds from ${least} to ${YEAR} (a year)`;
  return z.int(allowed).min(least, allowed).max(YEAR, allowed);
};
const whole = (least: number, most: number) => {
  const allowed = `allowed is a whole number from ${least} to ${most}`;
  return z.int(allowed).min(least, allowed).max(most, allowed);
};
const policy = z.enum(["pass", "defer", "reject"], "allowed are pass, defer, reject");

/** Fills in the defaults. */
export const schema = options({
  delay: time(0).default(5 * MINUTE),
  window: time(1).default(2 * DAY),
  memory: time(1).default(35 * DAY),
  passes: whole(0, 1000).default(5),
  strangers: whole(1, 1_000_000).default(1000),
  cache: time(0).default(MINUTE),
  ipv4: whole(8, 32).default(24),
  ipv6: whole(16, 128).default(64),
  nullSender: z.enum(["data", "rcpt", "exempt"], "allowed are data, rcpt, exempt").default("data"),
  spfPass: z.enum(["greylist", "exempt"], "allowed are greylist, exempt").default("greylist"),
  exempt: z.custom<(session: RcptFacts | DataFacts) => boolean>(
    (given) => typeof given === "function",
    "allowed is a function",
  ).optional(),
  onError: z.union(
    [policy, z.strictObject({ timeout: policy, temporary: policy, crash: policy })],
    "allowed are pass, defer, reject, or one each for timeout, temporary, crash",
  ).default("pass"),
}).refine(({ delay, window }) => window > delay, {
  path: ["window"],
  message: "allowed are milliseconds above the delay",
});

/** The options with their defaults. */
export type Terms = z.output<typeof schema>;
