/** The backend of every benchmark: Postfix's smtp-sink(1), which takes mail and throws it away. */
import { program, type RunningPeer } from "./peer.ts";
import { freePort } from "./port.ts";
import { startServer } from "./server.ts";

export async function startSink(directory: string): Promise<RunningPeer> {
  const port = await freePort();
  // It refuses to stay root. Its own bound of sessions, 256, must not be what is measured.
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const options = [...user, "-h", "sink.example", "-m", "30000"];
  const command = [program("smtp-sink"), ...options, `127.0.0.1:${port}`, "4096"];
  return startServer(command, { port, log: `${directory}/sink.log`, seconds: 10 });
}
