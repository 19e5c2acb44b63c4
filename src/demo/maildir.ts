/**
 * A Maildir (https://cr.yp.to/proto/maildir.html): each message is a file, written in `tmp` and moved to `new` once
 * it is whole, so that no reader ever sees half of one.
 */
import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";

/** The files of one message. */
export interface MessageFiles {
  readonly tmp: string;
  readonly new: string;
}

const { W_OK, X_OK } = constants;

export class Maildir {
  /** Absolute. */
  readonly path: string;
  #count = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the directories that are missing, for nobody but their owner.
   * @throws Error `Cannot write the Maildir PATH: why`
   */
  static async open(path: string): Promise<Maildir> {
    const maildir = new Maildir(resolve(path));
    try {
      for (const part of ["tmp", "new", "cur"]) {
        const directory = join(maildir.path, part);
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await access(directory, W_OK | X_OK);
      }
    } catch (cause) {
      throw new Error(`Cannot write the Maildir ${path}: ${(cause as Error).message}`, { cause });
    }
    return maildir;
  }

  /** Names that no message of any process on this host has had. */
  newFiles(): MessageFiles {
    const now = Date.now();
    const seconds = Math.floor(now / 1000);
    const unique = `M${(now % 1000) * 1000}P${process.pid}Q${++this.#count}`;
    const name = `${seconds}.${unique}.${HOST}`;
    return { tmp: join(this.path, "tmp", name), new: join(this.path, "new", name) };
  }
}

/** "/" would lead elsewhere, and ":" sets off the flags in `cur`. */
const HOST = hostname().replaceAll("/", "\\057").replaceAll(":", "\\072");
