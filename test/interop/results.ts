/** What passed, for `report.ts`: written into the folder that `SALLYPORT_INTEROP_RESULTS` names, and nowhere without it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Sender } from "../support/live_senders.ts";
import type { Peer } from "./peer.ts";

/** The file `matrix.json`. */
export interface MatrixResults {
  /** Server → its version, or why it could not run. */
  readonly peers: Readonly<Record<string, { readonly version?: string; readonly missing?: string }>>;
  /** Sender → why it could not run; empty where it could. */
  readonly senders: Readonly<Record<string, string>>;
  /** The cases that passed. */
  readonly passed: readonly Passed[];
}

export interface Passed {
  readonly sender: string;
  readonly peer: string;
  readonly kind: string;
}

/** The file `smuggling.json` and the file `identity.json`: server → what it was shown and passed. */
export type PeerResults = Readonly<Record<string, readonly string[]>>;

type PeerFile = "smuggling.json" | "identity.json";

const passed: Passed[] = [];
/** The test files of a run share this module. */
const byPeer: Record<PeerFile, Record<string, string[]>> = { "smuggling.json": {}, "identity.json": {} };

/** To be called at the end of a test: what failed does not get there. */
export function record(sender: Sender, peer: Peer, kind: string): void {
  passed.push({ sender: sender.name, peer: peer.name, kind });
}

/** The same where no sender is in it. */
export function recordPeer(file: PeerFile, peer: Peer, what: string): void {
  (byPeer[file][peer.name] ??= []).push(what);
}

export async function writeMatrix(peers: readonly Peer[], senders: readonly Sender[]): Promise<void> {
  const told = await Promise.all(peers.map(async (peer) => {
    const { name, missing } = peer;
    return [name, missing === undefined ? { version: await peer.version() } : { missing }] as const;
  }));
  const results: MatrixResults = {
    peers: Object.fromEntries(told),
    senders: Object.fromEntries(senders.map(({ name, missing }) => [name, missing ?? ""])),
    passed,
  };
  write("matrix.json", results);
}

export function writePeers(file: PeerFile): void {
  write(file, byPeer[file]);
}

function write(file: string, results: MatrixResults | PeerResults): void {
  const folder = process.env.SALLYPORT_INTEROP_RESULTS;
  if (folder !== undefined) writeFileSync(join(folder, file), JSON.stringify(results));
}
