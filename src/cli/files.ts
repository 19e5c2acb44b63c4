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
  readonly changed: (content: Uint8Array | Error) => boolean;
  /** What it holds now was taken. */
  taken: boolean;
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

  watch(path: string, changed: (content: Uint8Array | Error) => boolean): void {
    const { mark, content } = this.#read.get(path) ?? { mark: "", content: new Uint8Array(0) };
    this.#read.delete(path);
    this.#watched.push({ path, changed, mark, content, taken: true });
    this.#timer ??= this.#later();
  }

  #later(): ReturnType<typeof setTimeout> {
    return setTimeout(async () => {
      await this.look();
      if (this.#timer !== undefined) this.#timer = this.#later();
    }, LOOK);
  }

  /** @param again true: what was not taken is offered again, so that its mistakes are told again */
  async look(again = false): Promise<void> {
    await Promise.all(this.#watched.map((one) => lookAt(one, again && !one.taken)));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watched.length = 0;
  }
}

async function lookAt(one: Watched, again: boolean): Promise<void> {
  try {
    const mark = await markOf(one.path);
    if (mark === one.mark && !again) return;
    const content = new Uint8Array(await readFile(one.path));
    one.mark = mark;
    if (Buffer.compare(content, one.content) === 0 && !again) return;
    one.content = content;
    one.taken = one.changed(content);
  } catch (cause) {
    const mark = `unreadable: ${(cause as { code?: string }).code}`;
    if (mark === one.mark && !again) return;
    one.mark = mark;
    one.taken = one.changed(cause as Error);
  }
}

/** Differs whenever the file may have changed. */
async function markOf(path: string): Promise<string> {
  const { mtimeMs, ctimeMs, size, ino } = await stat(path);
  return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
}
