/**
 * The demo backend of the quickstart: a small mail server on a free port of the loopback interface that puts what
 * it takes into a Maildir.
 */
import { Maildir } from "../demo/maildir.ts";
import { Receiver } from "../demo/receiver.ts";
import type { Network, Wire, WireOwner } from "../net/wire.ts";
import { SettingsError } from "../policy/policy.ts";
import { BACKEND_DEFAULTS } from "../policy/backend_address.ts";
import type { BackendAddress } from "../policy/settings.ts";

/** How often it is looked who has been silent for too long, in milliseconds. */
const TICK = 1_000;

/** A demo backend that runs. `close` also ends its sessions. */
export interface Demo {
  readonly address: BackendAddress;
  close(): void;
}

/**
 * Starts it.
 * @param path the Maildir; made where it is missing
 * @throws SettingsError where it cannot be made or written
 */
export async function startDemo(net: Network, path: string): Promise<Demo> {
  const maildir = await openMaildir(path);
  const receivers = new Set<Receiver>();
  const accept = (wire: Wire): WireOwner => {
    const receiver = new Receiver(wire, maildir, () => receivers.delete(receiver));
    receivers.add(receiver);
    // The wire has its owner only after this call.
    queueMicrotask(() => receiver.start());
    return receiver;
  };
  const listener = await net.listen({ endpoint: { host: "127.0.0.1", port: 0 }, accept });
  const timer = setInterval(() => receivers.forEach((receiver) => receiver.tick(performance.now())), TICK);
  return {
    address: { ...BACKEND_DEFAULTS, name: "demo", endpoint: listener.address },
    close() {
      clearInterval(timer);
      listener.close();
      for (const receiver of receivers) receiver.destroy();
    },
  };
}

async function openMaildir(path: string): Promise<Maildir> {
  try {
    return await Maildir.open(path);
  } catch (cause) {
    throw new SettingsError([(cause as Error).message]);
  }
}
