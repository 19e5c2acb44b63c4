/**
 * The field of one benchmark: a sink, the straight way to it, and every proxy that could be started.
 * They stand beside one another for the whole benchmark and are measured in turns, since a machine
 * drifts: what is compared must have been measured at about the same time.
 */
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Certificate, Peer, RunningPeer, Setup } from "./peer.ts";
import { startSink } from "./sink.ts";

/** What is common to all benchmarks of a run. */
export interface Run {
  /** An empty directory, removed after the run. */
  readonly directory: string;
  readonly peers: readonly Peer[];
  /** Rounds over the field. */
  readonly rounds: number;
  /** When no further round may begin, on the clock of `performance.now()`. */
  readonly deadline: number;
  /** Where Sallyport's CPU profiles go; absent: it is not profiled. */
  readonly profile?: string;
  /** Tells the person who waits what is being done. */
  readonly progress: (line: string) => void;
}

/** One way that the mail can take: straight (no processes) or through a proxy. */
export interface Contender {
  readonly title: string;
  readonly port: number;
  readonly processes: readonly number[];
}

/** One who takes part, or why not. */
export type Entry = Contender | { readonly title: string; readonly absent: string };

export interface Field {
  readonly entries: readonly Entry[];
  close(): Promise<void>;
}

export async function openField(
  benchmark: string,
  run: Run,
  certificate?: Certificate,
  named?: Certificate,
): Promise<Field> {
  const directory = `${run.directory}/${benchmark}`;
  mkdirSync(directory);
  const sink = await startSink(directory);
  const running: RunningPeer[] = [sink];
  const entries: Entry[] = [{ title: "direct", port: sink.port, processes: [] }];
  for (const peer of run.peers) {
    const entry = await enter(peer, benchmark, {
      directory: `${directory}/${peer.name}`,
      backend: sink.port,
      ...(certificate === undefined ? {} : { certificate }),
      ...(named === undefined ? {} : { named }),
      ...(run.profile === undefined ? {} : { profile: run.profile }),
    });
    if ("stop" in entry) running.push(entry);
    if ("absent" in entry) run.progress(`${peer.title}: ${entry.absent}`);
    entries.push({ title: peer.title, ...entry });
  }
  return { entries, close: async () => void await Promise.all(running.map((one) => one.stop())) };
}

/** Starts one proxy for a benchmark; a proxy that cannot take part is a row of the table, no failure. */
export async function enter(
  peer: Peer,
  benchmark: string,
  setup: Setup,
): Promise<RunningPeer | { readonly absent: string }> {
  const unable = peer.unable?.[benchmark];
  if (unable !== undefined) return { absent: unable };
  mkdirSync(setup.directory);
  try {
    return await peer.start(setup);
  } catch (error) {
    return { absent: `cannot start: ${reason(error)}` };
  }
}

/** What went wrong, without the paths of this machine: tables are published. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(`${process.cwd()}/`, "").replaceAll(`${tmpdir()}/`, "");
}
