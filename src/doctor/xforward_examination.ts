/**
 * XFORWARD: is it offered, and taken? It is for the backend's log alone.
 */
import { xforwardLines } from "../smtp/xforward.ts";
import { attributesOf, type Door } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { type Heard, isUnknown, isYes } from "./heard.ts";
import type { Meeting } from "./meeting.ts";
import { strangerFacts } from "./visitor.ts";

const finding = finder("identity");

export async function examineXforward(door: Door, { extensions }: Meeting): Promise<Finding[]> {
  const { conversation } = await door.enter();
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
