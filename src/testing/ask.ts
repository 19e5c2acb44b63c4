/**
 * One plugin asked at one stage as the proxy would ask it: with its deadline, its `onError`, and the check of what it
 * returns.
 */
import type { Action } from "../policy/action.ts";
import { Dossier, type Ears } from "../policy/dossier.ts";
import type { LogFields } from "../policy/effects.ts";
import { type After, type Asked, type Effects, Engine, timer } from "../policy/engine.ts";
import { FindingLayer, type Findings } from "../policy/finding.ts";
import { Hearing } from "../policy/hearing.ts";
import { type Plugin, pluginMistakes } from "../policy/plugin.ts";
import { type Parts, Question } from "../policy/question.ts";
import { type Stage, STAGES, type Stages } from "../policy/stages.ts";
import type { Verdict } from "../policy/verdict.ts";
import { type Path, readForwardPath, readReversePath } from "../smtp/path.ts";
import { latin1Text } from "../smtp/reply.ts";

/** What a question came to. */
export interface Answer {
  /** The plugin's verdict, or what its `onError` makes of a failure; undefined where the stage goes on. */
  readonly verdict: Verdict | undefined;
  /** What it does besides. */
  readonly actions: readonly Action[];
  /** Its findings and scores, over those of the facts. */
  readonly findings: Findings;
  /** Why the plugin failed: what it threw, that its time was over, that it returned no verdict. */
  readonly failure: unknown;
  /** Whether it failed; `failure` alone cannot say, since anything may be thrown. */
  readonly failed: boolean;
  /** Lines for the log, as `"warn: text"`. */
  readonly log: readonly string[];
}

/** How it is asked. */
export interface AskOptions {
  /** What it can do; what is not given fails. */
  readonly effects?: Partial<Effects>;
  /** Measures the deadline (5 s, at `message` 30 s); the real timer unless given. `atOnce` is one that is over. */
  readonly after?: After;
  /** The client leaves when it fires. */
  readonly clientLeaves?: AbortSignal;
  /** When the client speaks before it is greeted, for `silence`: it already has, or it never does. */
  readonly speaks?: "early" | "never";
}

/** A deadline that passes as soon as the plugin waits for something other than what is ready. */
export function atOnce(_ms: number, callback: () => void): () => void {
  return timer(0, callback);
}

/**
 * Asks one plugin at one stage as the proxy would.
 * @throws TypeError where a policy would not take the plugin, and where it has nothing to say at that stage: such a test
 *   could not fail
 */
export async function ask<S extends Stage>(
  plugin: Plugin,
  stage: S,
  facts: Stages[S],
  { effects = {}, after = timer, clientLeaves, speaks = "never" }: AskOptions = {},
): Promise<Answer> {
  mustAnswer(plugin, stage);
  const told: Asked[] = [];
  const log: string[] = [];
  const line = (level: string, event: string, { text }: LogFields) =>
    event === "plugin" && log.push(`${level}: ${text}`);
  const engine = new Engine({ effects, after, asked: (asked) => told.push(asked), log: line });
  const dossier = new Dossier(facts.id, facts.client.host, earsThat(speaks), () => {});
  const hearing = new Listening(engine, dossier, stage, facts);
  const asked = new Question(hearing, plugin, 0).ask();
  const leave = () => dossier.leave();
  if (clientLeaves?.aborted) leave();
  clientLeaves?.addEventListener("abort", leave);
  await asked;
  clientLeaves?.removeEventListener("abort", leave);
  const { parts } = hearing;
  return {
    // Of a client that has left, whom no plugin has judged, the hearing has one of its own.
    verdict: parts.find(isVerdict) ?? hearing.ruling?.verdict,
    actions: parts.filter((part): part is Action => !isVerdict(part)),
    findings: over(dossier.scopes.of(stage).findings, facts.findings),
    failure: told[0]?.failure?.cause,
    failed: told[0]?.failure !== undefined,
    log,
  };
}

/** Keeps what is said. */
class Listening extends Hearing {
  parts: Parts = [];

