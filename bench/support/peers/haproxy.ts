/** HAProxy in TCP mode: it moves bytes and knows no SMTP, so it is the limit for any relay. */
import { writeFileSync } from "node:fs";
import { runChild } from "../child.ts";
import { type Peer, program, type RunningPeer, type Setup } from "../peer.ts";
import { freePort } from "../port.ts";
import { descriptorLimit } from "../proc.ts";
import { startServer } from "../server.ts";

export const haproxy: Peer = {
  name: "haproxy",
  title: "HAProxy, mode tcp",
  unable: { starttls: "cannot end STARTTLS: it relays bytes and speaks no SMTP" },
  descriptorsPerSession: 2,

  async version() {
    const { stdout } = await runChild([program("haproxy"), "-v"], { seconds: 10 });
    return /HAProxy version [\d.]+/.exec(stdout)?.[0].replace(" version", "");
  },

  async start(setup: Setup): Promise<RunningPeer> {
    const port = await freePort();
    const file = `${setup.directory}/haproxy.cfg`;
    writeFileSync(file, configuration(port, setup.backend));
    const command = [program("haproxy"), "-db", "-f", file];
    return startServer(command, { port, log: `${setup.directory}/log`, seconds: 10 });
  },
};

function configuration(port: number, backend: number): string {
  // HAProxy wants two descriptors a session and some of its own, and refuses to start without.
  const sessions = Math.min(20_000, Math.floor((descriptorLimit() - 200) / 2));
  return `global
  nbthread 1
  maxconn ${sessions}
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen bench
  bind 127.0.0.1:${port}
  server sink 127.0.0.1:${backend}
`;
}
