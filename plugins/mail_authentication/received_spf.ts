/**
 * The field that tells what was found out to whoever reads the message (RFC 7208 §9.1). Half of what stands in it was
 * written by the client: what is not printable ASCII is left out, the rest is quoted.
 */
import type { SpfDecision } from "./mailauth.ts";
import type { SpfIdentity } from "./spf_identity.ts";

/** The value of a `Received-SPF` field: one line of printable ASCII. */
export function receivedSpf(identity: SpfIdentity, decision: SpfDecision): string {
  const { scope, client, helo, receiver, localPart, domain, sender } = identity;
  const pairs = [
    pair("receiver", receiver),
    pair("identity", scope),
    pair("client-ip", client),
    scope === "mailfrom" && localPart !== "" && domain !== "" ? pair("envelope-from", sender) : "",
    pair("helo", helo),
    pair("mechanism", decision.mechanism),
    pair("problem", problemOf(decision)),
  ];
  return `${decision.result} (${receiver}: ${comment(identity, decision)})${pairs.join("")}`;
}

function comment({ domain, client }: SpfIdentity, { result }: SpfDecision): string {
  if (domain === "") return "no domain that could have a policy";
  switch (result) {
    case "pass":
      return `domain of ${domain} designates ${client} as permitted sender`;
    case "fail":
      return `domain of ${domain} does not designate ${client} as permitted sender`;
    case "softfail":
      return `domain of transitioning ${domain} does not designate ${client} as permitted sender`;
    case "neutral":
      return `${client} is neither permitted nor denied by domain of ${domain}`;
    case "none":
      return `${domain} does not designate permitted sender hosts`;
    default:
      return `error in processing the policy of ${domain}`;
  }
}

/** A name server's words hold its address, which the message would carry out of the house; the log has them. */
function problemOf({ result, problem }: SpfDecision): string | undefined {
  return result === "temperror" ? "the DNS could not be asked" : problem;
}

const DOT_ATOM = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/;

/** `" key=value;"`; "" where the value is missing, empty, or cannot stand in a field. A line holds 998 octets. */
function pair(key: string, value: string | undefined): string {
  if (value === undefined || !/^[ -~]{1,600}$/.test(value)) return "";
  return ` ${key}=${DOT_ATOM.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`};`;
}
