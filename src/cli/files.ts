/**
 * Files that may change while the program runs. They are looked at every few seconds, which sees every way a file can be
 * replaced (rename, symbolic link, network share) and needs no help from the system.
 */
import { readFile, stat } from "node:fs/promises";
import type { Files } from "../policy/set_up.ts";

/** Milliseconds between two looks. */
const LOOK = 2_000;

interface Watched {
  readonly path: string;
  readonly changed: (content: Uint8Array | Error) => void;
  mark: string;
  content: Uint8Array;
}

export class WatchedFiles implements Files {
  readonly #watched: Watched[] = [];
  readonly #read = new Map<string, { readonly mark: string; readonly content: Uint8Array }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  async read(path: string): Promise<Uint8Array> {
    const mark = await markOf(path);
    const content = new Uint8Array(await readFile(path));
    this.#read.set(path, { mark, content });
    return content;
  }

  watch(path: string, changed: (content: Uint8Array | Error) => void): void {
    const { mark, content } = this.#read.get(path) ?? { mark: "", content: new Uint8Array(0) };
    this.#read.delete(path);
    this.#watched.push({ path, changed, mark, content });
    this.#timer ??= this.#later();
  }

  #later(): ReturnType<typeof setTimeout> {
    return setTimeout(async () => {
      await this.look();
      if (this.#timer !== undefined) this.#timer = this.#later();
    }, LOOK);
  }

  /** Looks at all files now. */
  async look(): Promise<void> {
    await Promise.all(this.#watched.map((one) => lookAt(one)));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watched.length = 0;
  }
}

async function lookAt(one: Watched): Promise<void> {
  try {
    const mark = await markOf(one.path);
    if (mark === one.mark) return;
    const content = new Uint8Array(await readFile(one.path));
    one.mark = mark;
    if (Buffer.compare(content, one.content) === 0) return;
    one.content = content;
    one.changed(content);
  } catch (cause) {
    const mark = `unreadable: ${(cause as { code?: string }).code}`;
    if (mark === one.mark) return;
    one.mark = mark;
    one.changed(cause as Error);
  }
}

/** Differs whenever the file may have changed. */
async function markOf(path: string): Promise<string> {
  const { mtimeMs, ctimeMs, size, ino } = await stat(path);
  return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
}
