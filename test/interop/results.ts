/** What passed, for `report.ts`: written where `SALLYPORT_INTEROP_RESULTS` says, and nowhere without it. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import type { Sender } from "../support/live_senders.ts";
import type { Peer } from "./peer.ts";

export interface Results {
  /** Server → its version, or why it could not run. */
  readonly peers: Readonly<Record<string, { version?: string; missing?: string }>>;
  /** Sender → why it could not run; empty where it could. */
  readonly senders: Readonly<Record<string, string>>;
  /** The cases that passed. */
  readonly passed: readonly { sender: string; peer: string; kind: string }[];
}

const passed: { sender: string; peer: string; kind: string }[] = [];

/** To be called at the end of a test: what failed does not get there. */
export function record(sender: Sender, peer: Peer, kind: string): void {
  passed.push({ sender: sender.name, peer: peer.name, kind });
}

export async function writeResults(peers: readonly Peer[], senders: readonly Sender[]): Promise<void> {
  const file = process.env.SALLYPORT_INTEROP_RESULTS;
  if (file === undefined) return;
  const told = await Promise.all(peers.map(async (peer) => {
    const { name, missing } = peer;
    return [name, missing === undefined ? { version: await peer.version() } : { missing }] as const;
  }));
  const results: Results = {
    peers: Object.fromEntries(told),
    senders: Object.fromEntries(senders.map(({ name, missing }) => [name, missing ?? ""])),
    passed,
  };
  writeFileSync(file, JSON.stringify(results));
}
