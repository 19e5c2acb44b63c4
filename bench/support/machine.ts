/** One line about the machine, how busy others keep it, and the versions of what is compared on it. */
import { cpus, loadavg, release, totalmem } from "node:os";
import type { Peer } from "./peer.ts";

export async function machine(peers: readonly Peer[]): Promise<string> {
  const cores = cpus();
  const versions = await Promise.all(peers.map((peer) => peer.version().catch(() => undefined)));
  return [
    `${cores.length} × ${cores[0]?.model.replace(/\(R\)|\(TM\)/g, "") ?? "unknown"}`,
    `${Math.round(totalmem() / 2 ** 30)} GB`,
    `Linux ${release().split("-")[0]}`,
    `load ${loadavg()[0]?.toFixed(1)} at the start`,
    ...versions.filter((version) => version !== undefined),
  ].join(", ");
}
