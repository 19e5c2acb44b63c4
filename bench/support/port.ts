/** Loopback ports: one that is free, and waiting until an SMTP server greets on it. */
import { connect, createServer } from "node:net";
import type { Child } from "./child.ts";
import { pause } from "./child.ts";

/**
 * A free port of 127.0.0.1 below the range that outgoing connections take theirs from: a server
 * that binds a moment later must not find a client's TIME_WAIT there.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 10_240 + Math.floor(Math.random() * 20_000);
    if (await canListen(port)) return port;
  }
  throw new Error("Cannot find a free port: 100 of 127.0.0.1 are taken");
}

/** Waits until a server greets with 220; fails after `seconds` or when `child` has ended. */
export async function untilGreeted(port: number, seconds: number, child?: Child): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    if (await greets(port)) return;
    if (child !== undefined && !child.alive()) {
      throw new Error(`it ended at start: ${child.lastWords() || "without a word"}`);
    }
    await pause(50);
  }
  throw new Error(`no greeting within ${seconds} s: ${child?.lastWords() || "without a word"}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => finish(false));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
    socket.once("data", (bytes) => {
      socket.write("QUIT\r\n");
      finish(String(bytes).startsWith("220"));
    });
  });
}
