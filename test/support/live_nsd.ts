// A real name server: NSD with zones given as text, on one free port of loopback (UDP and TCP), its files in a
// temporary folder, ended by its own pid. It is authoritative only: a name outside its zones is REFUSED.
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Daemon, findProgram, serverPort } from "./live_children.ts";

// A run that breaks off must not leave a name server behind.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

/** Why NSD cannot run here; undefined where it can. */
export function nsdMissing(): string | undefined {
  return findProgram("nsd") === undefined ? "Debian package nsd is not installed" : undefined;
}

export interface NsdOptions {
  /** The name of each zone (`example.org`) and its text as a zone file; names in it are relative to the zone. */
  readonly zones: ReadonlyMap<string, string>;
  /** Octets of the largest answer over UDP; a larger one is truncated and wants TCP. NSD's own default is 1232. */
  readonly udpSize?: number;
}

/** A running NSD on 127.0.0.1. */
export interface Nsd {
  readonly port: number;
  stop(): Promise<void>;
}

/** The first lines of a zone: time to live, SOA (its `minimum` is how long a "no" is kept, in seconds) and NS. */
export function zoneHead(minimum = 60): string {
  return `$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 ${minimum}\n@ NS ns\nns A 127.0.0.1\n`;
}

/** Starts NSD and waits until it answers for each zone. @throws Error with its output where it does not start */
export async function startNsd(options: NsdOptions): Promise<Nsd> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-nsd-"));
  const port = await serverPort();
  mkdirSync(join(folder, "zones"));
  for (const [zone, text] of options.zones) writeFileSync(zoneFile(folder, zone), `${text}\n`);
  writeFileSync(join(folder, "nsd.conf"), configuration(folder, port, options));
  const daemon = new Daemon([findProgram("nsd")!, "-d", "-c", join(folder, "nsd.conf")], folder);
  // Its last processes may still be writing there.
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const end = async () => {
    process.off("exit", remove);
    await daemon.stop("SIGTERM");
    remove();
  };
  process.on("exit", remove);
  try {
    await daemon.up("nsd", () => servesAll(daemon, port, options.zones.keys()));
  } catch (cause) {
    await end();
    throw cause;
  }
  return { port, stop: end };
}

/** A zone with a mistake in it is only told in NSD's log. */
async function servesAll(daemon: Daemon, port: number, zones: Iterable<string>): Promise<boolean> {
  const mistakes = [...daemon.log.matchAll(/ error: (.*)/g)].map(([, mistake]) => mistake);
  if (mistakes.length > 0) throw new Error(`Cannot start nsd: ${mistakes.join("\n")}`);
  for (const zone of zones) if (!await answersFor(port, zone)) return false;
  return true;
}

function zoneFile(folder: string, zone: string): string {
  return join(folder, "zones", encodeURIComponent(zone));
}

function configuration(folder: string, port: number, { zones, udpSize }: NsdOptions): string {
  const server = [
    "server:",
    `  ip-address: 127.0.0.1@${port}`,
    '  username: ""',
    '  chroot: ""',
    '  database: ""',
    `  zonesdir: "${folder}"`,
    `  pidfile: "${folder}/nsd.pid"`,
    `  xfrdfile: "${folder}/xfrd.state"`,
    `  xfrdir: "${folder}"`,
    `  zonelistfile: "${folder}/zone.list"`,
    "  server-count: 1",
    // Its limit of answers to one address is on by default, and a test asks as fast as it can.
    "  rrl-ratelimit: 0",
    "  rrl-whitelist-ratelimit: 0",
    ...udpSize === undefined ? [] : [`  ipv4-edns-size: ${udpSize}`],
    "remote-control:",
    "  control-enable: no",
  ];
  const each = [...zones.keys()].flatMap((zone) => [
    "zone:",
    `  name: "${zone}"`,
    `  zonefile: "${zoneFile(folder, zone)}"`,
  ]);
  return [...server, ...each, ""].join("\n");
}

/** True where the server answers a question for the zone's SOA with authority. */
function answersFor(port: number, zone: string): Promise<boolean> {
  const socket = createSocket("udp4");
  return new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), 200);
    const finish = (answer: boolean) => (clearTimeout(timer), resolve(answer));
    socket.on("message", (reply) => finish((reply[2]! & 4) !== 0 && (reply[3]! & 15) === 0));
    socket.on("error", () => finish(false));
    socket.send(soaQuestion(zone), port, "127.0.0.1");
  }).finally(() => socket.close());
}

function soaQuestion(zone: string): Uint8Array {
  const labels = zone.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
  return Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 6, 0, 1);
}
