/**
 * For tests of plugins, without a network: asks one plugin as the proxy would, with its deadline, its `onError` and the
 * check of its verdict. (Whole sessions, told as transcripts, come with a later version.)
 * @module
 *
 * @example
 * const { verdict } = await ask(heloName({ reserved: ["mx.example"] }), "helo", factsAt("helo", { helo: "mx.example" }));
 * expect(verdict).toEqual(reject("5.7.1", "That is our name"));
 */
import { type After, askPlugin, type Scope, timer } from "./policy/ask.ts";
import { type Plugin, pluginMistakes, type Stage, STAGES, type Stages } from "./policy/plugin.ts";
import type { Verdict } from "./policy/verdict.ts";
import { type Path, readForwardPath, readReversePath } from "./smtp/path.ts";
import { latin1Text } from "./smtp/reply.ts";

export type { After } from "./policy/ask.ts";

/** What a question came to. */
export interface Answer {
  /** The plugin's verdict, or what its `onError` makes of a failure; undefined where the stage goes on. */
  readonly verdict: Verdict | undefined;
  /** Why the plugin failed: what it threw, that its time was over, that it returned no verdict. */
  readonly failure: unknown;
  /** Whether it failed; `failure` alone cannot say, since anything may be thrown. */
  readonly failed: boolean;
}

/** How it is asked. */
export interface AskOptions {
  /** Measures the deadline (5 s, at `message` 30 s); the real timer unless given. `atOnce` is one that is over. */
  readonly after?: After;
  /** The client leaves when it fires. */
  readonly clientLeaves?: AbortSignal;
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
  { after = timer, clientLeaves }: AskOptions = {},
): Promise<Answer> {
  const mistakes = pluginMistakes(plugin);
  if (mistakes.length > 0) throw new TypeError(`Cannot ask the plugin: ${mistakes.join("; ")}`);
  if (plugin[stage] === undefined) {
    const has = STAGES.filter((each) => plugin[each] !== undefined);
    throw new TypeError(
      `Cannot ask ${plugin.name} at ${stage}: it has no such handler; it has ${has.join(", ") || "none"}`,
    );
  }
  const scope: Scope = {};
  const failures: unknown[] = [];
  const verdict = askPlugin(plugin, stage, facts, { scope, after, failed: (cause) => failures.push(cause) });
  const leave = () => scope.abort?.abort();
  if (clientLeaves?.aborted) leave();
  clientLeaves?.addEventListener("abort", leave);
  const settled = await verdict;
  clientLeaves?.removeEventListener("abort", leave);
  return { verdict: settled, failure: failures[0], failed: failures.length > 0 };
}

/**
 * The facts of a stage: a plain EHLO session from 203.0.113.7 that sends 1000 octets from a@client.example to
 * b@mx.example, but for what is given.
 */
export function factsAt<S extends Stage>(stage: S, given: Partial<Stages[S]> = {}): Stages[S] {
  const connect: Stages["connect"] = {
    id: "7Q2MZX0K4B",
    client: { host: "203.0.113.7", port: 50_000 },
    local: { host: "192.0.2.25", port: 25 },
  };
  const helo: Stages["helo"] = { ...connect, helo: "client.example", verb: "EHLO", tls: undefined };
  const mail: Stages["mail"] = { ...helo, reversePath: path("a@client.example"), parameters: [] };
  const forwardPath = path("b@mx.example");
  const data: Stages["data"] = { ...mail, recipients: [forwardPath] };
  const all: Stages = {
    connect,
    helo,
    mail,
    rcpt: { ...mail, forwardPath, accepted: [] },
    data,
    message: { ...data, size: 1000 },
  };
  return { ...all[stage], ...given };
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
