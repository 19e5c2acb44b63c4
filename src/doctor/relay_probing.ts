/**
 * Puts relay probes to the backend, and reads what it makes of them: a refusal for another reason than relaying proves
 * nothing.
 */
import { type Door, type Entered, NoEntry } from "./door.ts";
import { codeOf, type Heard, isYes } from "./heard.ts";
import type { RelayProbe } from "./relay_probes.ts";
import type { Visitor } from "./visitor.ts";

/** Probes on one connection: servers slow down, and hang up, after some refusals. */
const A_CONNECTION = 4;

/** What one probe came to. `masked`: refused, for a reason that has nothing to do with relaying. */
export interface Probed {
  readonly probe: RelayProbe;
  readonly outcome: "taken" | "refused" | "put off" | "masked" | "lost";
  readonly seen: string;
}

/** What plain probes of one visitor come to together. */
export type RelayVerdict = "relays" | "refuses" | "unclear";

/** Puts the probes as this visitor, a few on each connection. */
export async function probeAll(door: Door, way: Visitor, probes: readonly RelayProbe[]): Promise<Probed[]> {
  const all: Probed[] = [];
  for (let at = 0; at < probes.length; at += A_CONNECTION) {
    all.push(...await probeSome(door, way, probes.slice(at, at + A_CONNECTION)));
  }
  return all;
}

async function probeSome(door: Door, way: Visitor, probes: readonly RelayProbe[]): Promise<Probed[]> {
  let entered: Entered;
  try {
    entered = await door.enter(way);
  } catch (cause) {
    if (!(cause instanceof NoEntry)) throw cause;
    return probes.map((probe) => ({ probe, outcome: "lost", seen: cause.message }));
  }
  const probed: Probed[] = [];
  for (const probe of probes) probed.push(await probeOne(entered, probe));
  await entered.conversation.quit();
  return probed;
}

async function probeOne({ conversation }: Entered, probe: RelayProbe): Promise<Probed> {
  const mail = await conversation.ask(`MAIL FROM:<${probe.from}>`);
  const rcpt = isYes(mail) ? await conversation.ask(`RCPT TO:<${probe.to}>`) : mail;
  if (isYes(mail)) await conversation.ask("RSET");
  const step = isYes(mail) ? `RCPT TO:<${probe.to}>` : `MAIL FROM:<${probe.from}>`;
  const from = isYes(mail) ? ` (from <${probe.from}>)` : "";
  return { probe, outcome: outcomeOf(rcpt), seen: `${step}${from}: ${rcpt.text}` };
}

const RELAYING = /\b[45]\.7\.\d|relay|authenti|denied|not allowed|not permitted|prohibited|local/i;
const ELSEWHERE = /domain|dns|host|resolv|\b[45]\.1\.[28]\b|\bmx\b|verif/i;

function outcomeOf(heard: Heard): Probed["outcome"] {
  if (isYes(heard)) return "taken";
  const code = codeOf(heard);
  if (code === 0) return "lost";
  if (ELSEWHERE.test(heard.text) && !RELAYING.test(heard.text)) return "masked";
  return code < 500 ? "put off" : "refused";
}

/** One plain probe that is taken is a relay; one that is refused for relaying says what the others would have. */
export function verdictOf(probed: readonly Probed[]): RelayVerdict {
  if (probed.some(({ outcome }) => outcome === "taken")) return "relays";
  return probed.some(({ outcome }) => outcome === "refused") ? "refuses" : "unclear";
}
