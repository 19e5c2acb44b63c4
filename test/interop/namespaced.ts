/** A server of an unpacked package in namespaces of its own: what its files and its processes are to it, and its end. */
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CACHE, type UnpackedName } from "./unpacked.ts";

/** Users that servers insist on, and the two whom all mail is for. */
const USERS = [
  "you:x:4711:4711::/nonexistent:/bin/sh",
  "me:x:4710:4710::/nonexistent:/bin/sh",
  "opensmtpd:x:4712:4712::/var/lib/opensmtpd/empty:/usr/sbin/nologin",
  "opensmtpq:x:4713:4713::/var/lib/opensmtpd/empty:/usr/sbin/nologin",
  "courier:x:4714:4714::/var/lib/courier:/usr/sbin/nologin",
  "dovenull:x:4715:4715::/nonexistent:/usr/sbin/nologin",
  "dovecot:x:4716:4716::/nonexistent:/usr/sbin/nologin",
  "smmta:x:4717:4717::/nonexistent:/usr/sbin/nologin",
  "Debian-exim:x:4719:4719::/nonexistent:/usr/sbin/nologin",
  "smmsp:x:4718:4718::/nonexistent:/usr/sbin/nologin",
];

/** Uid and gid of `you`. */
export const YOU = 4711;

/** The places of one server, and how to run programs there. */
export class Namespaced {
  readonly #name: UnpackedName;
  readonly #places: string;

  /** @param folder an empty folder of its own that every user may enter; what is in it looks the same from inside */
  constructor(name: UnpackedName, folder: string) {
    this.#name = name;
    this.#places = join(folder, "places");
    for (const place of ["usr", "etc", "var"]) {
      for (const part of ["own", "work"]) mkdirSync(join(this.#places, place, part), { recursive: true });
    }
    for (const place of ["/etc/passwd", "/etc/group"]) copyFileSync(place, this.#path(place));
    appendFileSync(this.#path("/etc/passwd"), `${USERS.join("\n")}\n`);
    const groups = USERS.map((user) => user.replace(/^(\w+:x:\d+):.*/, "$1:"));
    appendFileSync(this.#path("/etc/group"), `${groups.join("\n")}\n`);
    // No server looks anything up outside: its own name is in a file, and the DNS refuses at once.
    this.write("/etc/hosts", `127.0.0.1 localhost\n127.0.0.1 ${name}.example ${name}\n`);
    this.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n");
    this.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n");
  }

  /** Writes a file that the server finds at this path below /etc or /var. */
  write(path: string, content: string, mode = 0o644): void {
    const file = this.#path(path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  }

  /**
   * A command that runs a shell script in there. All processes that it starts die with it.
   * @param words the script's own arguments, `$1` and on
   */
  command(script: string, ...words: readonly string[]): string[] {
    const base = join(CACHE, this.#name);
    const apart = ["unshare", "-m", "-p", "-u", "--fork", "--kill-child"];
    const own = [this.#places, `${this.#name}.example`, ...words];
    return [...apart, "sh", "-ec", `${MOUNTS}\n(\n${script}\n)\n${LAST}`, base, ...own];
  }

  /**
   * One more program in the places of a command that runs already, with the end its caller gives it. The same places
   * cannot be mounted twice at one time.
   * @param pid that command's process
   */
  inside(pid: number, script: string): string[] {
    return ["nsenter", "-t", String(pid), "-m", "-u", "sh", "-ec", script];
  }

  #path(path: string): string {
    const [, top, ...rest] = path.split("/");
    return join(this.#places, top!, "own", ...rest);
  }
}

/** $0 is the unpacked package, $1 the places, $2 the host's name; the last two are gone from the arguments afterwards. */
const MOUNTS = `
over() { [ ! -d "$0/$1" ] || printf '%s:' "$0/$1"; }
own() { printf 'upperdir=%s/own,workdir=%s/work' "$places/$1" "$places/$1"; }
places=$1; hostname "$2"; shift 2
for place in usr etc var; do
  mount -t overlay overlay -o "lowerdir=$(over $place)/$place,$(own $place)" /$place
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t proc proc /proc
umask 022
`;

/**
 * The shell stays: it is the namespace's first process, whose end ends all the others, and it dies with `unshare`. A
 * server of its own place in the tree would not, once it had run a set-id program.
 */
const LAST = "exit $?";
