/**
 * Whether the backend can be told who the client is, and whether it believes it: XCLIENT, PROXY in both versions, and
 * XFORWARD, which is for the log only.
 */
import type { Heard } from "./heard.ts";
import { codeOf, isNo, isUnknown, isYes } from "./heard.ts";
import { attributesOf, type Door, type Entered, NoEntry } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import type { Meeting } from "./meeting.ts";
import { naming } from "./sight.ts";
import { OWN, strangerFacts, strangerTo, type Visitor } from "./visitor.ts";
import { xforwardLines } from "../smtp/xforward.ts";

/** The ways by which a stranger can be named here, and the findings. */
export interface Identities {
  readonly ways: readonly Visitor[];
  readonly findings: readonly Finding[];
}

const finding = finder("identity");
const ASK = "sallyport doctor with --deliver and --mailbox, or its log, tells whom it believes to serve";

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

async function examineXclient(door: Door, { extensions }: Meeting): Promise<Identities> {
  const way: Visitor = { kind: "stranger", by: "XCLIENT" };
  if (!extensions.has("XCLIENT")) return { ways: [], findings: [await unofferedXclient(door)] };
  try {
    const entered = await door.enter(way);
    return { ways: [way], findings: [await belief(entered, "XCLIENT")] };
  } catch (cause) {
    if (!(cause instanceof NoEntry)) throw cause;
    const what = "It offers XCLIENT and does not take it";
    const advice = "if the reply is its verdict on 192.0.2.99, that is right; otherwise see its log";
    return {
      ways: [],
      findings: [finding("warning", "xclient-refused", what, { seen: [cause.message], advice })],
    };
  }
}

async function unofferedXclient(door: Door): Promise<Finding> {
  const { conversation } = await door.enter();
  const heard = await conversation.ask(`XCLIENT ADDR=${strangerTo(conversation.remote)} PORT=41234`);
  await conversation.quit();
  const seen = [`XCLIENT: ${heard.text}`];
  if (isYes(heard)) {
    return finding("warning", "xclient-unoffered", "It takes XCLIENT without offering it", {
      seen,
      advice: "find out whom it takes it from: whoever may send XCLIENT may be anybody",
    });
  }
  if (isNo(heard) && !isUnknown(heard)) {
    return finding("note", "xclient-untrusted", "It may know XCLIENT, and does not take it from us", {
      seen,
    });
  }
  return finding("note", "no-xclient", "It does not know XCLIENT", { seen });
}

/** What shows that it believes what it was told, and what shows that it does not. */
async function belief(entered: Entered, by: string): Promise<Finding> {
  const { conversation, extensions, greeting, xclient, ehlo } = entered;
  const replies: Heard[] = [greeting, ...xclient, ehlo];
  const stranger = strangerTo(conversation.remote);
  await conversation.quit();
  const id = by.toLowerCase().replace(" ", "-");
  const seen = naming(replies, stranger);
  if (seen.length > 0) {
    return finding("good", `${id}-believed`, `${by} is understood and believed: it sees ${stranger}`, {
      seen,
    });
  }
  const ours = naming([...xclient, ehlo], conversation.local.host);
  if (ours.length > 0) {
    const what = `${by} is taken and not believed: it still sees ${conversation.local.host}`;
    return finding("warning", `${id}-unbelieved`, what, {
      seen: ours,
      advice: "see the configuration below",
    });
  }
  if (by === "XCLIENT" && !extensions.has("XCLIENT")) {
    const what = `XCLIENT is understood and believed: it trusts us with it, and ${stranger} no more`;
    return finding("good", `${id}-believed`, what, { seen: [ehlo.text] });
  }
  const what = `${by} is understood; nothing that it says shows whom it sees`;
  return finding("note", `${id}-taken`, what, { seen: [ehlo.text], advice: ASK });
}

type ProxyWay = "PROXY v1" | "PROXY v2";

async function examineProxy(door: Door, meeting: Meeting, by: ProxyWay): Promise<Identities> {
  const way: Visitor = { kind: "stranger", by };
  const id = by.toLowerCase().replace(" ", "-");
  const heard = await firstAnswer(door, way);
  if (heard.entered !== undefined) {
    const { entered } = heard;
    if (entered.ehlo.kind === "reply" && revoked(entered, meeting)) {
      await entered.conversation.quit();
      const what = `${by} is understood and believed: what it offers us it does not offer the stranger`;
      return {
        ways: [way],
        findings: [finding("good", `${id}-believed`, what, { seen: [entered.ehlo.text] })],
      };
    }
    return { ways: [way], findings: [await belief(entered, by)] };
  }
  return { ways: [], findings: [finding("note", `no-${id}`, `It does not understand ${by}: ${heard.why}`)] };
}

/** Whether XCLIENT or XFORWARD, offered to us, is gone. */
function revoked({ extensions }: Entered, meeting: Meeting): boolean {
  return ["XCLIENT", "XFORWARD"].some((keyword) =>
    meeting.extensions.has(keyword) && !extensions.has(keyword)
  );
}

/**
 * Inside with the header, or why not. A server that knows no PROXY reads the header as commands: their refusals come
 * before, or instead of, the reply to EHLO.
 */
async function firstAnswer(
  door: Door,
  way: Visitor,
): Promise<
  { readonly entered: Entered; readonly why?: never } | { readonly entered?: never; readonly why: string }
> {
  try {
    const entered = await door.enter(way);
    // A server that says yes to everything has said it to the header, and owes one to EHLO.
    const more = await entered.conversation.hear(door.patience.quiet);
    if (more.kind === "silence") return { entered };
    await entered.conversation.quit();
    return { why: `it took the header for a command (${entered.ehlo.text})` };
  } catch (cause) {
    if (!(cause instanceof NoEntry)) return { why: `the connection ended (${(cause as Error).message})` };
    if (isUnknown(cause.heard) || codeOf(cause.heard) === 221 || codeOf(cause.heard) === 501) {
      return { why: `it took the header for a command (${cause.heard.text})` };
    }
    return { why: `it ended the session ${cause.message}` };
  }
}

async function examineXforward(door: Door, { extensions }: Meeting): Promise<Finding[]> {
  const { conversation } = await door.enter(OWN);
  const offered = extensions.has("XFORWARD");
  const facts = strangerFacts(conversation.remote);
  const lines = offered
    ? xforwardLines(
      { name: null, addr: facts.addr, port: facts.port, proto: "ESMTP", helo: facts.helo },
      attributesOf(extensions, "XFORWARD"),
    )
    : [`XFORWARD ADDR=${facts.addr}`];
  const seen: string[] = [];
  let last: Heard | undefined;
  for (const line of lines) {
    last = await conversation.ask(line);
    seen.push(`XFORWARD: ${last.text}`);
    if (!isYes(last)) break;
  }
  await conversation.quit();
  if (last === undefined) return [];
  if (offered && isYes(last)) {
    return [
      finding("good", "xforward", "XFORWARD is taken: its log can name the client (it gives no rights)", {
        seen,
      }),
    ];
  }
  if (offered) {
    return [finding("warning", "xforward-refused", "It offers XFORWARD and does not take it", { seen })];
  }
  const what = isUnknown(last) ? "It does not know XFORWARD" : "It does not take XFORWARD from us";
  return [finding("note", "no-xforward", what, { seen })];
}
