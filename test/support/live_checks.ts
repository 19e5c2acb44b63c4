// What must hold of every letter that went through the proxy: the receiver heard what the sender said, the
// sender heard what the receiver said, and what is stored is what was sent with one Received field before it.
import { Buffer } from "node:buffer";
import { expect } from "bun:test";
import { eventually } from "./blackbox_wait.ts";
import { type Exchange, masked, type Transaction } from "./live_conversation.ts";
import type { Letter } from "./live_letters.ts";
import { HOSTNAME } from "./live_proxy.ts";
import type { ReceiverName } from "./live_receivers.ts";
import type { Lane } from "./live_stage.ts";
import type { Tap } from "./live_tap.ts";

/** The only transaction of a letter that a tap has heard. */
export function only(tap: Tap | undefined, letter: Letter): Transaction {
  const heard = tap!.heard(letter.token);
  expect(heard.length).toBe(1);
  return heard[0]!;
}

/** The fields that the proxy puts before a message: one, and this is its form (RFC 5321 §4.4). */
const RECEIVED =
  /^Received: from \S+ \(\[127\.0\.0\.1\]\)(?<tls>\r\n\t\(TLSv1\.[23] [^)]*\))?\r\n\tby (?<by>\S+) \(Sallyport\) with (?<with>[A-Z0-9]+) id [0-9A-Z]+-\d+(?:\r\n\tfor <[^\r\n]*>)?;\r\n\t[^\r\n]+\r\n/;

/** The proxy's field off a message: its groups, and the rest. */
export function takeReceived(content: Buffer): { field: Record<string, string | undefined>; rest: Buffer } {
  const match = RECEIVED.exec(content.toString("latin1"));
  if (match === null) {
    throw new Error(`no Received field of the proxy: ${content.toString("latin1").slice(0, 400)}`);
  }
  expect(match.groups?.by).toBe(HOSTNAME);
  return { field: match.groups ?? {}, rest: content.subarray(match[0].length) };
}

/** The commands of the envelope, their replies, the message and its reply are the same on both sides of the proxy. */
export function expectRelayed(front: Transaction, back: Transaction): void {
  expect(asWritten(back.mail)).toEqual(asWritten(front.mail));
  // After a refused MAIL the rest of what was pipelined is nobody's but the proxy's to answer.
  const recipients = front.mail.reply.startsWith("2") ? front.recipients : [];
  expect(back.recipients.map(asWritten)).toEqual(recipients.map(asWritten));
  // Without a recipient or a message there is nothing more to be relayed; the proxy answers DATA and BDAT by itself.
  if (back.verb === undefined) return expect(front.outcome).not.toMatch(/^[23]/);
  expect(back.outcome).toBe(front.outcome);
  const { rest } = takeReceived(back.content);
  // What is refused halfway need not have got there in full.
  expectSameBytes(
    rest,
    back.outcome.startsWith("2") ? front.content : front.content.subarray(0, rest.length),
  );
}

/** Verbs are anyone's to write large or small (RFC 5321 §2.4); all else is to stay as it is. */
function asWritten({ line, reply }: Exchange): { line: string; reply: string } {
  return { line: line.replace(/^[a-z]+ (?:from|to)/i, (verb) => verb.toUpperCase()), reply };
}

/** The sender said and heard the same through the proxy as past it. */
export function expectUnnoticed(through: Transaction, direct: Transaction): void {
  // A sender that pipelines and gives up at the first refusal may or may not have sent the rest by then.
  const seen = ({ exchanges }: Transaction) =>
    exchanges.filter(({ reply }) => reply !== "").map(({ line, reply, end }) => ({
      line: sized(line),
      reply: masked(reply),
      end: masked(end ?? ""),
    }));
  const [there, here] = [seen(through), seen(direct)];
  // … nor waited for the refusal of a DATA that nobody was to get.
  const longer = there.length > here.length ? there : here;
  if (
    there.length !== here.length && /^data$/i.test(longer.at(-1)!.line) && /^[45]/.test(longer.at(-1)!.reply)
  ) {
    longer.pop();
  }
  expect(there).toEqual(here);
  expect(through.hello).toBe(direct.hello);
}

/** A sender that adds a Received field with an id of its own may declare another size. */
function sized(line: string): string {
  return line.replace(/ SIZE=\d+/, " SIZE=n").replace(/^BDAT \d+/, "BDAT n");
}

export function expectSameBytes(given: Buffer, wanted: Buffer): void {
  if (given.equals(wanted)) return;
  let at = 0;
  while (given[at] === wanted[at]) at++;
  const around = (bytes: Buffer) => JSON.stringify(bytes.toString("latin1", Math.max(0, at - 40), at + 40));
  throw new Error(
    `differs at octet ${at} of ${given.length} and ${wanted.length}: ${around(given)}, not ${around(wanted)}`,
  );
}

/** What each receiver itself puts before a message. */
const OWN_FIELDS: Readonly<Record<ReceiverName, RegExp>> = {
  "Postfix": /^Return-Path, X-Original-To, Delivered-To, Received$/,
  "smtp-sink": /^X-Client-Addr, X-Client-Proto, X-Helo-Args, X-Mail-Args(, X-Rcpt-Args)+, Received$/,
  "the demo backend": /^Return-Path(, Delivered-To)+$/,
};

/** The stored copies of a letter: each is what was `sent`, behind the receiver's own fields and, if `through`, the proxy's. */
export async function expectStored(
  lane: Lane,
  letter: Letter,
  sent: Buffer,
  copies: number,
  through: boolean,
): Promise<string[]> {
  const find = () =>
    lane.receiver.stored(letter.token).filter((copy) => copy.includes("(Sallyport)") === through);
  let found: Buffer[] = [];
  const whole = () => (found = find()).filter((copy) => endsWith(copy, sent)).length === copies;
  if (!await eventually(whole, 10_000)) {
    expect(found.length).toBe(copies);
    expectSameBytes(found[0]!.subarray(-sent.length), sent);
  }
  expect(found.length).toBe(copies);
  return found.map((copy) => checkedPrefix(lane.name, copy.subarray(0, copy.length - sent.length), through));
}

/** What stands before the message, as text. */
function checkedPrefix(name: ReceiverName, prefix: Buffer, through: boolean): string {
  const text = prefix.toString("latin1");
  const at = through ? text.lastIndexOf("Received: ") : text.length;
  if (through) expect(takeReceived(prefix.subarray(at)).rest.length).toBe(0);
  const fields = text.slice(0, at).replace(/\r\n[ \t]/g, " ").split("\r\n").slice(0, -1);
  expect(fields.map((field) => field.split(":")[0]).join(", ")).toMatch(OWN_FIELDS[name]);
  return text;
}

function endsWith(bytes: Buffer, end: Buffer): boolean {
  return bytes.length >= end.length && bytes.subarray(bytes.length - end.length).equals(end);
}

/** A letter refused before its message: nothing of it is stored. */
export function expectNothingStored(lane: Lane, letter: Letter): void {
  expect(lane.receiver.stored(letter.token).length).toBe(0);
}
