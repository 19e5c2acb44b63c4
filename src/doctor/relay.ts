/**
 * The open relay: does the backend take mail for a foreign domain, from the proxy's own address and from a stranger? A
 * server that trusts the proxy's network relays for the proxy, and so for all its clients.
 */
import { isIP } from "node:net";
import type { Door } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import type { Meeting } from "./meeting.ts";
import { oddProbes, plainProbes, type RelayWords } from "./relay_probes.ts";
import { probeAll, type Probed, type RelayVerdict, verdictOf } from "./relay_probing.ts";
import { OWN, strangerTo, type Visitor } from "./visitor.ts";

const finding = finder("relay");
export async function examineRelay(
  door: Door,
  meeting: Meeting,
  ways: readonly Visitor[],
  foreign: string,
): Promise<Finding[]> {
  const words = wordsOf(meeting, foreign);
  const strangers = [];
  for (const way of ways) strangers.push({ way, probed: await probeAll(door, way, plainProbes(words)) });
  const own = await probeAll(door, OWN, plainProbes(words));
  const named = strangers.filter(({ probed }) => verdictOf(probed) === "refuses").map(({ way }) =>
    nameOf(way)
  );
  const findings = [
    ownFinding(own, meeting, foreign, named),
    ...strangers.map(({ way, probed }) => strangerFinding(way, probed, meeting, foreign, verdictOf(own))),
  ];
  // Where plain mail is relayed, how it is dressed does not matter.
  if (verdictOf(own) === "relays") return findings;
  return [...findings, ...oddFindings(await probeAll(door, ways[0] ?? OWN, oddProbes(words)))];
}

function wordsOf({ hostname, remote }: Meeting, foreign: string): RelayWords {
  const version = isIP(remote.host);
  const literal = version === 0 ? undefined : version === 6 ? `IPv6:${remote.host}` : remote.host;
  return { foreign, hostname, literal };
}

function nameOf(way: Visitor): string {
  return way.kind === "own" ? "itself" : way.by;
}

function telling(probed: readonly Probed[]): string[] {
  const taken = probed.filter(({ outcome }) => outcome === "taken");
  return (taken.length > 0 ? taken : probed).map(({ seen }) => seen);
}

function ownFinding(
  probed: readonly Probed[],
  { local }: Meeting,
  foreign: string,
  named: readonly string[],
): Finding {
  const seen = telling(probed);
  const verdict = verdictOf(probed);
  if (verdict === "refuses") {
    return finding(
      "good",
      "own-refused",
      `It does not relay to ${foreign} for ${local.host}, the proxy's address`,
    );
  }
  if (verdict === "unclear") return unclear("own", `for ${local.host}`, foreign, seen);
  const until = named.length === 0
    ? "until then keep the proxy from passing on foreign domains (SALLYPORT_RELAY_DOMAINS)"
    : `a stranger named by ${
      named.join(" or ")
    } is refused, so it holds as long as every session is named so`;
  return finding(
    "danger",
    "own-relays",
    `It relays to ${foreign} for ${local.host}, the proxy's address: an open relay for every client of the proxy`,
    { seen, advice: `take the proxy's address out of the networks it relays for (below); ${until}` },
  );
}

function strangerFinding(
  way: Visitor,
  probed: readonly Probed[],
  { remote }: Meeting,
  foreign: string,
  own: RelayVerdict,
): Finding {
  const who = `a stranger (${strangerTo(remote)}) named by ${nameOf(way)}`;
  const id = `stranger-by-${nameOf(way).toLowerCase().replace(" ", "-")}`;
  const verdict = verdictOf(probed);
  if (verdict === "refuses") {
    const seen = own === "relays" ? ["it does for us, so it believes who it is told that the client is"] : [];
    return finding("good", `${id}-refused`, `It does not relay for ${who}`, { seen });
  }
  if (verdict === "unclear") return unclear(id, `for ${who}`, foreign, telling(probed));
  return finding("danger", `${id}-relays`, `It relays to ${foreign} for ${who}: an open relay`, {
    seen: telling(probed),
    advice:
      "either it relays for the whole world, or it takes the name for granted and relays for the proxy: " +
      "see the networks it relays for (below)",
  });
}

function unclear(id: string, who: string, foreign: string, seen: readonly string[]): Finding {
  return finding("unknown", `${id}-unclear`, `It is not clear whether it relays to ${foreign} ${who}`, {
    seen,
    advice:
      "it refuses for another reason before it comes to that: give a foreign domain that has mail with " +
      "--foreign DOMAIN (nothing is sent there), or come again later where it puts off",
  });
}

function oddFindings(probed: readonly Probed[]): Finding[] {
  const taken = probed.filter(({ outcome }) => outcome === "taken");
  const relayed = taken.filter(({ probe }) => probe.kind === "foreign");
  const hidden = taken.filter(({ probe }) => probe.kind === "hidden");
  const findings: Finding[] = [];
  if (relayed.length > 0) {
    findings.push(finding("danger", "route-relays", "It relays by source route (RFC 5321 §C)", {
      seen: relayed.map(({ seen }) => seen),
      advice: "have it refuse source routes, or pass over them and refuse the domain that is left",
    }));
  }
  if (hidden.length > 0) {
    findings.push(
      finding("warning", "hidden-taken", "It takes recipients with a foreign domain in the local part", {
        seen: hidden.map(({ seen }) => seen),
        advice:
          "either it takes any local part, or it would send these on (an open relay): look up one of them there",
      }),
    );
  }
  const sure = probed.filter(({ outcome }) => outcome !== "lost").length;
  if (taken.length > 0 || sure === 0) return findings;
  return [finding("good", "odd-refused", `It takes none of ${sure} odd forms of a foreign recipient`)];
}
