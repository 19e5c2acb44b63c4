/**
 * What `early-talker` can be told, and what is said of mistakes.
 */
import type { OnError } from "sallyport";
import { options, z } from "sallyport/schema";

/** What misconduct brings about: nothing, points for `threshold`, 554, 421 and the end. */
export type MisconductAction = "off" | "reject" | "disconnect" | { readonly score: number };

/** Whom nothing is asked of. */
export const EXEMPT = ["allowed", "dnswl", "reverse"] as const;

/** What `early-talker` can be told. */
export interface EarlyTalkerOptions {
  /** Milliseconds that an unknown client waits for its greeting, up to 30,000; 3,000. 0: none is held. */
  readonly wait?: number | undefined;
  /** First line of the greeting, sent at once; the host's name and "ESMTP". "": none is sent. */
  readonly teaser?: string | undefined;
  /** It speaks before it is greeted; `"reject"`. */
  readonly pregreet?: MisconductAction | undefined;
  /** It sends commands ahead before that was offered; `"reject"`. */
  readonly pipelining?: MisconductAction | undefined;
  /** It says what is no command of SMTP; 2 points. */
  readonly nonsense?: MisconductAction | undefined;
  /** Lines of nonsense that are too many; 1. */
  readonly nonsenseLines?: number | undefined;
  /** Milliseconds for which a client that has passed is not held; a day. */
  readonly memory?: number | undefined;
  /**
   * Whom nothing is asked of: who is `"allowed"` by an allow list, who has a sum of DNS lists below 0 (`"dnswl"`), who has a
   * name that points back (`"reverse"`); the first two.
   */
  readonly skip?: readonly typeof EXEMPT[number][] | undefined;
  /** Default `"pass"`: without its memory it goes on holding and judging. */
  readonly onError?: OnError | undefined;
}

const DAY = 86_400_000;

const whole = (from: number, to: number, what = "number") => {
  const allowed = `allowed is a whole ${what} from ${from} to ${to}`;
  return z.int(allowed).min(from, allowed).max(to, allowed);
};
const ACTIONS = 'allowed are "off", "reject", "disconnect" and { score: number }';
const action = z.union(
  [z.enum(["off", "reject", "disconnect"]), z.strictObject({ score: z.number() })],
  ACTIONS,
);
const TEASER = "allowed are up to 400 characters of printable ASCII";
const SKIP = `allowed is a list of ${EXEMPT.join(", ")}`;

export const SCHEMA = options({
  wait: whole(0, 30_000, "number of milliseconds").default(3_000),
  teaser: z.string(TEASER).regex(/^[ -~]{0,400}$/, TEASER).optional(),
  pregreet: action.default("reject"),
  pipelining: action.default("reject"),
  nonsense: action.default({ score: 2 }),
  nonsenseLines: whole(1, 1000).default(1),
  memory: whole(60_000, 365 * DAY, "number of milliseconds").default(DAY),
  skip: z.array(z.enum(EXEMPT, SKIP), SKIP).readonly().default(["allowed", "dnswl"]),
  onError: z.custom<OnError>().default("pass"),
});

/** The options with their defaults. */
export type Terms = z.output<typeof SCHEMA>;
