/**
 * Streams for the backend-facing machine: replies good, torn, impossible and no replies at all. Each is played whole and
 * in pieces, and held against a reading of RFC 5321 §4.2 by pattern.
 */
import { Client, type ClientEvent, type Step } from "../../src/smtp/client.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { below, cut, pick, type Random } from "./random.ts";

/** What is awaited, and what arrives. */
export interface Case {
  readonly steps: readonly Step[];
  readonly octets: string;
}

/** Plays a stream; every reply is awaited from the beginning. */
export function play(steps: readonly Step[], pieces: readonly string[]): ClientEvent[] {
  const client = new Client();
  for (const step of steps) client.expect(step);
  const events: ClientEvent[] = [];
  for (const piece of pieces) {
    const view = latin1(piece);
    client.receive(view);
    for (let event = client.next(); event !== undefined; event = client.next()) {
      events.push(event);
      if (events.length > steps.length + 1) throw new Error("there are more events than replies awaited");
    }
    client.keep();
    view.fill(0x32);
    const faulty = events.at(-1)?.kind === "fault";
    if (client.quiet && (faulty || events.length < steps.length)) throw new Error("it is quiet too early");
  }
  return events;
}

const REPLY = /^(?:[2-5][0-9]{2}-[^\r\n\0]*\r\n)*[2-5][0-9]{2}(?: [^\r\n\0]*)?\r\n/;
const BEGUN =
  /^(?:([2-5][0-9]{2})-[^\r\n\0]*\r\n(?:\1-[^\r\n\0]*\r\n)*)?(?:[2-5](?:[0-9](?:[0-9](?:[ \-\r][^\n]*)?)?)?)?$/;

/** Whether a code can answer a step: RFC 5321 §4.3.2. */
export function answers(step: Step, code: number): boolean {
  return code >= 400 || (step === "data" ? code === 354 : code < 300);
}

/** The replies that can be taken, and the fault behind them. */
function expected({ steps, octets }: Case): { readonly taken: string[]; readonly fault: string | undefined } {
  const taken: string[] = [];
  for (let rest = octets;; rest = octets.slice(taken.join("").length)) {
    const whole = REPLY.exec(rest)?.[0];
    const codes = new Set(whole?.split("\r\n").slice(0, -1).map((line) => line.slice(0, 3)));
    if (whole === undefined || codes.size !== 1) {
      return { taken, fault: BEGUN.test(rest) ? undefined : "garbage" };
    }
    const code = Number(whole.slice(0, 3));
    const step = steps[taken.length];
    if (code === 421) return { taken, fault: "421" };
    if (step === undefined) return { taken, fault: "unasked" };
    if (!answers(step, code)) return { taken, fault: "unexpected" };
    taken.push(whole);
  }
}

/** What is wrong with how a stream is read, or undefined. */
export function fault(random: Random, given: Case): string | undefined {
  const { taken, fault } = expected(given);
  for (const pieces of [[given.octets], cut(random, given.octets)]) {
    const events = play(given.steps, pieces);
    const replies = events.flatMap((event) => event.kind === "reply" ? [latin1Text(event.reply.bytes)] : []);
    const steps = events.flatMap((event) => event.kind === "reply" ? [event.step] : []);
    const found = events.flatMap((event) => event.kind === "fault" ? [event.fault] : [])[0];
    if (replies.join("|") !== taken.join("|")) {
      return `replies ${JSON.stringify(replies)} in ${pieces.length} pieces`;
    }
    if (steps.join() !== given.steps.slice(0, taken.length).join()) return `they answer ${steps}`;
    if (found !== fault) return `${found} in ${pieces.length} pieces, and it should be ${fault}`;
  }
  return undefined;
}

const STEPS: readonly Step[] = [
  "greeting",
  "ehlo",
  "helo",
  "mail",
  "rcpt",
  "data",
  "chunk",
  "end",
  "rset",
  "ask",
];
const TEXTS = ["", " ", " Ok", " 2.1.0 Ok", " \xff\x80", " a-b", " 250", "\t", " " + "x".repeat(600)];
const JUNK = [
  "\r",
  "\n",
  "\0",
  "2",
  "25",
  "250",
  "250 ",
  "999 no\r\n",
  "150 no\r\n",
  "2x0 no\r\n",
  "hello\r\n",
  "\r\n",
  "250_\r\n",
  "250 a\n",
  "250 a\rb\r\n",
  "250 \0\r\n",
  "\x15\x03\x01",
];

/** A stream of replies, mostly fitting what is awaited. */
export function stream(random: Random): Case {
  const steps = Array.from({ length: below(random, 6) }, () => pick(random, STEPS));
  let octets = "";
  for (const step of steps) octets += random() < 0.85 ? fitting(random, step) : odd(random);
  if (random() < 0.2) octets += odd(random);
  return { steps, octets: random() < 0.3 ? octets.slice(0, below(random, octets.length + 1)) : octets };
}

function fitting(random: Random, step: Step): string {
  const code = random() < 0.7 ? (step === "data" ? 354 : 250) : pick(random, [450, 451, 550, 554, 599, 400]);
  return lines(random, () => code);
}

function odd(random: Random): string {
  const kind = random();
  if (kind < 0.5) return pick(random, JUNK);
  if (kind < 0.7) return lines(random, () => pick(random, [200, 220, 334, 354, 299, 421]));
  const code = pick(random, [250, 354, 334, 421, 250, 220]);
  return lines(random, () => code);
}

function lines(random: Random, code: () => number): string {
  let text = "";
  for (let left = random() < 0.7 ? 0 : below(random, 4); left > 0; left--) {
    text += `${code()}-${pick(random, TEXTS).slice(1)}\r\n`;
  }
  const last = pick(random, TEXTS);
  return `${text}${code()}${last === "\t" ? " \t" : last}\r\n`;
}
