/// <reference path="./mailauth.d.ts" />
/**
 * mailauth, in its words and in ours; nothing else imports it. Its evaluator is called without the shell that mailauth
 * puts round it: the limits are those of `SpfLookups`, the fields are ours, and a check costs half.
 */
import { type Answer, spfVerify } from "mailauth/lib/spf/spf-verify.js";
import type { SpfResult } from "sallyport";
import type { SpfIdentity } from "./spf_identity.ts";
import type { SpfLookups } from "./spf_lookups.ts";

/** What the policy of a domain says of a client. */
export interface SpfDecision {
  readonly result: SpfResult;
  /** The mechanism that matched, `default` where none did; undefined where there is no policy or it is broken. */
  readonly mechanism?: string;
  /** What is wrong, at `permerror` and `temperror`, in 200 characters; may quote the record. */
  readonly problem?: string;
  /** Why the client is refused, in words of the domain's owner and, by macros, of the client. */
  readonly explanation?: string;
}

const RESULTS = { "+": "pass", "-": "fail", "~": "softfail", "?": "neutral" } as const;

/** The function check_host() of RFC 7208 §4. @throws what mailauth fails with, which no record should bring about */
export async function checkHost(identity: SpfIdentity, lookups: SpfLookups): Promise<SpfDecision> {
  try {
    if (!await lookups.begin(identity.domain)) return { result: "none" };
    const answer = await spfVerify(identity.domain, {
      sender: identity.sender,
      ip: identity.client,
      helo: identity.helo,
      mta: identity.receiver,
      strict: true,
      resolver: lookups.term,
      createSubResolver: lookups.names,
      expResolver: lookups.explanation,
    });
    // It takes no address for none.
    return answer === false ? { result: "none" } : decision(answer);
  } catch (cause) {
    const early = (cause as { readonly spfResult?: Answer }).spfResult;
    if (early === undefined) throw cause;
    return decision(early);
  }
}

function decision({ qualifier, type = "default", error, text, explanation }: Answer): SpfDecision {
  if (error === "none") return { result: "none" };
  if (error !== undefined) {
    return { result: error, problem: (text ?? "the record cannot be read").slice(0, 200) };
  }
  const result = RESULTS[qualifier ?? "?"];
  return { result, mechanism: type, ...explanation === undefined ? {} : { explanation } };
}
