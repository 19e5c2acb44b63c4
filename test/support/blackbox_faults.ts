// The faults of a backend, one table for every step, what the client may hear of each (rule 10), and the
// proof that its session goes on.
import type { Action } from "./blackbox_backend.ts";
import { code, type RawClient, type Sent, told } from "./blackbox_client.ts";
import { ending, healthy, letter, type Stage, taken } from "./blackbox_stage.ts";
import { eventually, sleep } from "./blackbox_wait.ts";

/** The steps of a mail, as the backend meets them. */
export const STEPS = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"] as const;
export type FaultStep = typeof STEPS[number];
const GOOD: Record<FaultStep, string> = {
  greeting: "220",
  EHLO: "250",
  MAIL: "250",
  RCPT: "250",
  DATA: "354",
  dot: "250",
};

/** What the client may hear: the backend's own words, exactly 451, or any 4yz. */
export type Answer = "relayed" | "451" | "4yz";

/** One way to go wrong. */
export interface Fault {
  readonly name: string;
  readonly action: Action;
  readonly answer: Answer;
}

/** All the ways in which a backend's answer at this step can be wrong. */
export function faults(step: FaultStep): Fault[] {
  const good = GOOD[step];
  const opening = step === "greeting" || step === "EHLO";
  const own: Answer = opening ? "4yz" : "relayed";
  const odd: Record<FaultStep, string> = {
    greeting: "354",
    EHLO: "354",
    MAIL: "354",
    RCPT: "354",
    DATA: "250",
    dot: "354",
  };
  return [
    { name: "4yz", action: { reply: "452 4.3.1 backend: no space" }, answer: own },
    { name: "5yz", action: { reply: "554 5.3.0 backend: never" }, answer: own },
    { name: `unexpected ${odd[step]}`, action: { reply: `${odd[step]} 2.0.0 surprise` }, answer: "451" },
    { name: "334", action: { reply: "334 " }, answer: "451" },
    { name: "150", action: { reply: "150 wait" }, answer: "451" },
    { name: "a garbage line", action: { reply: "what is this?" }, answer: "451" },
    { name: "binary garbage", action: { raw: "\xff\xfe\0\x01\r\n" }, answer: "451" },
    { name: "code 650", action: { reply: "650 odd" }, answer: "451" },
    { name: "code 2500", action: { reply: "2500 odd" }, answer: "451" },
    { name: "code 25", action: { reply: "25 odd" }, answer: "451" },
    { name: "an empty line", action: { raw: "\r\n" }, answer: "451" },
    { name: "codes of a reply that differ", action: { reply: `${good}-yes\r\n451 no` }, answer: "451" },
    { name: "a torn line, then close", action: { raw: `${good} 2.0.0 o`, then: "close" }, answer: "451" },
    { name: "a torn code, then close", action: { raw: good.slice(0, 2), then: "close" }, answer: "451" },
    {
      name: "a line that wants LF, then close",
      action: { raw: `${good} ok\r`, then: "close" },
      answer: "451",
    },
    { name: "a torn line, then reset", action: { raw: `${good} 2.0.0 o`, then: "reset" }, answer: "451" },
    {
      name: "half a multi-line reply, then close",
      action: { raw: `${good}-first\r\n`, then: "close" },
      answer: "451",
    },
    {
      name: "421, then close",
      action: { reply: "421 4.3.2 backend: shutting down", then: "close" },
      answer: "451",
    },
    {
      name: "421, connection left open",
      action: { reply: "421 4.3.2 backend: shutting down" },
      answer: "451",
    },
    { name: "close", action: { then: "close" }, answer: "451" },
    { name: "reset", action: { then: "reset" }, answer: "451" },
  ];
}

/** Why this is not what rule 10 allows; "" when it is. */
export function wrongAnswer(answer: Answer, action: Action, sent: Sent, opening = false): string {
  const heard = told(sent.heard);
  if (answer === "relayed") {
    return heard === action.reply || sent.step === "DATA" && heard[0] === action.reply?.[0]
      ? ""
      : `not the backend's own: ${heard}`;
  }
  if (opening || answer === "4yz") {
    return /^4\d\d /.test(heard) && !heard.startsWith("421") ? "" : `not 4yz: ${heard}`;
  }
  if (action.reply?.startsWith("421") || action.then !== undefined) {
    return /^451 4\.3\.0 /.test(heard) ? "" : `not 451 4.3.0: ${heard}`;
  }
  return /^451[ -]4\./.test(heard) ? "" : `not 451: ${heard}`;
}

/** A client whose session began while all was well. */
export async function begin(at: Stage, fresh: boolean): Promise<RawClient> {
  at.backend.heal();
  if (!await healthy(() => at.proxy.client())) {
    throw new Error(`the proxy does not find its backend again\n${at.proxy.log}`);
  }
  const client = await at.proxy.client();
  if (fresh) at.backend.dropAll("close");
  return client;
}

/** After a fault: the same session sends again, and that mail arrives once. */
export async function goesOn(at: Stage, client: RawClient, resetFirst: boolean): Promise<string> {
  let last = "";
  const { id, bytes } = letter();
  const ok = await eventually(async () => {
    if (resetFirst && code(await client.ask("RSET")) !== "250") return true;
    const sent = await client.send(bytes);
    last = ending(sent);
    resetFirst = true;
    if (taken(sent) || client.ended) return true;
    await sleep(100);
    return false;
  }, 8000);
  const count = at.backend.delivered(id).length;
  if (!ok || count !== 1) return `the session does not go on: ${last}, ${count} delivered`;
  return "";
}
