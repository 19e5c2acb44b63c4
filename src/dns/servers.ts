/** Which name servers are asked: given as text, or the system's own (resolv.conf(5)). */

import { readFileSync } from "node:fs";
import { isIP } from "node:net";

/** A name server. `host` is an IP address: a name would need a name server. IPv6 may have a zone (`fe80::1%eth0`). */
export interface DnsServer {
  readonly host: string;
  readonly port: number;
}

/** What a list of servers came to; a line for each mistake: what was given, and what is allowed. */
export interface ReadServers {
  readonly servers: readonly DnsServer[];
  readonly mistakes: readonly string[];
}

const PORT = 53;
const FORMS =
  "an IP address with or without a port: 192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:5353";

/** Reads a list of servers, separated by commas: `192.0.2.53, [2001:db8::53]:5353`. */
export function readServers(text: string): ReadServers {
  const servers: DnsServer[] = [];
  const mistakes: string[] = [];
  for (const given of text.split(",").map((each) => each.trim())) {
    const read = readServer(given);
    if (typeof read === "string") mistakes.push(`${given === "" ? "nothing" : given} was given; ${read}`);
    else servers.push(read);
  }
  return { servers, mistakes };
}

/** The servers that resolv.conf's text names, or the one on this machine where it names none. */
export function readResolvConf(text: string): readonly DnsServer[] {
  const servers = text.split("\n").flatMap((line) => {
    const host = /^nameserver[ \t]+([^ \t#;]+)/.exec(line.trimEnd())?.[1];
    return host !== undefined && isIP(host) !== 0 ? [{ host, port: PORT }] : [];
  });
  return servers.length > 0 ? servers : [{ host: "127.0.0.1", port: PORT }];
}

/** The system's servers now. A system without the file asks the one on this machine (resolv.conf(5)). */
export function systemServers(path = "/etc/resolv.conf"): readonly DnsServer[] {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
  }
  return readResolvConf(text);
}

/** For people: `127.0.0.1:53`, `[::1]:53`. */
export function serverName({ host, port }: DnsServer): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** One server, or what is allowed instead. */
function readServer(given: string): DnsServer | string {
  if (isIP(given) !== 0) return { host: given, port: PORT };
  const [, v6, other, digits] = /^(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::(\d*))?$/.exec(given) ?? [];
  const host = v6 ?? other;
  if (host === undefined || isIP(host) !== (v6 === undefined ? 4 : 6)) return `allowed is ${FORMS}`;
  const port = digits === undefined ? PORT : Number(digits || NaN);
  if (!(port >= 1 && port <= 65_535)) return "allowed is a port from 1 to 65535";
  return { host, port };
}
