/**
 * What a benchmark knows of a proxy: how to start one, on which port it listens, which processes
 * are its own. One file per proxy in `peers/`.
 */
import { existsSync } from "node:fs";

/** PEM files of a certificate for STARTTLS. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** What a proxy is started with. */
export interface Setup {
  /** A directory of its own, to be removed afterwards. */
  readonly directory: string;
  /** The port of 127.0.0.1 where mail goes on to. */
  readonly backend: number;
  /** With it the proxy offers STARTTLS. */
  readonly certificate?: Certificate;
  /** Another, for clients that ask for its name. */
  readonly named?: Certificate;
  /** Where Sallyport's CPU profiles go; absent: it is not profiled. */
  readonly profile?: string;
}

/** A proxy that greets on `port`. */
export interface RunningPeer {
  readonly port: number;
  /** The topmost processes of the proxy; their descendants count as well. */
  readonly processes: readonly number[];
  stop(): Promise<void>;
}

export interface Peer {
  /** As in `--peers`. */
  readonly name: string;
  /** As in the tables. */
  readonly title: string;
  /** Name and version of what is installed here, if it can be told without starting it. */
  version(): Promise<string | undefined>;
  /** Why it cannot take part in a benchmark, by the benchmark's name. */
  readonly unable?: Readonly<Record<string, string>>;
  /** Descriptors that one idle session costs it. */
  readonly descriptorsPerSession: number;
  /** Fetches what it needs from outside, for a benchmark without a network. */
  prepare?(): Promise<unknown>;
  /** Starts it and waits for its greeting; fails with "Cannot start X: why". */
  start(setup: Setup): Promise<RunningPeer>;
}

/** The path of an installed program, also where the directories for root are not in PATH. */
export function program(name: string): string {
  const directories = [...(process.env.PATH ?? "").split(":"), "/usr/local/sbin", "/usr/sbin"];
  for (const directory of directories) {
    if (directory !== "" && existsSync(`${directory}/${name}`)) return `${directory}/${name}`;
  }
  throw new Error(`${name} is not installed`);
}