  override take(plugin: Plugin, order: number, parts: Parts): void {
    this.parts = parts;
    super.take(plugin, order, parts);
  }
}

const VERDICTS: readonly string[] = ["accept", "delay", "defer", "reject", "disconnect"];

function isVerdict(part: Verdict | Action): part is Verdict {
  return VERDICTS.includes(part.kind);
}

function mustAnswer(plugin: Plugin, stage: Stage): void {
  const mistakes = pluginMistakes(plugin);
  if (mistakes.length > 0) throw new TypeError(`Cannot ask the plugin: ${mistakes.join("; ")}`);
  if (plugin[stage] !== undefined) return;
  const has = STAGES.filter((each) => plugin[each] !== undefined);
  throw new TypeError(
    `Cannot ask ${plugin.name} at ${stage}: it has no such handler; it has ${has.join(", ") || "none"}`,
  );
}

function earsThat(speaks: "early" | "never"): Ears {
  return { spoke: speaks === "early", greeted: false, tease() {}, onSpeech: () => () => {} };
}

function over(own: Findings, around: Findings): Findings {
  return {
    get: (key) => own.get(key) ?? around.get(key),
    score: own.score + around.score,
    scores: [...around.scores, ...own.scores],
  };
}

/** Findings as earlier plugins would have left them: `findingsOf([SPF, { result: "fail" }])`. */
export function findingsOf(
  ...given: readonly (readonly [key: { readonly name: string }, value: unknown])[]
): Findings {
  const layer = new FindingLayer();
  for (const [key, value] of given) layer.leave(key, value);
  return layer;
}

/**
 * The facts of a stage: a plain EHLO session from 203.0.113.7 that sends 1000 octets from a@client.example to
 * b@mx.example, but for what is given.
 */
export function factsAt<S extends Stage>(stage: S, given: Partial<Stages[S]> = {}): Stages[S] {
  const connect: Stages["connect"] = {
    id: "7Q2MZX0K4B",
    client: Object.freeze({ host: "203.0.113.7", port: 50_000 }),
    trusted: false,
    via: undefined,
    local: Object.freeze({ host: "192.0.2.25", port: 25 }),
    listener: "192.0.2.25:25",
    hostname: "mx.example",
    findings: new FindingLayer(),
  };
  const helo: Stages["helo"] = {
    ...connect,
    helo: "client.example",
    verb: "EHLO",
    tls: undefined,
    conduct: { spokeEarly: false, pipelinedEarly: false, unknownCommands: 0, refusedRecipients: 0 },
  };
  const mail: Stages["mail"] = {
    ...helo,
    user: undefined,
    reversePath: path("a@client.example"),
    parameters: Object.freeze([]),
    mailLine: "MAIL FROM:<a@client.example>",
  };
  const forwardPath = path("b@mx.example");
  const data: Stages["data"] = { ...mail, recipients: [forwardPath] };
  const all: Stages = {
    connect,
    helo,
    mail,
    rcpt: { ...mail, forwardPath, rcptLine: "RCPT TO:<b@mx.example>", accepted: [] },
    data,
    message: { ...data, size: 1000 },
  };
  const facts: Stages[S] = { ...all[stage], ...given };
  Object.freeze(facts);
  return facts;
}

/**
 * A path as a client would have sent it: `path("a@b.example")`, `path("Postmaster")`, `path("")` for `<>`. What is not
 * ASCII is put on the wire as UTF-8, so the path's strings hold one character per byte, as in a session.
 * @throws TypeError where no client can send it
 */
export function path(mailbox: string): Path {
  const line = `<${latin1Text(new TextEncoder().encode(mailbox))}>`;
  const read = mailbox === "" ? readReversePath(line, 0) : readForwardPath(line, 0);
  if ("path" in read && read.end === line.length) return read.path;
  const why = "fault" in read ? read.fault : "something follows it";
  throw new TypeError(`Cannot make the path <${mailbox}>: ${why}`);
}
