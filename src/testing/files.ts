/**
 * Files as a map, for tests of plugins that read some.
 */
import type { Files } from "../policy/set_up.ts";

/** Contents by path; text is written as UTF-8. */
export type FileMap = Readonly<Record<string, string | Uint8Array>>;

export class FakeFiles implements Files {
  readonly #contents: FileMap;
  readonly #watchers: { readonly path: string; readonly changed: (content: Uint8Array | Error) => void }[] =
    [];

  constructor(contents: FileMap) {
    this.#contents = contents;
  }

  read(path: string): Promise<Uint8Array> {
    const content = this.#contents[path];
    if (content === undefined) return Promise.reject(new Error("the test gives no such file"));
    return Promise.resolve(bytesOf(content));
  }

  watch(path: string, changed: (content: Uint8Array | Error) => void): void {
    this.#watchers.push({ path, changed });
  }

  /**
   * Replaces a file, as an operator does; an Error in its place is a file that cannot be read any more.
   * @throws Error where no plugin has read it: such a test could not fail
   */
  write(path: string, content: string | Uint8Array | Error): void {
    const watchers = this.#watchers.filter((watcher) => watcher.path === path);
    if (watchers.length === 0) throw new Error(`Cannot change ${path}: no plugin has read it`);
    for (const { changed } of watchers) changed(content instanceof Error ? content : bytesOf(content));
  }
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}
