/** The load of the plain benchmarks: Postfix's smtp-source(1). */
import { lastLines, runChild } from "./child.ts";
import { program } from "./peer.ts";

export interface Load {
  /** Sessions at the same time. */
  readonly parallel: number;
  /** Messages in all. */
  readonly messages: number;
  /** Bytes of each message without its header. */
  readonly size: number;
  /** Keeps each connection for the next message; otherwise every message has its own. */
  readonly kept?: boolean;
}

/** Sends the load to a port of 127.0.0.1 and gives the wall time in seconds. */
export async function send(port: number, load: Load): Promise<number> {
  const { code, stderr, seconds } = await runChild([
    program("smtp-source"),
    ...(load.kept ? ["-d"] : []),
    ...["-s", `${load.parallel}`, "-m", `${load.messages}`, "-l", `${load.size}`],
    ...["-M", "client.example", "-f", "from@client.example", "-t", "to@bench.example"],
    `127.0.0.1:${port}`,
  ], { seconds: 90 });
  if (code !== 0) throw new Error(`the load broke off: ${lastLines(stderr)}`);
  return seconds;
}
