// One of several processes whose plugins share a store: `limits_worker.ts URL NUMBER`. It reads the names of rounds, a line
// each, plays the sessions of a round at once, and prints as JSON how many had which answer and what was counted.
import process from "node:process";
import { createInterface } from "node:readline";
import { greylist } from "../../plugins/greylist/mod.ts";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { SPF } from "../../src/mod.ts";
import { Chain } from "../../src/policy/chain.ts";
import type { Dossier } from "../../src/policy/dossier.ts";
import { Metrics } from "../../src/policy/metrics.ts";
import type { Rule } from "../../src/policy/rule.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { openStore } from "../../src/store/open.ts";
import { factsAt, findingsOf, path } from "../../src/testing.ts";
import { shortly } from "./session_chain.ts";

/** Sessions of a round. */
const SESSIONS = 100;

const [url = "", number = "0"] = process.argv.slice(2);
const metrics = new Metrics();

const messages = (name: string, rate: string) =>
  rateLimit({ limits: [{ name, per: "listener", of: "messages", rate }] });
const places = (name: string, ttl: number) =>
  rateLimit({ concurrency: [{ name, per: "listener", most: 7 }], ttl });
const crossed = rateLimit({
  limits: [
    { name: "wide", per: "listener", of: "recipients", rate: "50/day" },
    {
      name: "narrow",
      per: ({ forwardPath }) => String(forwardPath!.mailbox.length),
      of: "recipients",
      rate: "30/day",
    },
  ],
});
const nested = rateLimit({
  limits: [{
    name: "nested",
    per: "client",
    of: "messages",
    rate: "2/day",
    prefixes: { ipv4: [32, [24, 10]] },
  }],
});

/** What is told of one session. */
interface Play {
  readonly dossier: Dossier;
  readonly index: number;
  readonly client: string;
}

/** A session's answer, and what becomes of it. */
type Job = (chain: Chain, play: Play) => Promise<string>;

const mail = (taken: (index: number) => boolean): Job => async (chain, { dossier, index, client }) => {
  const facts = factsAt("rcpt", {
    client: { host: client, port: 50_000 },
    forwardPath: path("b@mx.example"),
    findings: findingsOf([SPF, { result: "pass", scope: "mailfrom", domain: "client.example" }]),
  });
  const atMail = shortly(await chain.judge("mail", facts, dossier));
  const atRcpt = atMail === "pass" ? shortly(await chain.judge("rcpt", facts, dossier)) : atMail;
  dossier.recipientOver(atRcpt === "pass");
  dossier.transactionOver(atRcpt === "pass" && taken(index) ? "taken" : "not taken");
  dossier.over();
  return atRcpt;
};

/** Each session writes to a recipient of its own. */
const apart: Job = async (chain, { dossier, index }) => {
  const letters = (text: string) => text.replace(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
  const forwardPath = path(`${letters(`${number}${index}`)}@mx.example`);
  const findings = findingsOf([SPF, { result: "pass", scope: "mailfrom", domain: "client.example" }]);
  const answer = shortly(await chain.judge("rcpt", factsAt("rcpt", { forwardPath, findings }), dossier));
  dossier.recipientOver(answer === "pass");
  dossier.transactionOver(answer === "pass" ? "taken" : "not taken");
  dossier.over();
  return answer;
};

const staying: Dossier[] = [];

/** The session stays until it is told to end. */
const stay: Job = async (chain, { dossier }) => {
  const answer = shortly(await chain.judge("connect", factsAt("connect", { id: dossier.id }), dossier));
  staying.push(dossier);
  return answer;
};

const all = () => true;
const ROUNDS: Readonly<Record<string, readonly [rules: string, job: Job]>> = {
  "fifty": ["fifty", mail(all)],
  "half is taken": ["half", mail((index) => index % 2 === 0)],
  "the other half": ["half", mail(all)],
  "crossed": ["crossed", mail(all)],
  "nested": ["nested", mail(all)],
  "stay": ["places", stay],
  "stay for two seconds": ["short", stay],
  "greylist": ["greylist", mail(all)],
  "greylist apart": ["apart", apart],
};
const RULES: Readonly<Record<string, Rule>> = {
  fifty: messages("fifty", "50/day"),
  half: messages("half", "200/day"),
  crossed,
  nested,
  places: places("places", 300_000),
  short: places("short", 2000),
  greylist: greylist({ delay: 400 }),
  apart: greylist({ delay: 400, ipv4: 16, passes: 1000 }),
};

let ready = () => {};
const reached = new Promise<void>((resolve) => ready = resolve);
const store = await openStore(url, { now: Date.now, onState: (state) => state === "ready" && ready() });
await reached;
const effects = { store, local: memoryStore({ now: Date.now }), now: Date.now };
const failures: string[] = [];
const log = (_: string, event: string, { cause, text }: { readonly [name: string]: unknown }) => {
  if (event === "plugin" || event === "plugin failed") failures.push(String(text ?? cause));
};
const chains = new Map(
  Object.entries(RULES).map(([name, rule]) => [name, new Chain([rule], { effects, metrics, log })]),
);
const ears = { spoke: false, greeted: false, tease() {}, onSpeech: () => () => {} };

async function round(name: string): Promise<object> {
  const [rules, job] = ROUNDS[name]!;
  const chain = chains.get(rules)!;
  const answers = await Promise.all(Array.from({ length: SESSIONS }, (_, index) => {
    const client = name === "nested" ? `203.0.113.${index % 20}` : "203.0.113.7";
    const dossier = chain.dossier(`W${number}-${name}-${index}`, client, ears);
    return job(chain, { dossier, index, client });
  }));
  await chain.settled();
  return tally(answers);
}

function tally(answers: readonly string[]): object {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const short = answer.slice(0, 4).trim();
    counts[short] = (counts[short] ?? 0) + 1;
  }
  return counts;
}

async function end(): Promise<object> {
  for (const dossier of staying.splice(0)) dossier.over();
  for (const chain of chains.values()) await chain.settled();
  return {};
}

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const answers = line === "end" ? await end() : await round(line);
  const told = { answers, failures: failures.splice(0), metrics: metrics.text() };
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
await store.close();
process.exit(0);
