/**
 * Whether the backend can be told who the client is, and whether it believes it: XCLIENT, PROXY in both versions, and
 * XFORWARD, which is for the log only.
 */
import type { Identities } from "./belief.ts";
import type { Door } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import type { Meeting } from "./meeting.ts";
import { examineProxy } from "./proxy_examination.ts";
import { naming } from "./sight.ts";
import { examineXclient } from "./xclient_examination.ts";
import { examineXforward } from "./xforward_examination.ts";

const finding = finder("identity");

export async function examineIdentity(door: Door, meeting: Meeting): Promise<Identities> {
  const all = [
    { findings: ownFindings(meeting), ways: [] },
    await examineXclient(door, meeting),
    await examineProxy(door, meeting, "PROXY v1"),
    await examineProxy(door, meeting, "PROXY v2"),
    { findings: await examineXforward(door, meeting), ways: [] },
  ];
  const ways = all.flatMap((each) => each.ways);
  const findings = all.flatMap((each) => each.findings);
  return { ways, findings: ways.length > 0 ? findings : [...findings, blind()] };
}

function blind(): Finding {
  return finding(
    "warning",
    "blind",
    "It cannot be told who the client is: it takes every client for the proxy",
    {
      advice:
        "see the configuration below; until then its own checks of addresses, lists and SPF see only the " +
        "proxy, and the proxy has to do them",
    },
  );
}

function ownFindings({ greeting, ehlo, local }: Meeting): Finding[] {
  const seen = naming([greeting, ehlo], local.host);
  if (seen.length === 0) return [];
  return [finding("note", "sees-us", `It sees us as ${local.host}`, { seen })];
}
