/** What must hold of a letter that a sender gave to the proxy, at the taps and in the server's store. */
import { Buffer } from "node:buffer";
import { expect } from "bun:test";
import { eventually } from "../support/blackbox_wait.ts";
import { expectRelayed, expectSameBytes, takeReceived } from "../support/live_checks.ts";
import type { Transaction } from "../support/live_conversation.ts";
import type { Letter } from "../support/live_letters.ts";
import type { Sender } from "../support/live_senders.ts";
import type { Tap } from "../support/live_tap.ts";
import type { Stored } from "./peer.ts";
import type { Lane } from "./stage.ts";

/** What a sender said and heard of one transaction. */
export type Carried = Pick<Transaction, "mail" | "recipients" | "verb" | "outcome" | "content">;

/** Over TLS the sender's side cannot be read: what the server heard, without the proxy's field. */
export function carried(lane: Lane, letter: Letter): Carried[] {
  return heard(lane.back, letter).map((back) => {
    const { mail, recipients, verb, outcome } = back;
    return { mail, recipients, verb, outcome, content: takeReceived(back.content).rest };
  });
}

/** The transactions of a letter, in order of their recipients; a sender may make one for each of them, and bounces. */
export function heard(tap: Tap, { token }: Letter): Transaction[] {
  const key = ({ recipients }: Transaction) => recipients.map(({ line }) => line).join();
  return tap.heard(token).filter(({ mail }) => !mail.line.includes("<>")).sort((a, b) =>
    key(a) < key(b) ? -1 : 1
  );
}

/** The server heard what the sender said, and the sender heard what the server said. @returns the sender's side */
export function expectCarried(lane: Lane, letter: Letter): Transaction[] {
  const fronts = heard(lane.front, letter);
  const backs = heard(lane.back, letter);
  expect(backs.length).toBe(fronts.length);
  fronts.forEach((front, i) => expectRelayed(front, backs[i]!));
  return fronts;
}

/** The server has stored what was taken: for these recipients, octet for octet behind its own fields and the proxy's. */
export async function expectStored(lane: Lane, letter: Letter, fronts: readonly Carried[]): Promise<void> {
  const taken = fronts.filter(({ verb, outcome }) => verb !== undefined && outcome.startsWith("2"));
  const wanted = taken.flatMap((front) => {
    const to = front.recipients.filter(({ reply }) => reply.startsWith("2")).map(({ line }) => pathOf(line));
    const from = pathOf(front.mail.line);
    const each = lane.peer.traits.copies === "each" ? to.map((one) => [one]) : [to];
    return each.map((to) => ({ from, to, content: front.content }));
  });
  let found: Stored[] = [];
  await eventually(() => (found = lane.running.stored(letter.token)).length >= wanted.length, 15_000);
  expect(addresses(found)).toEqual(addresses(wanted));
  for (const { to, content } of wanted) {
    const copy = found.find((each) => each.to.join() === to.join())!.content;
    expectSameBytes(copy.subarray(-content.length), content);
    expectOwnFields(lane, copy.subarray(0, -content.length));
  }
}

function addresses(list: readonly Pick<Stored, "from" | "to">[]): string[] {
  return list.map(({ from, to }) => `${from} to ${to.join(", ")}`).sort();
}

/** Before the message stand the server's own fields, then one of the proxy's. */
function expectOwnFields({ peer }: Lane, prefix: Buffer): void {
  const text = prefix.toString("latin1");
  const at = /^Received: (?=[^\n]*(?:\n[ \t][^\n]*)*\(Sallyport\))/m.exec(text)?.index ?? text.length;
  expect(takeReceived(prefix.subarray(at)).rest.toString("latin1")).toBe("");
  const fields = text.slice(0, at).replace(/\r\n[ \t]/g, " ").split("\r\n").slice(0, -1);
  expect(fields.map((field) => field.split(":")[0]).join(", ")).toMatch(peer.traits.own);
}

/** The path of MAIL or RCPT, which a tap has as latin-1. */
function pathOf(line: string): string {
  return Buffer.from(/<([^>]*)>/.exec(line)![1]!, "latin1").toString();
}

/** The message went out as it was given, where the sender promises that. */
export function expectSent(sender: Sender, letter: Letter, fronts: readonly Carried[]): void {
  for (const { content } of fronts) {
    if (sender.can.has("exact")) expectSameBytes(content.subarray(-letter.content.length), letter.content);
    else expect(content.includes(letter.token)).toBe(true);
  }
}
