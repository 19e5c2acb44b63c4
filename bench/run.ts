/**
 * Runs the benchmarks and prints their tables: `bun bench/run.ts [NAME...] [--runs N]
 * [--peers a,b] [--minutes N] [--markdown] [--profile DIRECTORY]`. Figures, never tests: a slow
 * machine fails nothing. With `--profile` Bun writes a CPU profile of each Sallyport that it starts,
 * `.cpuprofile` for a browser's developer tools and `.md` to read; its figures are then not to be used.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { frontDoor } from "./front_door.ts";
import { idle } from "./idle.ts";
import { large } from "./large.ts";
import { passThrough } from "./pass_through.ts";
import { starttls } from "./starttls.ts";
import { killEverything } from "./support/child.ts";
import { reason, type Run } from "./support/field.ts";
import { machine } from "./support/machine.ts";
import type { Peer } from "./support/peer.ts";
import { bare } from "./support/peers/bare.ts";
import { haproxy } from "./support/peers/haproxy.ts";
import { haraka } from "./support/peers/haraka.ts";
import { nginx } from "./support/peers/nginx.ts";
import { postfix } from "./support/peers/postfix.ts";
import { sallyport } from "./support/peers/sallyport.ts";
import { markdown, plain, type Table } from "./support/table.ts";

const benchmarks = new Map<string, (run: Run) => Promise<Table[]>>([
  ["pass_through", passThrough],
  ["large", large],
  ["starttls", starttls],
  ["idle", idle],
  ["front_door", frontDoor],
]);
const allPeers: readonly Peer[] = [sallyport, bare, haproxy, nginx, postfix, haraka];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "3" },
    peers: { type: "string", default: allPeers.map((peer) => peer.name).join(",") },
    minutes: { type: "string", default: "8" },
    markdown: { type: "boolean", default: false },
    profile: { type: "string" },
  },
});

const names = positionals.length > 0 ? positionals : [...benchmarks.keys()];
const mistake = check();
if (mistake !== undefined) {
  console.error(mistake);
  process.exit(2);
}
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => process.exit(1));
const directory = mkdtempSync(`${tmpdir()}/sallyport-bench-`);
process.once("exit", () => {
  killEverything();
  rmSync(directory, { recursive: true, force: true });
});
// Some proxies give up root and must still reach their files.
chmodSync(directory, 0o755);

await main();

async function main(): Promise<void> {
  const peers = allPeers.filter((peer) => values.peers.split(",").includes(peer.name));
  const run: Run = {
    directory,
    peers,
    rounds: Number(values.runs),
    deadline: performance.now() + Number(values.minutes) * 60_000,
    ...(values.profile === undefined ? {} : { profile: resolve(values.profile) }),
    progress: (line) => console.error(`… ${line}`),
  };
  console.log(`${await machine(peers)}\n`);
  for (const name of names) {
    try {
      for (const table of await benchmarks.get(name)!(run)) {
        console.log(`${values.markdown ? markdown(table) : plain(table)}\n`);
      }
    } catch (error) {
      console.error(`Cannot run ${name}: ${reason(error)}`);
      process.exitCode = 1;
    }
  }
}

/** The first mistake in the command line, said with what is allowed. */
function check(): string | undefined {
  const unknown = names.find((name) => !benchmarks.has(name));
  if (unknown !== undefined) {
    return `Cannot run ${unknown}: there are ${[...benchmarks.keys()].join(", ")}`;
  }
  const stranger = values.peers.split(",").find((name) => !allPeers.some((peer) => peer.name === name));
  if (stranger !== undefined) {
    return `Cannot take --peers ${stranger}: there are ${allPeers.map((p) => p.name).join(", ")}`;
  }
  for (const option of ["runs", "minutes"] as const) {
    if (!(Number(values[option]) >= 1)) {
      return `Cannot take --${option} ${values[option]}: a number from 1 is allowed`;
    }
  }
  return undefined;
}
