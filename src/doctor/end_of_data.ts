/**
 * SMTP smuggling: does the backend end a message where the proxy does not? Needs a recipient that the operator gave.
 *
 * One whole message shows that mail to it is taken and how long an end of data is answered. Then, on a connection for each
 * false end, a message with that form in it and harmless commands behind. A reply before the true end shows that the
 * form was taken for one; where none comes, the connection is cut without an end, and nothing is delivered.
 */
import type { Door } from "./door.ts";
import { NoEntry } from "./door.ts";
import { FALSE_ENDS } from "./end_of_data_forms.ts";
import { finder, type Finding } from "./finding.ts";
import { codeOf, type Heard, isYes } from "./heard.ts";
import { letter, newToken } from "./letter.ts";
import { spelt } from "./shown.ts";

const finding = finder("end of data");

/** Connections at a time. */
const WIDTH = 3;
/** Stands behind a false end: commands that do nothing. */
const SMUGGLED = "NOOP smuggled\r\nMAIL FROM:<>\r\nRSET\r\n";
/** How many times as long as the reply to a true end one to a false end is waited for. */
const SLACK = 4;

/** What a form came to: an end of data, refused, a part of the message, or not tried. */
interface Tried {
  readonly form: string;
  readonly outcome: "end" | "refused" | "content" | "untried";
  readonly seen: string;
}

export async function examineEndOfData(door: Door, to: string | undefined, now: number): Promise<Finding[]> {
  if (to === undefined) {
    return [finding("note", "ends-untried", "What it takes for an end of data was not tried", {
      advice:
        "give a mailbox of its own with --to ADDRESS: one marked test message is delivered there, and one " +
        "for each form that it wrongly takes for an end",
    })];
  }
  const whole = await sendWhole(door, to, now);
  if (typeof whole === "string") {
    return [finding("unknown", "ends-untried", `What it takes for an end of data could not be tried`, {
      seen: [whole],
      advice: `it does not take mail for ${to} from here: have it do so, or give --to another recipient`,
    })];
  }
  const wait = Math.max(door.patience.quiet, SLACK * whole);
  const tried = new Map<string, Tried>();
  await inTurn(FALSE_ENDS, async (form) => void tried.set(form, await tryForm(door, to, form, wait, now)));
  return findingsOf(FALSE_ENDS.map((form) => tried.get(form)!), to);
}

