/**
 * At which stage something can be counted: when what it is counted by is known, and what is counted is there.
 */
import type { Stage } from "sallyport";

const ORDER: readonly Stage[] = ["connect", "helo", "mail", "rcpt", "data", "message"];

/** When what a session is counted by is first known. */
const KNOWN = {
  "client": "connect",
  "listener": "connect",
  "helo": "helo",
  "user": "mail",
  "sender": "mail",
  "sender-domain": "mail",
  "recipient": "rcpt",
  "recipient-domain": "rcpt",
} as const satisfies Readonly<Record<string, Stage>>;

/** What a session has that it can be counted by. */
export type NamedKey = keyof typeof KNOWN;

/** All there are. */
export const KEYS = Object.keys(KNOWN) as readonly NamedKey[];

/** When what is counted is there. */
const THERE = {
  connections: "connect",
  messages: "mail",
  recipients: "rcpt",
  octets: "message",
  errors: "connect",
} as const satisfies Readonly<Record<string, Stage>>;

/** What can be counted. */
export type Counted = keyof typeof THERE;

/** All there is. */
export const COUNTED = Object.keys(THERE) as readonly Counted[];

/** The first stage at which the key is known; of a function it is the first of all. */
export function firstStage(per: unknown): Stage {
  return typeof per === "string" ? KNOWN[per as NamedKey] : "connect";
}

/** Where a limit is asked; undefined where its key is known too late for what it counts. */
export function stageOf(per: unknown, of: Counted): Stage | undefined {
  const known = firstStage(per);
  const there = THERE[of];
  if (ORDER.indexOf(known) <= ORDER.indexOf(there)) return there;
  return there === "connect" ? undefined : known;
}
