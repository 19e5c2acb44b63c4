/**
 * Files as a map, for tests of plugins that read some.
 */
import type { Files } from "../policy/set_up.ts";

export class FakeFiles implements Files {
  readonly #contents: Map<string, string>;
  readonly #watchers: { readonly path: string; readonly changed: (content: Uint8Array | Error) => void }[] =
    [];

  constructor(contents: Readonly<Record<string, string>>) {
    this.#contents = new Map(Object.entries(contents));
  }

  read(path: string): Promise<Uint8Array> {
    const content = this.#contents.get(path);
    if (content === undefined) return Promise.reject(new Error("the test gives no such file"));
    return Promise.resolve(new TextEncoder().encode(content));
  }

  watch(path: string, changed: (content: Uint8Array | Error) => void): void {
    this.#watchers.push({ path, changed });
  }

  /** Replaces a file; whoever watches it is told. */
  write(path: string, content: string): void {
    this.#contents.set(path, content);
    for (const each of this.#watchers) {
      if (each.path === path) each.changed(new TextEncoder().encode(content));
    }
  }
}
