/**
 * The options of `rate-limit`.
 */
import type { Known, OnError } from "sallyport";
import { options, z } from "sallyport/schema";
import { readRate } from "./rate.ts";
import { COUNTED, type Counted, KEYS, type NamedKey, stageOf } from "./stage.ts";

/** By what is counted: what a session has, or text of one's own; undefined: this session is not counted. */
export type Per = NamedKey | ((session: Known) => string | undefined);

/** How many bits of an address count, and by what the rate (or the number of places) is multiplied for so large a network. */
export type Prefix = number | readonly [bits: number, factor: number];

/** Networks of a client that are counted together, all of which must have room. */
export interface Prefixes {
  /** `[32]` unless given. */
  readonly ipv4?: readonly Prefix[] | undefined;
  /** `[64]` unless given. */
  readonly ipv6?: readonly Prefix[] | undefined;
}

interface Scope {
  readonly per: Per;
  /** Networks, where `per` is `client`. */
  readonly prefixes?: Prefixes | undefined;
  /** Only sessions of which this says true. */
  readonly when?: ((session: Known) => boolean) | undefined;
  /**
   * Whether clients on an allow list are counted. Unless given they are `exempt` where `per` is what they claim or are
   * (client, helo, sender, sender-domain), and `counted` where it is what is ours (user, recipient, recipient-domain,
   * listener) or text of one's own.
   */
  readonly allowed?: "exempt" | "counted" | undefined;
}

/** One limit. */
export interface LimitOptions extends Scope {
  /** Lower case words with hyphens: for logs, metrics and the store. */
  readonly name: string;
  readonly of: Counted;
  /** `10/s`, `100/min`, `1000/hour burst 200`; the burst is all of one period's unless given. */
  readonly rate: string;
  /** What is done beyond it; `defer` unless given. */
  readonly action?: "defer" | "delay" | "score" | "reject" | undefined;
  /** Points for `score`; 5 unless given. */
  readonly points?: number | undefined;
  /** With `delay`: beyond so many milliseconds it defers; 30,000 unless given, 120,000 at the most. */
  readonly longestDelay?: number | undefined;
  /** By what this counts more or less than one (for octets: than its size): 0 or more, rounded up. */
  readonly weight?: ((session: Known) => number) | undefined;
}

/** How many there may be at the same time. */
export interface PlacesOptions extends Scope {
  /** As a limit's; the name of `per` unless given, and needed where that is a function. */
  readonly name?: string | undefined;
  readonly most: number;
}

/** What is limited, and what happens where it cannot be counted. */
export interface RateLimitOptions {
  readonly limits?: readonly LimitOptions[] | undefined;
  /** Sessions (or, per user or sender, transactions; per recipient, recipients) at the same time. */
  readonly concurrency?: readonly PlacesOptions[] | undefined;
  /** Milliseconds for which a place outlives the process that took it; 300,000 unless given. */
  readonly ttl?: number | undefined;
  /** Where the store is away: `local` (unless given) counts in this process alone, `pass` not at all, `defer` refuses for now. */
  readonly fallback?: "local" | "pass" | "defer" | undefined;
  /** What any other failure does; `pass` unless given. */
  readonly onError?: OnError | undefined;
}

const whole = (least: number, most: number) => {
  const allowed = `allowed is a whole number from ${least} to ${most}`;
  return z.int(allowed).min(least, allowed).max(most, allowed);
};
const called = <Called extends (session: Known) => unknown>() =>
  z.custom<Called>((given) => typeof given === "function", "allowed is a function").optional();
const oneOf = <const Words extends readonly string[]>(words: Words) =>
  z.enum(words, `allowed are ${words.join(", ")}`);

const name = z.string("allowed is a name").regex(
  /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
  'allowed are lower case words with hyphens, as in "mail-per-user"',
);
const per = z.custom<Per>(
  (given) => typeof given === "function" || KEYS.includes(given as NamedKey),
  `allowed are ${KEYS.join(", ")}, or a function`,
);

