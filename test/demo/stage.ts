/** A demo backend on a Maildir of its own, and what can be found there. */
import { Buffer } from "node:buffer";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Demo, startDemo } from "../../src/cli/demo.ts";
import type { Network } from "../../src/net/wire.ts";
import { RawClient } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";

export class Stage {
  /** A directory to be made by the demo backend. */
  readonly maildir = join(mkdtempSync(join(tmpdir(), "sallyport-demo-")), "deep", "mail");
  demo!: Demo;

  static async open(network: Network): Promise<Stage> {
    const stage = new Stage();
    stage.demo = await startDemo(network, stage.maildir);
    return stage;
  }

  get port(): number {
    return (this.demo.address.endpoint as { port: number }).port;
  }

  greeted(): Promise<RawClient> {
    return RawClient.greeted(this.port);
  }

  close(): void {
    this.demo.close();
    rmSync(join(this.maildir, "..", ".."), { recursive: true, force: true });
  }

  names(part: "tmp" | "new" | "cur"): string[] {
    return readdirSync(join(this.maildir, part));
  }

  /** The delivered messages in order of their names, whole. */
  delivered(): Buffer[] {
    return this.names("new").sort(byCount).map((name) => readFileSync(join(this.maildir, "new", name)));
  }

  /** Whether the demo backend gets rid of what it has in tmp, and of every descriptor. */
  emptied(): Promise<boolean> {
    return eventually(() => this.names("tmp").length === 0 && this.#descriptors() === 0);
  }

  /** Files of the Maildir that this process has open (where /proc can tell). */
  #descriptors(): number {
    if (!existsSync("/proc/self/fd")) return 0;
    return readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(this.maildir);
      } catch {
        return false; // the descriptor of the readdir itself
      }
    }).length;
  }
}

function byCount(one: string, other: string): number {
  return count(one) - count(other);
}

function count(name: string): number {
  return Number(/Q(\d+)\./.exec(name)![1]);
}
