/**
 * One plugin set up as the program sets it up, so that `ask` can ask it.
 */
import { type After, type Effects, Engine, timer } from "../policy/engine.ts";
import type { Plugin } from "../policy/plugin.ts";
import { setUp } from "../policy/set_up.ts";
import { FakeFiles, type FileMap } from "./files.ts";

/** What it is set up with. */
export interface PrepareOptions {
  readonly files?: FileMap;
  /** What it can do; what is not given fails. */
  readonly effects?: Partial<Effects>;
  /** Measures the time between the runs of a job; the real timer unless given. */
  readonly after?: After;
}

/** A plugin that has been set up. */
export interface Prepared {
  /** Why the program would not start, a line each. */
  readonly mistakes: readonly string[];
  /** Lines for the log, as `"warn: text"`, with the mistake behind it where a file has one. */
  readonly log: readonly string[];
  /**
   * Replaces a file; an Error in its place is a file that cannot be read any more.
   * @throws Error where the plugin has not read it
   */
  write(path: string, content: string | Uint8Array | Error): void;
  /** Ends its jobs. */
  stop(): void;
}

/** Sets a plugin up. */
export async function prepare(
  plugin: Plugin,
  { files = {}, effects = {}, after = timer }: PrepareOptions = {},
): Promise<Prepared> {
  const log: string[] = [];
  const engine = new Engine({
    effects,
    after,
    log: (level, _event, { text, mistake }) =>
      void log.push(`${level}: ${text}${mistake === undefined ? "" : `: ${mistake}`}`),
  });
  const fakes = new FakeFiles(files);
  const { mistakes, stop } = await setUp([plugin], engine, fakes, true);
  return { mistakes, log, write: (path, content) => fakes.write(path, content), stop };
}
