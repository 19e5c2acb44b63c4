/**
 * What a result does to the mail, and the words for it (RFC 7208 §8; codes of RFC 7372 §3.2).
 */
import { type Action, defer, reject, score, type Verdict } from "sallyport";
import type { SpfDecision } from "./mailauth.ts";
import type { SpfIdentity } from "./spf_identity.ts";

/** What a result does: nothing, 4yz, 5yz, or points for `threshold`. */
export type SpfAction = "off" | "defer" | "reject" | { readonly score: number };

/** The verdict on a result, or its points. */
export function judgement(
  identity: SpfIdentity,
  decision: SpfDecision,
  action: SpfAction,
): Verdict | Action | undefined {
  if (action === "off") return undefined;
  if (typeof action === "object") {
    return score(action.score, `SPF ${decision.result} of ${shortened(identity.domain, 100)}`);
  }
  const { enhanced, text } = refusal(identity, decision);
  const words = shortened(printable(text), 400);
  if (action === "reject") return reject(`5.7.${enhanced}`, words);
  return defer(`4.7.${enhanced}`, words, 451);
}

function refusal(
  identity: SpfIdentity,
  { result, problem, explanation }: SpfDecision,
): { readonly enhanced: 23 | 24; readonly text: string } {
  const domain = shortened(identity.domain, 100);
  if (result === "temperror") {
    return { enhanced: 24, text: `SPF: the policy of ${domain} cannot be looked up now, try again later` };
  }
  if (result === "permerror") {
    return { enhanced: 24, text: `SPF: the policy of ${domain} cannot be used: ${problem}` };
  }
  const what = identity.scope === "helo" ? "use the name" : "send mail from";
  const text = `SPF: ${identity.client} is not permitted to ${what} ${domain}`;
  // Whose words they are must be clear (RFC 7208 §8.4).
  if (explanation === undefined) return { enhanced: 23, text };
  return { enhanced: 23, text: `${text}. The domain explains: ${explanation}` };
}

/** Macros bring what the client wrote into an explanation, and a record's problem quotes the record. */
function printable(text: string): string {
  return text.replace(/[^ -~]+/g, "?");
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}
