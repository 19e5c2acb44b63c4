/**
 * Whether the backend knows its mailboxes. The proxy hands its answers to RCPT on to the sender: a backend that takes
 * everybody has to send reports about whom it does not have, to senders that are mostly forged.
 */
import type { Door } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { codeOf, isNo, isYes } from "./heard.ts";
import { newToken } from "./letter.ts";

const finding = finder("recipients");

/** @param known an address of the backend's, given by the operator; undefined: its domains are not known */
export async function examineRecipients(door: Door, known: string | undefined): Promise<Finding[]> {
  if (known === undefined) return [];
  const nobody = `${newToken()}${known.slice(known.lastIndexOf("@"))}`;
  const { conversation } = await door.enter();
  const mail = await conversation.ask("MAIL FROM:<>");
  const heard = isYes(mail) ? await conversation.ask(`RCPT TO:<${nobody}>`) : mail;
  await conversation.quit();
  const seen = [`RCPT TO:<${nobody}>: ${heard.text}`];
  if (isNo(heard)) {
    return [finding("good", "nobody-refused", "It refuses a mailbox that is not there", { seen })];
  }
  if (codeOf(heard) >= 400) {
    const what =
      "It puts off mail for a mailbox that is not there, and so what is sent there comes again and again";
    return [
      finding("note", "nobody-deferred", what, {
        seen,
        advice: "have it refuse with 550, unless it greylists",
      }),
    ];
  }
  if (!isYes(heard)) {
    return [finding("unknown", "nobody-unclear", "It gave no answer about a recipient", { seen })];
  }
  return [finding("warning", "nobody-taken", "It takes mail for a mailbox that is not there", {
    seen,
    advice:
      "have it refuse unknown recipients at RCPT, unless one mailbox is meant to get them all: a report that " +
      "it sends later goes to a forged sender",
  })];
}
