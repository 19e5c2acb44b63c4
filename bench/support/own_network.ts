/**
 * Runs a script in a network of its own, cut off from every other: only there can clients come from public
 * addresses, a name server listen on port 53, and /etc/resolv.conf name it for programs that ask nothing else.
 * Linux namespaces for network, mounts and processes: when the script ends, all that it started ends as well.
 */
import { writeFileSync } from "node:fs";
import { lastLines, runChild } from "./child.ts";
import { program } from "./peer.ts";

/** Where the network's name server listens, on port 53. */
export const nameServer = "127.0.0.1";

export interface OwnNetwork {
  /** For the resolver's settings; it must exist. */
  readonly directory: string;
  /** Addresses in it are this machine's. */
  readonly clients: string;
  /** The script may take so long, in seconds. */
  readonly seconds: number;
}

/**
 * Runs a script of this project with one argument; its error output is shown.
 * @returns what it printed
 */
export async function inOwnNetwork(
  script: string,
  argument: string,
  { directory, clients, seconds }: OwnNetwork,
): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error("a network of its own needs root");
  const resolver = `${directory}/resolv.conf`;
  writeFileSync(resolver, `nameserver ${nameServer}\n`);
  const prepare = `set -e
    ip link set lo up
    ip route add local ${clients} dev lo
    mount --bind ${resolver} /etc/resolv.conf
    exec "$@"`;
  const { code, stdout, stderr } = await runChild([
    program("unshare"),
    ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ...["sh", "-c", prepare, "sh", process.execPath, script, argument],
  ], { seconds, errors: "shown" });
  if (code !== 0) throw new Error(`the script in its own network gave ${code}: ${lastLines(stderr)}`);
  return stdout;
}
