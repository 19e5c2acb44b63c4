/** NSD as the name server of a benchmark: it knows the given zones, and that there is nothing else. */
import { mkdirSync, writeFileSync } from "node:fs";
import { Resolver } from "node:dns/promises";
import { type Child, pause, startChild, stopProcess } from "./child.ts";
import { program } from "./peer.ts";

/** An address that a name server listens on. */
export interface NameServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface NameServer extends NameServerAddress {
  stop(): Promise<void>;
}

/** Text of a zone file by the zone's name; `.` catches what no other zone has. */
export type Zones = ReadonlyMap<string, string>;

/**
 * Starts it and waits until it answers.
 * @param directory is made
 */
export async function startNsd(
  directory: string,
  zones: Zones,
  { host, port }: NameServerAddress,
): Promise<NameServer> {
  mkdirSync(directory);
  for (const [name, text] of zones) writeFileSync(`${directory}/${fileName(name)}`, text);
  const file = `${directory}/nsd.conf`;
  writeFileSync(file, configuration(directory, [...zones.keys()], host, port));
  const child = startChild([program("nsd"), "-d", "-c", file], `${directory}/log`);
  const stop = () => stopProcess(child.pid);
  try {
    await untilAnswered([...zones.keys()][0]!, `${host}:${port}`, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, port, stop };
}

function configuration(directory: string, zones: readonly string[], host: string, port: number): string {
  // A rate limit against amplification attacks is on by default: 200 answers a second.
  return `server:
  ip-address: ${host}@${port}
  do-ip6: no
  server-count: 1
  receive-buffer-size: 4194304
  username: ""
  chroot: ""
  database: ""
  zonesdir: "${directory}"
  zonelistfile: "${directory}/zone.list"
  xfrdfile: "${directory}/xfrd.state"
  xfrdir: "${directory}"
  pidfile: "${directory}/nsd.pid"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
${zones.map((name) => `zone:\n  name: "${name}"\n  zonefile: "${fileName(name)}"\n`).join("")}`;
}

function fileName(zone: string): string {
  return zone === "." ? "root.zone" : `${zone}.zone`;
}

async function untilAnswered(zone: string, server: string, child: Child): Promise<void> {
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([server]);
  for (let waited = 0; waited < 10_000 && child.alive(); waited += 50) {
    if (await resolver.resolveSoa(zone).then(() => true, () => false)) return;
    await pause(50);
  }
  throw new Error(`Cannot start nsd: ${child.lastWords() || "no answer"}`);
}
