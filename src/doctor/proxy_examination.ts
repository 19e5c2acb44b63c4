/**
 * PROXY headers: are they understood, refused, or taken for commands; and are they believed?
 */
import { belief, type Identities } from "./belief.ts";
import { type Door, type Entered, NoEntry } from "./door.ts";
import { finder } from "./finding.ts";
import { codeOf, isUnknown } from "./heard.ts";
import type { Meeting } from "./meeting.ts";
import { OutOfTime } from "./patience.ts";
import type { Visitor } from "./visitor.ts";

const finding = finder("identity");

export type ProxyWay = "PROXY v1" | "PROXY v2";

export async function examineProxy(door: Door, meeting: Meeting, by: ProxyWay): Promise<Identities> {
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
    if (cause instanceof OutOfTime) throw cause;
    if (!(cause instanceof NoEntry)) return { why: `the connection ended (${(cause as Error).message})` };
    if (isUnknown(cause.heard) || codeOf(cause.heard) === 221 || codeOf(cause.heard) === 501) {
      return { why: `it took the header for a command (${cause.heard.text})` };
    }
    return { why: `it ended the session ${cause.message}` };
  }
}
