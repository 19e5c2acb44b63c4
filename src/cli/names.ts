/**
 * The addresses behind a backend's name: as the machine's hosts file has them, then as the DNS says, then as the system
 * finds them (search domains, mDNS, whatever it is set up for).
 */
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Resolve, Resolved } from "../backend/targets.ts";
import type { Dns, DnsAnswer } from "../policy/effects.ts";

/** How long an answer holds that says nothing about it, in milliseconds. */
const SYSTEM_TTL = 30_000;

/** What names are looked up with, besides the DNS. */
export interface System {
  /** The text of the hosts file. */
  hosts(): Promise<string>;
  /** Rejects where there is no such name. */
  lookup(name: string): Promise<readonly string[]>;
}

const SYSTEM: System = {
  hosts: () => readFile("/etc/hosts", "utf8").catch(() => ""),
  async lookup(name) {
    const found = await lookup(name, { all: true });
    return found.map(({ address }) => address);
  },
};

/** @param dns undefined where the program has no resolver of its own */
export function namesOf(dns: Dns | undefined, system: System = SYSTEM): Resolve {
  return async (name) => {
    const listed = inHosts(await system.hosts(), name);
    if (listed.length > 0) return { hosts: listed, ttl: SYSTEM_TTL, complete: true };
    const asked = dns === undefined ? undefined : await byDns(dns, name);
    if (asked !== undefined) return asked;
    return { hosts: [...new Set(await system.lookup(name))], ttl: SYSTEM_TTL, complete: true };
  };
}

/** Undefined where the DNS has no address, or cannot be asked. */
async function byDns(dns: Dns, name: string): Promise<Resolved | undefined> {
  const [v4, v6] = await Promise.allSettled([dns.resolve(name, "A"), dns.resolve(name, "AAAA")]);
  const answers = [v4, v6].flatMap((asked) =>
    asked.status === "fulfilled" ? [asked.value as DnsAnswer<"A" | "AAAA">] : []
  );
  const hosts = answers.flatMap(({ records }) => records);
  if (hosts.length === 0) return undefined;
  const held = answers.filter(({ status }) => status === "ok").map(({ ttl }) => ttl);
  // What is past its time takes nothing away, nor does one family anything of the other.
  const [four, six] = [v4, v6].map(isFresh);
  if (four && six) return { hosts, ttl: Math.min(...held), complete: true };
  return { hosts, ttl: Math.min(...held), complete: false, whole: four ? 4 : six ? 6 : undefined };
}

function isFresh(asked: PromiseSettledResult<{ readonly stale: boolean }>): boolean {
  return asked.status === "fulfilled" && !asked.value.stale;
}

/** The addresses of a name in a hosts file (hosts(5)). */
function inHosts(text: string, name: string): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  const hosts = text.split("\n").flatMap((line) => {
    const [host = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(host) !== 0 && names.some((each) => each.toLowerCase() === wanted) ? [host] : [];
  });
  return [...new Set(hosts)];
}
