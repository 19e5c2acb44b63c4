/**
 * What a plugin may say about a session or a message. A verdict is a value; nobody throws one.
 */

/** A verdict that the client hears. */
export type Refusal =
  | {
    readonly kind: "defer" | "reject";
    /** 400 to 499 or 500 to 599, as `kind` says. */
    readonly code: number;
    /** Subject and detail of the enhanced code, `"7.1"`: its class is that of `code`. */
    readonly enhanced: string;
    /** 1 to 400 characters of printable ASCII. */
    readonly text: string;
  }
  | { readonly kind: "disconnect"; readonly enhanced: string; readonly text: string };

/**
 * An opinion that decides something. No opinion is `undefined`. `accept`, `reject`, `defer`, `disconnect` and `delay`
 * make them; one made by hand is checked when it is used.
 */
export type Verdict = { readonly kind: "accept" } | { readonly kind: "delay"; readonly ms: number } | Refusal;

/** Ends this stage: later plugins are not asked. What earlier ones refused stays refused. */
export function accept(): Verdict {
  return { kind: "accept" };
}

/**
 * Refuses for good (5yz).
 * @param enhanced an enhanced code of class 5 (`"5.7.1"`)
 * @param text 1 to 400 characters of printable ASCII
 * @param code the basic code, 500 to 599; 550 unless given
 * @throws TypeError naming what was given and what is allowed
 */
export function reject(enhanced: string, text: string, code = 550): Refusal {
  return { kind: "reject", ...refusal(5, enhanced, text, code) };
}

/**
 * Refuses for now (4yz): the client will come again.
 * @param enhanced an enhanced code of class 4 (`"4.7.1"`)
 * @param text 1 to 400 characters of printable ASCII
 * @param code the basic code, 400 to 499; 450 unless given. 421 ends the session, as `disconnect` does
 * @throws TypeError naming what was given and what is allowed
 */
export function defer(enhanced: string, text: string, code = 450): Refusal {
  return { kind: "defer", ...refusal(4, enhanced, text, code) };
}

/**
 * Refuses with 421 and ends the session.
 * @param enhanced an enhanced code of class 4 (`"4.7.0"`), since 421 is a 4yz
 * @param text 1 to 400 characters of printable ASCII
 * @throws TypeError naming what was given and what is allowed
 */
export function disconnect(enhanced: string, text: string): Refusal {
  const { enhanced: rest } = refusal(4, enhanced, text, 421);
  return { kind: "disconnect", enhanced: rest, text };
}

/** Longest delay in milliseconds: clients give up after a few minutes (RFC 5321 §4.5.3.2). */
export const LONGEST_DELAY = 120_000;

/**
 * Lets the client wait for its answer, whatever that is; the longest delay of a stage counts.
 * @param ms from 0 to 120,000
 * @throws TypeError naming what was given and what is allowed
 */
export function delay(ms: number): Verdict {
  const verdict: Verdict = { kind: "delay", ms };
  if (isVerdict(verdict)) return verdict;
  throw new TypeError(
    `Cannot make a verdict: a delay of ${ms} was given; allowed is 0 to ${LONGEST_DELAY} milliseconds`,
  );
}

/** How strict a verdict is: of several, the strictest counts, whoever came first. */
export function severity({ kind }: Verdict): number {
  return SEVERITIES.indexOf(kind);
}

const SEVERITIES: readonly Verdict["kind"][] = ["accept", "delay", "defer", "reject", "disconnect"];

const ENHANCED = /^\d{1,3}\.\d{1,3}$/;
const TEXT = /^[ -~]{1,400}$/;

/** Whether something is a verdict as the functions above make it; one made by hand may hold anything. */
export function isVerdict(given: unknown): given is Verdict {
  const { kind, code, enhanced, text } = (given ?? {}) as Record<string, unknown>;
  if (kind === "accept") return true;
  if (kind === "delay") {
    const { ms } = given as { ms: unknown };
    return typeof ms === "number" && ms >= 0 && ms <= LONGEST_DELAY;
  }
  if (typeof enhanced !== "string" || !ENHANCED.test(enhanced)) return false;
  if (typeof text !== "string" || !TEXT.test(text)) return false;
  if (kind === "disconnect") return true;
  return (kind === "defer" && isClass(code as number, 4)) ||
    (kind === "reject" && isClass(code as number, 5));
}

function isClass(code: number, first: 4 | 5): boolean {
  return Number.isInteger(code) && Math.floor(code / 100) === first;
}

function refusal(kind: 4 | 5, enhanced: string, text: string, code: number) {
  const wrong = (what: string, given: unknown, allowed: string) =>
    new TypeError(`Cannot make a verdict: ${what} ${JSON.stringify(given)} was given; allowed is ${allowed}`);
  if (!new RegExp(`^${kind}\\.\\d{1,3}\\.\\d{1,3}$`).test(enhanced)) {
    throw wrong("enhanced code", enhanced, `${kind}.subject.detail, as in "${kind}.7.1"`);
  }
  if (!isClass(code, kind)) throw wrong("code", code, `a whole number from ${kind}00 to ${kind}99`);
  if (typeof text !== "string" || !TEXT.test(text)) {
    throw wrong("text", text, "1 to 400 characters of printable ASCII");
  }
  return { code, enhanced: enhanced.slice(2), text };
}
