/**
 * Debian's mail servers conflict with each other as packages. So their packages are unpacked, each server into a folder of
 * its own in a cache of the machine, and a server runs in a mount namespace in which its folder lies over /usr, with an
 * /etc, /var and /run that are this run's alone: the paths that are compiled into it hold, and the system's stay as they are.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Server → its Debian packages; libraries that the machine lacks come with them. */
export const UNPACKED = {
  aiosmtpd: ["python3-aiosmtpd", "python3-attr", "python3-public"],
  courier: ["courier-mta", "courier-base", "courier-authlib", "courier-authdaemon", "courier-authlib-userdb"],
  dma: ["dma"],
  dovecot: ["dovecot-core", "dovecot-lmtpd", "dovecot-submissiond"],
  exim: ["exim4-daemon-heavy", "exim4-base"],
  opensmtpd: ["opensmtpd"],
  sendmail: ["sendmail-bin", "sendmail-base", "sendmail-cf", "m4"],
} as const;

export type UnpackedName = keyof typeof UNPACKED;

/** Where they are kept for the next run. */
export const CACHE = join(tmpdir(), "sallyport-interop-peers");

/** Why this server cannot run here; undefined where it can. */
export function unpackedMissing(name: UnpackedName): string | undefined {
  if (process.getuid?.() !== 0) return `${name} in a namespace of its own needs root`;
  if (!existsSync(join(CACHE, name))) {
    return `Debian package ${UNPACKED[name][0]} is not unpacked: bun test/interop/fetch.ts`;
  }
  return namespaceMissing();
}

let namespaces: string | undefined;

/** Why the kernel (or a container around us) gives no namespaces with overlays that can be written to. */
function namespaceMissing(): string | undefined {
  if (namespaces === undefined) {
    const probe = mkdtempSync(join(tmpdir(), "sallyport-overlay-"));
    for (const part of ["own", "work"]) mkdirSync(join(probe, part));
    const places = `lowerdir=${CACHE}:/usr,upperdir=${probe}/own,workdir=${probe}/work`;
    const words = ["-m", "mount", "-t", "overlay", "overlay", "-o", places, "/usr"];
    const { status, stderr, error } = spawnSync("unshare", words, { encoding: "utf8" });
    const fault = error?.message ?? stderr.trim().split("\n")[0];
    namespaces = status === 0 ? "" : `no overlay in a mount namespace here: ${fault}`;
    rmSync(probe, { recursive: true, force: true });
  }
  return namespaces || undefined;
}

/** The version of a server's first package, as Debian writes it. */
export function unpackedVersion(name: UnpackedName): string {
  return readFileSync(join(CACHE, name, "VERSION"), "utf8").trim();
}

/** Downloads and unpacks one server, whole or not at all. @throws Error with the reason */
export function unpack(name: UnpackedName): void {
  const target = join(CACHE, name);
  if (existsSync(target)) return;
  const folder = `${target}-${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    const wanted: readonly string[] = UNPACKED[name];
    command(["apt-get", "-qq", "download", ...wanted, ...libraries(wanted)], folder);
    for (const file of debs(folder)) command(["dpkg-deb", "-x", file, "."], folder);
    const version = command(["dpkg-deb", "-f", debs(folder).find(of(wanted[0]!))!, "Version"], folder);
    for (const file of debs(folder)) rmSync(join(folder, file));
    merge(folder);
    command(["sh", "-c", `echo '${version.trim()}' >VERSION`], folder);
    renameSync(folder, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const debs = (folder: string) => readdirSync(folder).filter((file) => file.endsWith(".deb"));
const of = (name: string) => (file: string) => file.startsWith(`${name}_`);

/** The libraries that apt would install too. */
function libraries(wanted: readonly string[]): string[] {
  const plan = command(["apt-get", "-s", "--no-install-recommends", "install", ...wanted], "/");
  const names = [...plan.matchAll(/^Inst (lib\S+)/gm)].map(([, name]) => name!);
  return names.filter((name) => !wanted.includes(name) && !name.startsWith("libjs-"));
}

/** /lib, /bin and /sbin are links to /usr today; some packages do not know yet. */
function merge(folder: string): void {
  for (const name of ["lib", "bin", "sbin"]) {
    const from = join(folder, name);
    if (!existsSync(from)) continue;
    cpSync(from, join(folder, "usr", name), { recursive: true, verbatimSymlinks: true });
    rmSync(from, { recursive: true });
  }
}

function command(words: readonly string[], cwd: string): string {
  const [program = "", ...rest] = words;
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    cwd,
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`${words.slice(0, 3).join(" ")}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
