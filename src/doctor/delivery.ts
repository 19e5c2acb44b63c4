/**
 * What the backend writes of the client: a marked test message to an address that the operator gave, once as the proxy
 * and once for every way of naming a stranger, and its Received field read in the mailbox, where that is given too.
 */
import type { Door } from "./door.ts";
import { NoEntry } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { codeOf, isYes } from "./heard.ts";
import { letter, newToken } from "./letter.ts";
import { receivedOf } from "./mailbox.ts";
import { shown } from "./shown.ts";
import { names } from "./sight.ts";
import { OWN, strangerTo, type Visitor } from "./visitor.ts";

const finding = finder("delivery");
/** Milliseconds for a message to get into the mailbox, and between looks. */
const ARRIVAL = 15_000;
const LOOK = 100;

interface Sent {
  readonly who: string;
  readonly id: string;
  /** Whom the Received field has to name. */
  readonly address: string;
  readonly token: string;
  /** Why it was not taken. */
  readonly refused: string | undefined;
}

export async function examineDelivery(
  door: Door,
  ways: readonly Visitor[],
  to: string | undefined,
  mailbox: string | undefined,
  now: number,
): Promise<Finding[]> {
  if (to === undefined) return [];
  const all: Sent[] = [];
  for (const way of [OWN, ...ways]) all.push(await send(door, way, to, now));
  const end = performance.now() + door.patience.within(ARRIVAL);
  const findings: Finding[] = [];
  for (const sent of all) findings.push(await outcome(sent, to, mailbox, end));
  return findings;
}

async function send(door: Door, way: Visitor, to: string, now: number): Promise<Sent> {
  const who = way.kind === "own" ? "the proxy" : `a stranger named by ${way.by}`;
  const token = newToken();
  const id = way.kind === "own" ? "own" : way.by.toLowerCase().replace(" ", "-");
  try {
    const { conversation } = await door.enter(way);
    const address = way.kind === "own" ? conversation.local.host : strangerTo(conversation.remote);
    try {
      const sent = { who, id, token, address };
      for (const line of ["MAIL FROM:<>", `RCPT TO:<${to}>`, "DATA"]) {
        const heard = await conversation.ask(line);
        const fine = line === "DATA" ? codeOf(heard) === 354 : isYes(heard);
        if (!fine) return { ...sent, refused: `${line}: ${heard.text}` };
      }
      const about = `from ${who}`;
      conversation.send(letter({ helo: door.place.helo, to, about, token, now }) + "\r\n.\r\n");
      const end = await conversation.hear(door.patience.endOfData);
      return { ...sent, refused: isYes(end) ? undefined : `the end of data: ${end.text}` };
    } finally {
      await conversation.quit();
    }
  } catch (cause) {
    if (!(cause instanceof NoEntry)) throw cause;
    return { who, id, token, address: "", refused: cause.message };
  }
}

async function outcome(
  sent: Sent,
  to: string,
  mailbox: string | undefined,
  end: number,
): Promise<Finding> {
  const { who, id, token, refused, address } = sent;
  if (refused !== undefined) {
    return finding("note", `${id}-not-delivered`, `A test message from ${who} was not taken`, {
      seen: [refused],
    });
  }
  if (mailbox === undefined) {
    return finding("note", `${id}-delivered`, `A test message from ${who} was taken for ${to}`, {
      seen: [`it holds the line "Token: ${token}"`],
      advice:
        `look at its topmost Received field: it should name ${address}; --mailbox PATH reads it for you`,
    });
  }
  const received = await arrival(mailbox, token, end);
  if (received === undefined) {
    return finding(
      "warning",
      `${id}-not-arrived`,
      `A test message from ${who} was taken and is not in ${mailbox}`,
      {
        seen: [`looked for "X-Sallyport-Doctor: ${token}" for ${ARRIVAL / 1000} s`],
        advice: "see whether that is the mailbox of the address, and its log",
      },
    );
  }
  const seen = [`Received: ${shown(received)}`];
  if (names(received, address)) {
    return finding("good", `${id}-received`, `Its Received field for ${who} names ${address}`, { seen });
  }
  return finding(
    "warning",
    `${id}-received-other`,
    `Its Received field for ${who} does not name ${address}`,
    {
      seen,
      advice: "what it was told of the client did not reach its trace field: see the configuration below",
    },
  );
}

/** @param end until when to look, as performance.now() has it */
async function arrival(mailbox: string, token: string, end: number): Promise<string | undefined> {
  for (;;) {
    const received = receivedOf(mailbox, token);
    if (received !== undefined || performance.now() > end) return received;
    await new Promise((done) => setTimeout(done, LOOK));
  }
}
