/**
 * A policy played as a transcript: what a client says and hears, against real sessions with a fake clock, a fake
 * network and effects given as plain data.
 */
import type { Dns, Store } from "../policy/effects.ts";
import { definePolicy, type Policy } from "../policy/policy.ts";
import type { Rule } from "../policy/rule.ts";
import type { Settings } from "../policy/settings.ts";
import type { DnsMap } from "./dns.ts";
import type { FetchMap } from "./fetch.ts";
import type { FileMap } from "./files.ts";
import type { Played } from "./played.ts";
import { Player } from "./player.ts";
import type { Replies } from "./replies.ts";
import { readTranscript } from "./script.ts";
import { type Backstage, Theatre } from "./theatre.ts";

/** What is played against. Everything has a default. */
export interface TranscriptOptions {
  /** When it begins, as a date or in milliseconds since 1970: Monday, 2 March 2026, 9:00 UTC unless given. */
  readonly now?: string | number;
  /** The client's address: 203.0.113.7 unless given. */
  readonly client?: string;
  /** Whom clients are taken for, as if they had authenticated. */
  readonly user?: string;
  /** STARTTLS is offered; `C: <handshake>` is the client's part of it. */
  readonly tls?: boolean;
  /** A plugin that asks the DNS, the web or a file without being given one fails. */
  readonly dns?: DnsMap | Dns;
  readonly fetch?: FetchMap;
  readonly files?: FileMap;
  /** An empty one in memory unless given. */
  readonly store?: Store;
  /** From 0 to below 1: always 0.5 unless given. */
  readonly random?: () => number;
  /** What the backend answers in place of its usual replies; it takes everything unless told otherwise. */
  readonly backend?: Replies;
  /** Lines of the backend's EHLO reply. */
  readonly extensions?: readonly string[];
  /** Stage directions of this transcript's own: `(the list changes)`. */
  readonly directions?: Readonly<Record<string, (backstage: Backstage) => void | Promise<unknown>>>;
  /** A plugin may throw. Otherwise the transcript fails where one does, even if the client notices nothing. */
  readonly mayCrash?: boolean;
}

/** A policy, or rules for a policy that is as a policy is by default. */
export type Given = Policy | Rule | readonly Rule[];

/**
 * Plays a transcript. Everything that the client hears must be in it, in its place, and nothing else.
 *
 *     S: 250 2.1.0 Ok          the proxy says this; "…" at the end stands for the rest of the line, or behind `250-` for the
 *                              rest of the reply; a reference ("[ref 7Q2M…]") need not be shown
 *     C: NOOP                  the client sends this; also <close>, <half-close>, <reset> and <handshake>
 *     S: <close>               the proxy closes, or breaks off: <abort>
 *     (5 minutes pass)         the clock goes on: nothing that waits for it happens otherwise
 *     (a client connects)      another one, who is spoken of from now on; also (a client connects from 198.51.100.9)
 *     (on the first client)    who came first is spoken of again
 *     (the store is away)      and (the store is back); the same for the DNS and the web
 *     (then)                   what follows is said once all before has been settled
 *
 * Where it shows the backend's leg, it must show all of it: `>` is what the backend is told (without the proxy's trace
 * field), `<` what it answers, `> <connect>`, `< <close>` and the like; nobody answers for it then. Lines end in CRLF
 * unless they end in "¬"; ␍ ␊ ␀ are the characters they show, ⟨ff⟩ is an octet.
 * @throws Error naming the line that did not come true, what came instead, and what plugins did
 */
export function transcript(given: Given, text: string): Promise<Played>;
export function transcript(given: Given, options: TranscriptOptions, text: string): Promise<Played>;
export async function transcript(
  given: Given,
  second: TranscriptOptions | string,
  third?: string,
): Promise<Played> {
  const [options, text] = typeof second === "string" ? [{}, second] : [second, third!];
  const steps = readTranscript(text);
  const leg = steps.some(({ kind }) => kind === ">" || kind === "<");
  if (leg && options.backend !== undefined) {
    throw new TypeError(
      "Cannot play the transcript: options.backend was given and the transcript shows the backend's leg; " +
        "allowed is one of the two",
    );
  }
  const theatre = new Theatre(settingsOf(given), options, leg);
  try {
    await theatre.open();
    await new Player(theatre.scene, steps, theatre.directions, "whole").run();
    return await theatre.close();
  } catch (error) {
    throw fromOutside(error);
  }
}

/** The error as if it came from who called: where in this folder it was thrown helps nobody. */
function fromOutside(error: unknown): unknown {
  if (!(error instanceof Error) || error.stack === undefined) return error;
  const own = import.meta.url.replace(/[^/]*$/, "").replace(/^file:\/\//, "");
  error.stack = error.stack.split("\n").filter((line) => !line.includes(own)).join("\n");
  return error;
}

function settingsOf(given: Given): Settings {
  if ("settings" in given) return given.settings;
  const plugins = Array.isArray(given) ? given as readonly Rule[] : [given as Rule];
  const { settings } = definePolicy({
    hostname: "mx.example",
    listen: ["192.0.2.25:25"],
    backends: [{ name: "backend", endpoint: { host: "198.51.100.1", port: 25 } }],
    plugins,
  });
  return settings;
}
