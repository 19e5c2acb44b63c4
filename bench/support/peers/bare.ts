/** A relay that does as little as one can (`bare_relay.ts`): what the runtime and this machine cost by themselves. */
import { fileURLToPath } from "node:url";
import type { Peer, RunningPeer, Setup } from "../peer.ts";
import { freePort } from "../port.ts";
import { startServer } from "../server.ts";

const relay = fileURLToPath(new URL("../bare_relay.ts", import.meta.url));

export const bare: Peer = {
  name: "bare",
  title: "Bun, a bare relay",
  unable: {
    large: "knows no backpressure",
    starttls: "has no TLS",
  },
  descriptorsPerSession: 1,

  version: () => Promise.resolve(undefined),

  async start({ directory, backend }: Setup): Promise<RunningPeer> {
    const port = await freePort();
    const command = [process.execPath, relay, `${port}`, `${backend}`];
    return startServer(command, { port, log: `${directory}/log`, seconds: 10 });
  },
};
