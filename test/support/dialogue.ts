/**
 * Plays an SMTP transcript against a session and its backends (house.md, Tests).
 *
 * Each is played three times: as it stands, a run of `C:` or `<` lines being one write; byte by byte on both legs; and
 * with all that the client says in one write. In the first two, everything must happen where the transcript has it and
 * nothing else; in the third, each leg must say the same in the same order.
 *
 * Stage directions:
 *     (5 minutes pass)                   the clock goes on, and is looked at as the program does
 *     (drain)                            the proxy is told to stop
 *     (then)                             what follows is said only when all before has been settled
 *     (meanwhile)                        the same, where a backend speaks without being asked
 *     (on b)                             what follows is about the last connection to backend b, or of them all
 *     (on the first connection)          it is about that one
 *     (the backend stops reading), (the backend reads again), and the same for the client
 *     (the client is not read), (the client is read)    what the proxy does about that
 *     and whatever `events` names. Where the transcript has one of them, or a lost peer, nothing is sent ahead.
 */
import { test } from "bun:test";
import type { Rule } from "../../src/policy/rule.ts";
import { type Direction, Player, type Way, WAYS } from "../../src/testing/player.ts";
import { Scene, type SceneOptions } from "../../src/testing/scene.ts";
import { readTranscript, type Step } from "../../src/testing/script.ts";

/** What a dialogue is played with. Given as a function, it is made anew for each of the three. */
export interface DialogueOptions extends SceneOptions {
  /** Stage directions of this dialogue's own. */
  readonly events?: Readonly<Record<string, Direction>>;
  /** Why this cannot be sent ahead. */
  readonly notPipelined?: string;
  /** Why this cannot come octet by octet. */
  readonly notInPieces?: string;
  /** Looks at what the transcript does not show. */
  readonly after?: (scene: Scene) => void;
}

type Given = DialogueOptions | Rule | readonly Rule[];

/** Defines the tests of one transcript. */
export function dialogue(name: string, given: Given | (() => Given), transcript: string): void {
  const options = () => optionsOf(typeof given === "function" ? given() : given);
  const steps = readTranscript(transcript);
  for (const way of WAYS) {
    if (way === "pipelined" && options().notPipelined !== undefined) continue;
    if (way === "byte by byte" && options().notInPieces !== undefined) continue;
    const title = way === "whole" ? name : `${name} (${way})`;
    test(title, () => play(steps, options(), way));
  }
}

function optionsOf(given: Given): DialogueOptions {
  if (Array.isArray(given)) return { plugins: given };
  return "onError" in given || "group" in given ? { plugins: [given as Rule] } : given as DialogueOptions;
}

async function play(steps: readonly Step[], options: DialogueOptions, way: Way): Promise<void> {
  const scene = new Scene(options);
  await new Player(scene, steps, options.events ?? {}, way).run();
  options.after?.(scene);
}
