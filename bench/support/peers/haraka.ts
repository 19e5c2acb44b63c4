/**
 * Haraka with smtp_forward: one process, no checks. It comes from npm into a cache directory of the
 * machine, outside the project's own packages, and stays there for the next run.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { lastLines, runChild } from "../child.ts";
import { type Peer, program, type RunningPeer, type Setup } from "../peer.ts";
import { freePort } from "../port.ts";
import { startServer } from "../server.ts";

const version = "3.3.4";

export const haraka: Peer = {
  name: "haraka",
  title: "Haraka smtp_forward",
  descriptorsPerSession: 1,

  async version() {
    const { stdout } = await runChild([program("node"), "--version"], { seconds: 10 });
    return `Haraka ${version} on Node ${stdout.trim().replace("v", "")}`;
  },

  start({ directory, backend, certificate }: Setup): Promise<RunningPeer> {
    const files: Record<string, string> = {
      "plugins": `${certificate ? "tls\n" : ""}rcpt_to.in_host_list\nqueue/smtp_forward\n`,
    };
    if (certificate !== undefined) {
      files["tls.ini"] = "key=tls_key.pem\ncert=tls_cert.pem\n";
      files["tls_key.pem"] = readFileSync(certificate.key, "utf8");
      files["tls_cert.pem"] = readFileSync(certificate.cert, "utf8");
    }
    return startHaraka(directory, backend, files);
  },
};

/**
 * Starts a Haraka that forwards.
 * @param files of its folder `config`, by their names; `plugins` must be there
 * @param packages npm packages of plugins, `name@version`
 */
export async function startHaraka(
  directory: string,
  backend: number,
  files: Readonly<Record<string, string>>,
  packages: readonly string[] = [],
): Promise<RunningPeer> {
  const home = `${await installed(packages)}/node_modules/Haraka`;
  const port = await freePort();
  // A connection.ini must be whole: a section that is missing there is a crash at the first session.
  const connection = readFileSync(`${home}/config/connection.ini`, "utf8");
  const all: Readonly<Record<string, string>> = {
    "me": "proxy.example",
    "host_list": "bench.example",
    "smtp.ini": `listen=127.0.0.1:${port}\nnodes=0\n`,
    "connection.ini": connection.replace(/^bytes=.*/m, "bytes=104857600"),
    "smtp_forward.ini": `host=127.0.0.1\nport=${backend}\n`,
    "log.ini": "[main]\nlevel=error\n",
    ...files,
  };
  mkdirSync(`${directory}/config`);
  for (const [name, text] of Object.entries(all)) writeFileSync(`${directory}/config/${name}`, text);
  // It takes the directory from the third word of its command line, whatever the option before.
  const command = [program("node"), `${home}/bin/haraka`, "-c", directory];
  return startServer(command, { port, log: `${directory}/log`, seconds: 20 });
}

/** The directory of an installed Haraka; the first run installs it, whole or not at all. */
export async function installed(packages: readonly string[]): Promise<string> {
  const kind = packages.length > 0 ? `-${Bun.hash.crc32(packages.join(" ")).toString(16)}` : "";
  const cache = `${tmpdir()}/sallyport-bench-haraka-${version}${kind}`;
  if (existsSync(`${cache}/node_modules/Haraka/package.json`)) return cache;
  const directory = mkdtempSync(`${cache}-`);
  writeFileSync(`${directory}/package.json`, '{ "private": true }\n');
  const small = ["--omit=optional", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
  const { code, stderr } = await runChild(
    [program("npm"), "install", ...small, `Haraka@${version}`, ...packages],
    { directory, seconds: 180 },
  );
  if (code !== 0) {
    rmSync(directory, { recursive: true });
    throw new Error(`npm install gave ${code}: ${lastLines(stderr)}`);
  }
  renameSync(directory, cache);
  return cache;
}
