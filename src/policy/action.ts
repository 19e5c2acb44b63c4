/**
 * What a handler may bring about beside its verdict. An action is a value that the handler returns: what a handler that
 * failed or came too late would have done is never done.
 */
import { isIP } from "node:net";
import { headerField, isFieldName, isFieldText } from "../mail/field.ts";
import type { Io } from "./effects.ts";
import type { FindingKey } from "./finding.ts";
import type { RouteTarget } from "./route.ts";
import { isVerdict, type Verdict } from "./verdict.ts";

/**
 * Something done later, when it is known what became of the mail. A failure is logged, and nobody waits for it; what it
 * returns means nothing.
 */
export type Effect = (io: Io) => unknown;

export type Action =
  | { readonly kind: "header"; readonly name: string; readonly value: string }
  | { readonly kind: "note"; readonly name: string; readonly value: string | number | boolean }
  | { readonly kind: "finding"; readonly key: FindingKey<unknown>; readonly value: unknown }
  | { readonly kind: "score"; readonly points: number; readonly reason: string }
  | { readonly kind: "route"; readonly target: RouteTarget }
  | { readonly kind: "commit" | "rollback" | "afterwards"; readonly effect: Effect };

/** What a handler returns: nothing where it has no opinion, a verdict, an action, or several of them. */
export type Opinion = Verdict | Action | readonly (Verdict | Action | undefined)[] | undefined | void;

/**
 * Puts a field before the message.
 * @param name a field name (RFC 5322 §3.6.8)
 * @param value printable ASCII in one line; it is folded where it is long
 * @throws TypeError naming what was given and what is allowed
 */
export function addHeader(name: string, value: string): Action {
  if (!isFieldName(name)) {
    throw wrong("a field", "name", name, "1 to 76 printable ASCII characters but the colon");
  }
  if (!isFieldText(value)) throw wrong("a field", "value", value, "1 to 8000 printable ASCII characters");
  const action: HeaderAction = Object.freeze({ kind: "header", name, value });
  FIELDS.set(action, headerField(name, value));
  return action;
}

type HeaderAction = Action & { readonly kind: "header" };

/** Checked and folded: a plugin that remembers what it says returns the same action for every session. */
const FIELDS = new WeakMap<object, string>();

/** The whole field, with its line ends. */
export function fieldOf(action: HeaderAction): string {
  return FIELDS.get(action) ?? headerField(action.name, action.value);
}

/** Leaves a word for the log, the trace and `explain`. Wire text is made printable there. */
export function note(name: string, value: string | number | boolean): Action {
  return { kind: "note", name, value };
}

/** Leaves a finding. */
export function found<T>(key: FindingKey<T>, value: NoInfer<T>): Action {
  return { kind: "finding", key, value };
}

/**
 * Adds to the score, which `threshold` judges.
 * @param points a number; negative speaks for the client
 */
export function score(points: number, reason: string): Action {
  if (!Number.isFinite(points)) throw wrong("a score", "points", points, "a number");
  return { kind: "score", points, reason };
}

/**
 * Sends the mail at hand to a pool of the policy's, whatever its `routes` say; or to one mail server by its IP address,
 * which is then talked to as the policy's `backends` are. Of several the one of the latest stage counts, and within a
 * stage that of the first plugin. Not at `data` and later: the backend has the recipients by then.
 * @throws TypeError naming what was given and what is allowed
 */
export function route(target: RouteTarget): Action {
  if (!isTarget(target)) {
    throw wrong("a route", "target", target, "a pool's name, or { host: an IP address, port }");
  }
  return { kind: "route", target };
}

function isTarget(given: unknown): given is RouteTarget {
  if (typeof given === "string") return given !== "";
  const { host, port } = (given ?? {}) as Record<string, unknown>;
  return typeof host === "string" && isIP(host) !== 0 && Number.isInteger(port) && (port as number) > 0 &&
    (port as number) < 65_536;
}

/**
 * Does something once the mail at hand is taken: when the backend has said 2yz to the message (to one of the session's,
 * where the stage is `connect` or `helo`), and never otherwise.
 */
export function commit(effect: Effect): Action {
  return { kind: "commit", effect };
}

/**
 * Does something once it is clear that the mail at hand is not taken: the other half of `commit`. Of mail whose outcome
 * nobody knows (the backend had it all and was lost before it answered) neither half is done.
 */
export function rollback(effect: Effect): Action {
  return { kind: "rollback", effect };
}

/** Does something when what the stage is about (recipient, transaction, session) is over, whatever came of it. */
export function afterwards(effect: Effect): Action {
  return { kind: "afterwards", effect };
}

const ACTIONS = new Set<unknown>([
  "header",
  "note",
  "finding",
  "score",
  "route",
  "commit",
  "rollback",
  "afterwards",
]);

function isAction(given: unknown): given is Action {
  const action = (given ?? {}) as Record<string, unknown>;
  if (!ACTIONS.has(action["kind"])) return false;
  switch (action["kind"]) {
    case "header":
      return FIELDS.has(action) || (isFieldName(action["name"]) && isFieldText(action["value"]));
    case "note":
      return typeof action["name"] === "string" &&
        ["string", "number", "boolean"].includes(typeof action["value"]);
    case "finding":
      return typeof action["key"] === "object" && action["key"] !== null;
    case "score":
      return Number.isFinite(action["points"]) && typeof action["reason"] === "string";
    case "route":
      return isTarget(action["target"]);
    default:
      return typeof action["effect"] === "function";
  }
}

/** What a handler returned, one by one; undefined where it holds what is neither verdict nor action. */
export function readOpinion(given: unknown): readonly (Verdict | Action)[] | undefined {
  if (given === undefined) return NOTHING;
  if (!Array.isArray(given)) return isPart(given) ? [given] : undefined;
  // Mostly nothing is undefined, and the list can be taken as it is.
  const parts = given.includes(undefined) ? given.filter((part) => part !== undefined) : given;
  return parts.every(isPart) ? parts : undefined;
}

const NOTHING: readonly (Verdict | Action)[] = [];

function isPart(given: unknown): given is Verdict | Action {
  return isVerdict(given) || isAction(given);
}

function wrong(what: string, part: string, given: unknown, allowed: string): TypeError {
  return new TypeError(
    `Cannot make ${what}: ${part} ${JSON.stringify(given)} was given; allowed is ${allowed}`,
  );
}
