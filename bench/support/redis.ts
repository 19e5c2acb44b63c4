/** A redis-server of a benchmark: in memory only, on a port of its own. */
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { type Child, pause, startChild, stopProcess } from "./child.ts";
import { program } from "./peer.ts";
import { freePort } from "./port.ts";

export interface Redis {
  /** On 127.0.0.1. */
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * Starts it and waits until it answers.
 * @param directory is made
 */
export async function startRedis(directory: string): Promise<Redis> {
  mkdirSync(directory);
  const port = await freePort();
  const inMemory = ["--save", "", "--appendonly", "no", "--dir", directory];
  const command = [program("redis-server"), "--port", `${port}`, "--bind", "127.0.0.1", ...inMemory];
  const child = startChild(command, `${directory}/log`);
  const stop = () => stopProcess(child.pid);
  try {
    await untilAnswered(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

async function untilAnswered(port: number, child: Child): Promise<void> {
  for (let waited = 0; waited < 10_000 && child.alive(); waited += 50) {
    if (await answers(port)) return;
    await pause(50);
  }
  throw new Error(`Cannot start redis-server: ${child.lastWords() || "no answer"}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => finish(false));
    socket.once("error", () => finish(false));
    socket.once("data", (bytes) => finish(String(bytes).startsWith("+PONG")));
  });
}
