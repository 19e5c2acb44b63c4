/**
 * What a plugin's failure means: three kinds, and for each what it does to the mail at hand.
 */
import { shown } from "./options.ts";
import { defer, isVerdict, type Refusal, reject } from "./verdict.ts";

/** What a plugin's failure does: nothing, 4yz, 5yz. */
export type ErrorPolicy = "pass" | "defer" | "reject";

/** All there are. */
export const ERROR_POLICIES: readonly ErrorPolicy[] = ["pass", "defer", "reject"];

/**
 * `timeout`: no opinion in time. `temporary`: something it needs is away (an error with `temporary: true`, as of the DNS
 * and of the store). `crash`: anything else it threw, or what it returned is no opinion.
 */
export type FailureKind = "timeout" | "temporary" | "crash";

export const FAILURE_KINDS: readonly FailureKind[] = ["timeout", "temporary", "crash"];

/** One policy for all, or one each. */
export type OnError = ErrorPolicy | { readonly [Kind in FailureKind]: ErrorPolicy };

/** Something that a plugin needs is away: thrown by a handler, it is a temporary failure. */
export class Unavailable extends Error {
  readonly temporary = true;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Unavailable";
  }
}

/** The kind of what a handler threw. */
export function failureKind(cause: unknown): FailureKind {
  const away = readable(() => (cause as { temporary?: unknown } | undefined)?.temporary);
  return away === true ? "temporary" : "crash";
}

/** The DNS is away: often the doing of whoever owns a name. */
export function isOfDns(cause: unknown): boolean {
  return readable(() => (cause as { name?: unknown } | undefined)?.name) === "DnsError";
}

/** What was thrown, in words for the log. */
export function causeText(cause: unknown): string {
  const message = readable(() => (cause instanceof Error ? String(cause.message) : undefined));
  if (message !== undefined) return message;
  const verdict = readable(() => isVerdict(cause)) === true;
  return `${inWords(cause)} was thrown; ${verdict ? "a verdict is to be returned" : "allowed is an Error"}`;
}

/** What a handler returned that is no opinion, in words for the log. */
export function opinionMistake(given: unknown): string {
  return `the handler returned ${
    inWords(given)
  }; allowed are verdicts, actions, a list of them, or nothing (undefined)`;
}

function inWords(value: unknown): string {
  return readable(() =>
    typeof value === "function" ? `a function (${value.name || "without a name"})` : shown(value)
  ) ?? `what is ${typeof value}`;
}

/** What a plugin made may throw when it is looked at. */
function readable<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** What a failure costs. */
export function costOf(onError: OnError, kind: FailureKind): Refusal | undefined {
  const policy = typeof onError === "string" ? onError : onError[kind];
  if (policy === "pass") return undefined;
  if (policy === "reject") return reject("5.3.0", "A check of this server failed");
  return defer("4.3.0", "A check of this server failed, try again later", 451);
}

/** What is wrong with an `onError`, if anything. */
export function onErrorMistake(given: unknown): string | undefined {
  const isPolicy = (policy: unknown) => (ERROR_POLICIES as readonly unknown[]).includes(policy);
  if (isPolicy(given)) return undefined;
  const each = (given ?? {}) as Record<string, unknown>;
  if (
    typeof given === "object" && FAILURE_KINDS.every((kind) => isPolicy(each[kind])) &&
    Object.keys(each).length === FAILURE_KINDS.length
  ) return undefined;
  return `onError ${JSON.stringify(given)} was given; allowed are ${
    ERROR_POLICIES.join(", ")
  }, or one each for ` +
    FAILURE_KINDS.join(", ");
}

/** For logs: "pass", or "timeout pass, temporary defer, crash reject". */
export function onErrorText(onError: OnError): string {
  if (typeof onError === "string") return onError;
  return FAILURE_KINDS.map((kind) => `${kind} ${onError[kind]}`).join(", ");
}
