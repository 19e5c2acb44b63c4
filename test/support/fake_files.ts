/**
 * Files that a test writes and changes, and a plugin set up with them as the program sets it up.
 */
import { Engine } from "../../src/policy/engine.ts";
import type { Plugin } from "../../src/policy/plugin.ts";
import { type Files, setUp } from "../../src/policy/set_up.ts";

export class FakeFiles implements Files {
  readonly #contents: Map<string, Uint8Array>;
  readonly #watchers = new Map<string, (content: Uint8Array | Error) => void>();

  constructor(contents: Readonly<Record<string, string | Uint8Array>>) {
    this.#contents = new Map(Object.entries(contents).map(([path, content]) => [path, bytesOf(content)]));
  }

  read(path: string): Promise<Uint8Array> {
    const content = this.#contents.get(path);
    return content === undefined
      ? Promise.reject(new Error("ENOENT: no such file or directory"))
      : Promise.resolve(content);
  }

  watch(path: string, changed: (content: Uint8Array | Error) => void): void {
    this.#watchers.set(path, changed);
  }

  /** The file has another content from now on. @throws where nobody watches it: such a test could not fail */
  change(path: string, content: string | Uint8Array): void {
    const changed = this.#watchers.get(path);
    if (changed === undefined) throw new Error(`nobody watches ${path}`);
    changed(bytesOf(content));
  }
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

/** Sets the plugin up. `log` gets a line an event: `"warn: text mistake"`. */
export async function setUpWith(
  plugin: Plugin,
  files: FakeFiles,
): Promise<{ readonly mistakes: readonly string[]; readonly log: readonly string[] }> {
  const log: string[] = [];
  const engine = new Engine({
    log: (level, _event, { text, mistake }) =>
      void log.push([`${level}: ${text}`, mistake].filter((part) => part !== undefined).join(" | ")),
  });
  const { mistakes } = await setUp([plugin], engine, files, true);
  return { mistakes, log };
}
