/** Starts a server that greets with 220, or leaves nothing behind. */
import { type ChildOptions, startChild, stopProcess } from "./child.ts";
import type { RunningPeer } from "./peer.ts";
import { untilGreeted } from "./port.ts";

export interface ServerOptions extends ChildOptions {
  /** Where its output goes. */
  readonly log: string;
  /** The port of 127.0.0.1 where it is to greet. */
  readonly port: number;
  /** How long it may take to greet. */
  readonly seconds: number;
}

export async function startServer(
  command: readonly string[],
  options: ServerOptions,
): Promise<RunningPeer> {
  const child = startChild(command, options.log, options);
  const stop = () => stopProcess(child.pid);
  try {
    await untilGreeted(options.port, options.seconds, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port: options.port, processes: [child.pid], stop };
}
