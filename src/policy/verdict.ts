/**
 * What a plugin may say about a session or a message. A verdict is a value; nobody throws one.
 */

/** An opinion that decides something. No opinion is `undefined`. */
export type Verdict =
  | { readonly kind: "accept" }
  | {
    readonly kind: "defer" | "reject";
    readonly code: number;
    readonly enhanced: string;
    readonly text: string;
  }
  | { readonly kind: "disconnect"; readonly enhanced: string; readonly text: string };

/** Ends this stage: later plugins are not asked. */
export function accept(): Verdict {
  return { kind: "accept" };
}

/**
 * Refuses for good (5yz).
 * @param enhanced an enhanced code of class 5 (`"5.7.1"`)
 * @param text one line of ASCII
 * @param code the basic code, 550 unless given
 * @throws TypeError when the enhanced code is not one of class 5, or the text is not one line
 */
export function reject(enhanced: string, text: string, code = 550): Verdict {
  return { kind: "reject", ...refusal(5, enhanced, text, code) };
}

/** Refuses for now (4yz): the client will come again. As `reject`, with class 4 and code 450. */
export function defer(enhanced: string, text: string, code = 450): Verdict {
  return { kind: "defer", ...refusal(4, enhanced, text, code) };
}

/** Refuses with 421 and ends the session. */
export function disconnect(enhanced: string, text: string): Verdict {
  const { enhanced: rest } = refusal(4, enhanced, text, 421);
  return { kind: "disconnect", enhanced: rest, text };
}

const ENHANCED = /^\d{1,3}\.\d{1,3}$/;
const TEXT = /^[ -~]{1,400}$/;

/** Whether something is a verdict as the functions above make it; one made by hand may hold anything. */
export function isVerdict(given: unknown): given is Verdict {
  const { kind, code, enhanced, text } = (given ?? {}) as Record<string, unknown>;
  if (kind === "accept") return true;
  if (typeof enhanced !== "string" || !ENHANCED.test(enhanced)) return false;
  if (typeof text !== "string" || !TEXT.test(text)) return false;
  if (kind === "disconnect") return true;
  if (!Number.isInteger(code)) return false;
  return (kind === "defer" && isClass(code as number, 4)) ||
    (kind === "reject" && isClass(code as number, 5));
}

function isClass(code: number, first: 4 | 5): boolean {
  return Math.floor(code / 100) === first;
}

function refusal(kind: 4 | 5, enhanced: string, text: string, code: number) {
  if (!new RegExp(`^${kind}\\.\\d{1,3}\\.\\d{1,3}$`).test(enhanced)) {
    throw new TypeError(
      `Cannot make a verdict: enhanced code ${JSON.stringify(enhanced)} is not ${kind}.subject.detail`,
    );
  }
  if (!isClass(code, kind)) {
    throw new TypeError(`Cannot make a verdict: code ${code} is not ${kind}yz`);
  }
  if (!TEXT.test(text)) {
    throw new TypeError("Cannot make a verdict: its text is not one line of printable ASCII");
  }
  return { code, enhanced: enhanced.slice(2), text };
}
