/** Picks the runtime's network. The adapters are loaded on demand: neither may be parsed on the other's runtime. */

import type { Network } from "./wire.ts";

/** The network of the runtime this program runs on. */
export async function network(): Promise<Network> {
  if ("Bun" in globalThis) return (await import("./bun.ts")).bunNetwork;
  return (await import("./node.ts")).nodeNetwork;
}
