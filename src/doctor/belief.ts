/**
 * What shows whether a backend believes what it was told of the client: its own words.
 */
import type { Entered } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import type { Heard } from "./heard.ts";
import { naming } from "./sight.ts";
import { strangerTo, type Visitor } from "./visitor.ts";

/** The ways by which a stranger can be named here, and the findings. */
export interface Identities {
  readonly ways: readonly Visitor[];
  readonly findings: readonly Finding[];
}

const finding = finder("identity");
const ASK = "sallyport doctor with --deliver and --mailbox, or its log, tells whom it believes to serve";

/** What shows that it believes what it was told, and what shows that it does not. */
export async function belief(entered: Entered, by: string): Promise<Finding> {
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
