/**
 * One message on its way into a Maildir. The disk works behind the network, in order; what goes wrong is kept and
 * told at the end, when the message is answered.
 */
import { Buffer } from "node:buffer";
import { rmSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { MessageFiles } from "./maildir.ts";

/** Octets that may wait for the disk. */
const PATIENCE = 256 * 1024;

export class Delivery {
  readonly #files: MessageFiles;
  readonly #taken: () => void;
  #file: FileHandle | undefined;
  #fault: Error | undefined;
  #waiting = 0;
  /** Ends when everything asked for so far is done. */
  #tail: Promise<void> = Promise.resolve();

  /**
   * @param fields what stands before the message
   * @param taken told whenever the disk has taken something
   */
  constructor(files: MessageFiles, fields: Uint8Array, taken: () => void) {
    this.#files = files;
    this.#taken = taken;
    this.#next(async () => {
      this.#file = await open(files.tmp, "wx", 0o600);
    });
    this.write([fields]);
  }

  /** Why the message cannot be delivered, as far as is known yet. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /** Too much waits for the disk: write no more until told that it took something. */
  get full(): boolean {
    return this.#waiting >= PATIENCE;
  }

  /** Appends a copy of the octets. */
  write(content: readonly Uint8Array[]): void {
    const bytes = Buffer.concat(content);
    this.#waiting += bytes.length;
    this.#next(() => this.#append(bytes)).then(() => {
      this.#waiting -= bytes.length;
      this.#taken();
    });
  }

  /** Delivers; after a failure, which it returns, nothing is left of the message. */
  async commit(): Promise<Error | undefined> {
    await this.#next(async () => {
      await this.#file!.sync();
      await this.#close();
      await rename(this.#files.tmp, this.#files.new);
      await syncDirectory(dirname(this.#files.new));
    });
    if (this.#fault !== undefined) await this.discard();
    return this.#fault;
  }

  /** Gives the message up; not to be called once `commit` was. Never rejects. */
  async discard(): Promise<void> {
    this.#fault ??= new Error("Given up");
    await this.#tail;
    // Nobody is left to be told of a failure here; whoever reads a Maildir clears its tmp of old files.
    await this.#close().catch(() => {});
    await rm(this.#files.tmp, { force: true }).catch(() => {});
  }

  /** Removes the file at once, for a process that is about to end. */
  discardNow(): void {
    try {
      rmSync(this.#files.tmp, { force: true });
    } catch {
      return;
    }
  }

  /** Does one step after the other, and none after one that failed. */
  #next(step: () => Promise<void>): Promise<void> {
    return this.#tail = this.#tail.then(async () => {
      if (this.#fault !== undefined) return;
      try {
        await step();
      } catch (cause) {
        this.#fault = cause as Error;
      }
    });
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#file!.write(bytes, at, bytes.length - at);
      at += bytesWritten;
    }
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/**
 * Makes a name in the directory last. The message is there already and would come twice if it were refused now,
 * so a file system that cannot do this costs nothing but the promise.
 */
async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, "r");
    await directory.sync().finally(() => directory.close());
  } catch {
    return;
  }
}