async function inTurn<T>(all: readonly T[], job: (one: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const worker = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await job(one);
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
}

/** Milliseconds that the end of a whole message took, or why it was not taken. */
async function sendWhole(door: Door, to: string, now: number): Promise<number | string> {
  const { conversation } = await door.enter();
  try {
    const refused = await envelope(conversation, to);
    if (refused !== undefined) return refused;
    const about = "a whole message, as it should be";
    conversation.send(letter({ helo: door.place.helo, to, about, token: newToken(), now }) + "\r\n.\r\n");
    const end = await conversation.hear(door.patience.endOfData);
    return isYes(end) ? end.ms : `the end of data: ${end.text}`;
  } finally {
    await conversation.quit();
  }
}

/** Up to 354; why it did not come to that. */
async function envelope(
  conversation: { ask(line: string): Promise<Heard> },
  to: string,
): Promise<string | undefined> {
  for (const line of ["MAIL FROM:<>", `RCPT TO:<${to}>`]) {
    const heard = await conversation.ask(line);
    if (!isYes(heard)) return `${line}: ${heard.text}`;
  }
  const data = await conversation.ask("DATA");
  return codeOf(data) === 354 ? undefined : `DATA: ${data.text}`;
}

/**
 * With commands behind the form; and where that is refused, with none: a server that does not take commands ahead of its
 * replies may have ended the message at the form all the same, and would obey commands that come a little later.
 */
async function tryForm(door: Door, to: string, form: string, wait: number, now: number): Promise<Tried> {
  const tried = await trySending(door, to, form, SMUGGLED, wait, now);
  if (tried.outcome !== "refused") return tried;
  const alone = await trySending(door, to, form, "", wait, now);
  return alone.outcome === "end" ? alone : tried;
}

async function trySending(
  door: Door,
  to: string,
  form: string,
  behind: string,
  wait: number,
  now: number,
): Promise<Tried> {
  const name = spelt(form);
  const untried = (seen: string): Tried => ({ form, outcome: "untried", seen: `${name}: ${seen}` });
  try {
    const { conversation } = await door.enter();
    try {
      const refused = await envelope(conversation, to);
      if (refused !== undefined) return untried(refused);
      const about = `${name} read as an end of data`;
      const message = letter({ helo: door.place.helo, to, about, token: newToken(), now });
      conversation.send(`${message}${form}${behind}`);
      const heard = await conversation.hearAll(wait, 5);
      return {
        form,
        outcome: outcomeOf(heard),
        seen: `${name}: ${heard.map(({ text }) => text).join(" | ")}`,
      };
    } finally {
      conversation.hangUp();
    }
  } catch (cause) {
    if (!(cause instanceof NoEntry)) throw cause;
    return untried(cause.message);
  }
}

/** A refusal, and no more, is a server that hangs up on such a message. Whatever follows it is what was smuggled. */
function outcomeOf(heard: readonly Heard[]): Tried["outcome"] {
  const replies = heard.filter((each) => each.kind === "reply");
  if (replies.length === 0) return heard.some(({ kind }) => kind === "silence") ? "content" : "refused";
  return isYes(replies[0]!) || replies.slice(1).some(isYes) ? "end" : "refused";
}

function findingsOf(tried: readonly Tried[], to: string): Finding[] {
  const of = (outcome: Tried["outcome"]) => tried.filter((each) => each.outcome === outcome);
  const [ends, refused, content, untried] = [of("end"), of("refused"), of("content"), of("untried")];
  const findings: Finding[] = [];
  if (ends.length > 0) findings.push(smuggled(ends, to));
  if (content.length > 0) {
    findings.push(finding("good", "ends-content", `It reads on past ${content.length} false ends of data`, {
      seen: [content.map(({ form }) => spelt(form)).join(" ")],
    }));
  }
  if (refused.length > 0) {
    findings.push(finding("good", "ends-refused", `It refuses ${refused.length} false ends of data at once`, {
      seen: refused.map(({ seen }) => seen),
    }));
  }
  if (untried.length === 0) return findings;
  const seen = untried.map((each) => each.seen);
  return [
    ...findings,
    finding("unknown", "ends-untried", `${untried.length} false ends could not be tried`, { seen }),
  ];
}

function smuggled(ends: readonly Tried[], to: string): Finding {
  const passed = ends.filter(({ form }) => passesProxy(form)).map(({ form }) => spelt(form));
  const advice =
    "repair it (below): whoever reaches it by another way than the proxy can smuggle. Sallyport " +
    "sends none of a message's octets behind a bare CR or LF" +
    (passed.length > 0 ? `, but passes NUL on in a body, so ${passed.join(" and ")} gets through it` : "") +
    `. ${ends.length} marked test message${ends.length === 1 ? " was" : "s were"} delivered to ${to} by this`;
  const what =
    `It takes ${ends.length} of ${FALSE_ENDS.length} false ends of data for true ones: mail can be smuggled`;
  return finding("danger", "smuggling", what, { seen: ends.map(({ seen }) => seen), advice });
}

/**
 * Whether a client can have the proxy send the form: it has no bare CR or LF (what stands behind it is no LF, so a CR at its
 * end is one), and no line of it begins with a dot, which the proxy would send as two.
 */
function passesProxy(form: string): boolean {
  return !/\r(?!\n)|(?<!\r)\n/.test(form) && !form.includes("\r\n.");
}