const prefixes = (bits: number) => {
  const count = whole(1, bits);
  const factor = z.number().min(1).max(1000);
  const message =
    `allowed are numbers of bits from 1 to ${bits}, or pairs of one and a factor from 1 to 1000`;
  return z.array(z.union([count, z.tuple([count, factor]).readonly()], message), message)
    .min(1, message)
    .refine(
      (given) => new Set(given.map((each) => [each].flat()[0])).size === given.length,
      "one comes twice",
    )
    .readonly();
};

const scope = {
  per,
  prefixes: options({ ipv4: prefixes(32).optional(), ipv6: prefixes(128).optional() }).optional(),
  when: called<(session: Known) => boolean>(),
  allowed: oneOf(["exempt", "counted"]).optional(),
};

const limit = options({
  ...scope,
  name,
  of: oneOf(COUNTED),
  rate: z.string("allowed is text").superRefine((text, check) => {
    const read = readRate(text);
    if (typeof read === "string") check.addIssue({ code: "custom", message: read });
  }),
  action: oneOf(["defer", "delay", "score", "reject"]).default("defer"),
  points: z.number("allowed is a number").default(5),
  longestDelay: whole(1, 120_000).default(30_000),
  weight: called<(session: Known) => number>(),
}).superRefine((given, check) => {
  const note = (at: string, message: string) => check.addIssue({ code: "custom", path: [at], message });
  if (stageOf(given.per, given.of) === undefined) {
    note(
      "per",
      `${given.of} are counted when a client connects; allowed are client, listener, or a function`,
    );
  }
  if (given.prefixes !== undefined && given.per !== "client") {
    note("prefixes", 'allowed only with per "client"');
  }
  if (given.action !== "delay") return;
  if (given.of === "errors") note("action", "errors cannot be delayed; allowed are defer, score, reject");
  const { interval } = readRate(given.rate) as { interval: number };
  if (interval > given.longestDelay) {
    note(
      "rate",
      `it lets one through in ${
        Math.ceil(interval)
      } ms, and nobody waits longer than ${given.longestDelay} ms ` +
        "(longestDelay); allowed is a higher rate, or another action",
    );
  }
});

const places = options({ ...scope, name: name.optional(), most: whole(1, 1_000_000) })
  .superRefine((given, check) => {
    const note = (at: string, message: string) => check.addIssue({ code: "custom", path: [at], message });
    if (typeof given.per === "function" && given.name === undefined) note("name", "a function needs a name");
    // Who greets once more would hold two places until the first greeting is forgotten.
    if (given.per === "helo") {
      note("per", "places cannot be held by what a client may say again; use a function");
    }
    if (given.prefixes !== undefined && given.per !== "client") {
      note("prefixes", 'allowed only with per "client"');
    }
  });

const policy = oneOf(["pass", "defer", "reject"]);

/** Fills in the defaults. */
export const schema = options({
  limits: z.array(limit, "allowed is a list of limits").readonly().default([]),
  concurrency: z.array(places, "allowed is a list of places").readonly().default([]),
  ttl: whole(1000, 86_400_000).default(300_000),
  fallback: oneOf(["local", "pass", "defer"]).default("local"),
  onError: z.union(
    [policy, z.strictObject({ timeout: policy, temporary: policy, crash: policy })],
    "allowed are pass, defer, reject, or one each for timeout, temporary, crash",
  ).default("pass"),
}).superRefine(({ limits, concurrency }, check) => {
  for (const [list, all] of [["limits", limits], ["concurrency", concurrency]] as const) {
    const names = all.map(({ name, per }) => name ?? per);
    for (const [i, each] of names.entries()) {
      if (names.indexOf(each) === i) continue;
      check.addIssue({ code: "custom", path: [list, i, "name"], message: `the name ${each} is taken` });
    }
  }
  if (limits.length + concurrency.length === 0) {
    check.addIssue({ code: "custom", path: [], message: "nothing is limited; a limit or a place is needed" });
  }
});

/** The options with their defaults. */
export type Terms = z.output<typeof schema>;
/** One limit with its defaults. */
export type LimitTerms = Terms["limits"][number];
/** One kind of place. */
export type PlacesTerms = Terms["concurrency"][number];
