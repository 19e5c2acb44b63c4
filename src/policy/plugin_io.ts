/**
 * What a plugin can do, put together as it asks for it: most plugins use one thing or two.
 */
import type { Dns, Io, PluginLog, Store } from "./effects.ts";
import type { Effects, Engine, Mode } from "./engine.ts";
import type { Plugin } from "./plugin.ts";
import { pluginLog } from "./plugin_log.ts";

export abstract class PluginIo implements Io {
  abstract readonly engine: Engine;
  abstract readonly plugin: Plugin;
  abstract readonly mode: Mode;
  /** The session's reference. */
  abstract readonly id: string;

  abstract get signal(): AbortSignal;

  abstract get late(): boolean;

  get #effects(): Effects {
    return this.mode === "shadow" ? this.engine.shadowEffects : this.engine.effects;
  }

  get dns(): Dns {
    return this.#effects.dns;
  }

  get store(): Store {
    return this.#effects.store;
  }

  get local(): Store {
    return this.#effects.local;
  }

  get now(): Io["now"] {
    return this.#effects.now;
  }

  get random(): Io["random"] {
    return this.#effects.random;
  }

  get after(): Io["after"] {
    return this.engine.after;
  }

  get fetch(): Io["fetch"] {
    return (url, init) => {
      const own = init?.signal;
      const signal = own ? AbortSignal.any([this.signal, own]) : this.signal;
      return this.#effects.fetch(url, { ...init, signal });
    };
  }

  get log(): PluginLog {
    return pluginLog(this.engine, this.plugin, this.id);
  }

  get count(): Io["count"] {
    return (name, labels) => this.engine.count(this.plugin.name, name, labels);
  }
}

/** Milliseconds until the signal of what nobody waits for fires. */
const APART = 5_000;

/** Outside of a question: in effects that waited for an outcome, and as an observer. */
export class ApartIo extends PluginIo {
  readonly engine: Engine;
  readonly plugin: Plugin;
  readonly mode: Mode;
  readonly id: string;
  #signal: AbortSignal | undefined;

  constructor(engine: Engine, plugin: Plugin, mode: Mode, id: string) {
    super();
    this.engine = engine;
    this.plugin = plugin;
    this.mode = mode;
    this.id = id;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const abort = new AbortController();
      this.engine.after(APART, () => abort.abort(new Error(`no end within ${APART} ms`)));
      this.#signal = abort.signal;
    }
    return this.#signal;
  }

  get late(): boolean {
    return this.signal.aborted;
  }
}
