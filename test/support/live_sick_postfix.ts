// A Postfix that keeps whatever it takes in its queue, on a small disk of its own where that is wanted, and can be
// killed, stopped, filled up and started again while mail is on its way.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { sleep } from "./blackbox_wait.ts";
import { run, serverPort } from "./live_children.ts";
import { Postfix } from "./live_postfix.ts";
import { queueRecords } from "./live_queue.ts";

/** Octets of the largest message that it takes. */
const LARGEST = 110_000;
/** As many clients as there are at once, all of them, and the looks. */
const PROCESSES = 160;

export class SickPostfix {
  readonly port: number;
  readonly #postfix: Postfix;
  readonly #disk: SmallDisk | undefined;

  private constructor(port: number, postfix: Postfix, disk: SmallDisk | undefined) {
    this.port = port;
    this.#postfix = postfix;
    this.#disk = disk;
  }

  /** @param disk octets of a disk for its queue; without it the queue is on the folder's own */
  static async start(folder: string, disk?: number): Promise<SickPostfix> {
    const port = await serverPort();
    const queue = join(folder, "queue");
    mkdirSync(queue, { recursive: true });
    const small = disk === undefined ? undefined : await SmallDisk.mount(queue, disk);
    try {
      return new SickPostfix(
        port,
        await Postfix.start({ folder, port, main: MAIN, listeners: [listener(port)] }),
        small,
      );
    } catch (fault) {
      await small?.unmount();
      throw fault;
    }
  }

  /** What it has taken, a line for each message. */
  get records(): string[] {
    return queueRecords(this.#postfix.folder);
  }

  get log(): string {
    return this.#postfix.log;
  }

  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#postfix.signal(name);
  }

  /** Ends of data pile up; then it takes those messages, and says so to nobody. */
  async mute(): Promise<void> {
    this.#postfix.signalOnly("cleanup", "SIGSTOP");
    await sleep(700);
    this.#postfix.signalOnly("smtpd", "SIGSTOP");
    this.#postfix.signalOnly("cleanup", "SIGCONT");
    await sleep(700);
  }

  /** After SIGKILL: none of its processes is left. */
  get dead(): boolean {
    return this.#postfix.dead;
  }

  again(): Promise<void> {
    return this.#postfix.again();
  }

  /** Leaves so many octets free. */
  fill(left: number): Promise<void> {
    return this.#disk!.fill(left);
  }

  empty(): Promise<void> {
    return this.#disk!.empty();
  }

  /** At once; nobody needs what is in its queue any more. */
  async stop(): Promise<void> {
    if (!this.dead) this.signal("SIGKILL");
    await this.#postfix.stop();
    await this.#disk?.unmount();
  }
}

const MAIN = [
  "myhostname = sick.example",
  `default_process_limit = ${PROCESSES}`,
  `message_size_limit = ${LARGEST}`,
  // Held mail stays where cleanup has put it: the queue is the account.
  "smtpd_client_restrictions = check_client_access static:HOLD",
  "virtual_mailbox_domains = backend.example",
  "virtual_mailbox_maps = static:box",
  "virtual_mailbox_base = /nonexistent",
  "smtpd_relay_restrictions = reject_unauth_destination",
  "default_transport = discard",
];

function listener(port: number): string {
  return `127.0.0.1:${port} inet n - n - - smtpd`;
}

const mounted = new Set<SmallDisk>();
process.on("exit", () => mounted.forEach((disk) => disk.leave()));

/** A file system in memory that can be full. */
class SmallDisk {
  readonly #folder: string;
  readonly #size: number;

  private constructor(folder: string, size: number) {
    this.#folder = folder;
    this.#size = size;
  }

  static async mount(folder: string, size: number): Promise<SmallDisk> {
    const { status, stderr } = await run([
      "mount",
      "-t",
      "tmpfs",
      "-o",
      `size=${size},mode=0755`,
      "sallyport-test",
      folder,
    ]);
    if (status !== 0) throw new Error(`Cannot mount a tmpfs: ${stderr}`);
    const disk = new SmallDisk(folder, size);
    mounted.add(disk);
    return disk;
  }

  async fill(left: number): Promise<void> {
    const { blocks, bfree, bsize } = await statfs(this.#folder);
    await this.#resize((blocks - bfree) * bsize + left);
  }

  empty(): Promise<void> {
    return this.#resize(this.#size);
  }

  async #resize(size: number): Promise<void> {
    const { status, stderr } = await run(["mount", "-o", `remount,size=${size}`, this.#folder]);
    if (status !== 0) throw new Error(`Cannot make a tmpfs ${size} octets large: ${stderr}`);
  }

  async unmount(): Promise<void> {
    await run(["umount", "-l", this.#folder]);
    mounted.delete(this);
  }

  /** The same where nothing can be waited for. */
  leave(): void {
    spawnSync("umount", ["-l", this.#folder]);
  }
}

/** Why no small disk can be had; undefined where it can. */
export async function diskMissing(folder: string): Promise<string | undefined> {
  try {
    await (await SmallDisk.mount(folder, 65_536)).unmount();
    return undefined;
  } catch (fault) {
    return (fault as Error).message.trim();
  }
}
