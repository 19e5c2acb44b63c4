/**
 * Whether the backend does what its EHLO says. What it offers, the proxy offers on: a false word there comes out as
 * refused mail.
 */
import type { Extensions } from "../smtp/extensions.ts";
import type { Conversation } from "./conversation.ts";
import type { Door } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { codeOf, type Heard, isNo, isUnknown, isYes } from "./heard.ts";
import type { Meeting } from "./meeting.ts";

const finding = finder("extensions");

/** What one trial came to; undefined where there is nothing to tell. */
type Trial = (trying: Trying) => Promise<Finding | undefined>;

interface Trying {
  readonly conversation: Conversation;
  readonly extensions: Extensions;
  /** Milliseconds for an answer that may not come. */
  readonly quiet: number;
  /** Messages are tried too, under "end of data". */
  readonly messages: boolean;
}

const TRIALS: readonly Trial[] = [
  taken("8BITMIME", "MAIL FROM:<> BODY=8BITMIME"),
  taken("SMTPUTF8", "MAIL FROM:<> SMTPUTF8"),
  taken("DSN", "MAIL FROM:<> RET=HDRS ENVID=doctor"),
  taken("SIZE", "MAIL FROM:<> SIZE=1000"),
  size,
  pipelining,
  chunking,
  enhancedCodes,
  bareLineFeed,
  nul,
];

/** @param messages they are tried too, under "end of data" */
export async function examineExtensions(
  door: Door,
  { extensions }: Meeting,
  messages: boolean,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const trial of TRIALS) {
    const { conversation } = await door.enter();
    try {
      const found = await trial({ conversation, extensions, quiet: door.patience.quiet, messages });
      if (found !== undefined) findings.push(found);
    } finally {
      await conversation.quit();
    }
  }
  const broken = findings.some(({ level }) => level === "warning");
  if (broken) return findings;
  return [...findings, finding("good", "offers-true", "It does what it offers, as far as that was tried")];
}

/** A parameter that is offered has to be taken. */
function taken(keyword: string, line: string): Trial {
  return async ({ conversation, extensions }) => {
    if (!extensions.has(keyword)) return undefined;
    const heard = await conversation.ask(line);
    if (isYes(heard)) return undefined;
    return finding(
      "warning",
      `${keyword.toLowerCase()}-refused`,
      `It offers ${keyword} and does not take it`,
      {
        seen: [`${line}: ${heard.text}`],
        advice: `have it offer no ${keyword}, or find out who refuses: senders that use it get this refusal`,
      },
    );
  };
}

async function size({ conversation, extensions }: Trying): Promise<Finding | undefined> {
  const offered = Number(extensions.get("SIZE"));
  if (!extensions.has("SIZE") || !Number.isSafeInteger(offered) || offered <= 0) {
    return finding(
      "note",
      "no-size-limit",
      "It tells no largest message size: only the proxy's limit is told to clients",
    );
  }
  const line = `MAIL FROM:<> SIZE=${offered + 1}`;
  const mail = await conversation.ask(line);
  if (!isYes(mail)) return undefined;
  return finding("warning", "size-taken", `It offers SIZE ${offered} and takes a larger message at MAIL`, {
    seen: [`${line}: ${mail.text}`],
    advice: "such a message is sent whole before it is refused; it may do so at RCPT",
  });
}

async function pipelining({ conversation, extensions }: Trying): Promise<Finding | undefined> {
  if (!extensions.has("PIPELINING")) return undefined;
  conversation.send("MAIL FROM:<>\r\nRSET\r\nNOOP\r\n");
  const heard = [await conversation.hear(), await conversation.hear(), await conversation.hear()];
  if (heard.every((each) => each.kind === "reply" && each.code !== 421) && isYes(heard[2]!)) return undefined;
  return finding(
    "warning",
    "pipelining-broken",
    "It offers PIPELINING and loses commands that come together",
    {
      seen: [`MAIL, RSET, NOOP in one write: ${heard.map(({ text }) => text).join(" | ")}`],
      advice: "have it offer no PIPELINING",
    },
  );
}

async function chunking({ conversation, extensions }: Trying): Promise<Finding | undefined> {
  if (!extensions.has("CHUNKING")) return undefined;
  // Without a transaction there is nothing to take: the refusal has to be that of the order, not of the command.
  const heard = await conversation.ask("BDAT 0 LAST");
  if (!isUnknown(heard) && heard.kind === "reply") return undefined;
  return finding("warning", "chunking-refused", "It offers CHUNKING and does not know BDAT", {
    seen: [`BDAT 0 LAST: ${heard.text}`],
    advice: "have it offer no CHUNKING",
  });
}

async function enhancedCodes({ conversation, extensions }: Trying): Promise<Finding | undefined> {
  if (!extensions.has("ENHANCEDSTATUSCODES")) return undefined;
  const heard = await conversation.ask("MAIL FROM:<>");
  if (heard.kind !== "reply" || /^[245]\.\d{1,3}\.\d{1,3}( |$)/.test(heard.lines[0]!)) return undefined;
  return finding("note", "no-enhanced-codes", "It offers ENHANCEDSTATUSCODES and gives none", {
    seen: [`MAIL FROM:<>: ${heard.text}`],
  });
}

async function bareLineFeed({ conversation, quiet, messages }: Trying): Promise<Finding | undefined> {
  conversation.send("NOOP\n");
  const heard = await conversation.hear(quiet);
  if (!isYes(heard)) return undefined;
  return finding(
    "note",
    "bare-lf-command",
    "It takes a bare LF for the end of a command (the proxy sends none)",
    {
      seen: [`NOOP\\n: ${heard.text}`],
      advice: `whether it does so in a message too, and can be smuggled through, ${
        messages ? "stands with what it takes for an end of data" : "is told by --to ADDRESS"
      }`,
    },
  );
}

async function nul({ conversation }: Trying): Promise<Finding | undefined> {
  const heard: Heard = await conversation.ask("NOOP a\0b");
  if (isNo(heard) || codeOf(heard) === 0) return undefined;
  return finding("note", "nul-taken", "It takes a NUL in a command (the proxy refuses them)", {
    seen: [`NOOP a\\0b: ${heard.text}`],
  });
}
