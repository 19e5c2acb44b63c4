/** The demo backend. */
import type { Network } from "../net/wire.ts";
import type { BackendAddress } from "../policy/settings.ts";

export function startDemo(_net: Network, _maildir: string): Promise<{ address: BackendAddress; close(): void }> {
  throw new Error("not here yet");
}
