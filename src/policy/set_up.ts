/**
 * What plugins do once, before any session: read their files, begin their jobs.
 */
import type { Io, Live, Setup } from "./effects.ts";
import { ListError } from "./effects.ts";
import type { Engine } from "./engine.ts";
import { causeText } from "./failure.ts";
import type { Plugin } from "./plugin.ts";
import { pluginLog } from "./plugin_log.ts";

/** Where files come from. */
export interface Files {
  /** @throws where it cannot be read */
  read(path: string): Promise<Uint8Array>;
  /**
   * Calls with the new content whenever it has changed; with an Error where it cannot be read any more.
   * @param changed answers whether the content was taken
   */
  watch(path: string, changed: (content: Uint8Array | Error) => boolean): void;
}

/** What setting up has brought. */
export interface SetUp {
  /** A line a mistake: the plugin, the place, what was given, what is allowed. */
  readonly mistakes: readonly string[];
  /** Ends the jobs. */
  stop(): void;
}

/**
 * Sets all plugins up.
 * @param running false: nothing but the files is looked at (`check`)
 * @param shadowed those whose jobs store apart
 */
export async function setUp(
  plugins: readonly Plugin[],
  engine: Engine,
  files: Files,
  running: boolean,
  shadowed: ReadonlySet<Plugin> = new Set(),
): Promise<SetUp> {
  const stops: (() => void)[] = [];
  const mistakes = await Promise.all(plugins.map(async (plugin): Promise<string[]> => {
    if (plugin.setup === undefined) return [];
    const reads: Promise<unknown>[] = [];
    const setup: Setup = {
      io: ioOf(engine, plugin, shadowed.has(plugin)),
      file(path, read) {
        const file = live(path, read, { engine, plugin, files, running });
        reads.push(file);
        return file;
      },
      every: (ms, work) => void (running && stops.push(job(ms, work, engine, plugin))),
    };
    const causes: unknown[] = [];
    try {
      await plugin.setup(setup);
    } catch (cause) {
      causes.push(cause);
    }
    return (await allLines(reads, causes)).map((line) => `${plugin.name}: ${line}`);
  }));
  return { mistakes: mistakes.flat(), stop: () => stops.forEach((stop) => stop()) };
}

/**
 * What is wrong with all files that were asked for, and else: a plugin that asks for them together hears of the first alone, and
 * one that does not wait for a file of none.
 */
async function allLines(
  reads: readonly Promise<unknown>[],
  causes: readonly unknown[],
): Promise<readonly string[]> {
  const ofReads = (await Promise.allSettled(reads)).flatMap((read) =>
    read.status === "rejected" ? [read.reason as unknown] : []
  );
  return [...new Set([...ofReads, ...causes].flatMap(linesOf))];
}

function linesOf(cause: unknown): readonly string[] {
  if (cause instanceof ListError) return cause.mistakes;
  return [causeText(cause)];
}

function ioOf(engine: Engine, plugin: Plugin, shadowed: boolean): Omit<Io, "signal" | "late"> {
  return {
    ...(shadowed ? engine.shadowEffects : engine.effects),
    after: engine.after,
    log: pluginLog(engine, plugin),
    count: (name, labels) => engine.count(plugin.name, name, labels),
  };
}

interface LiveTerms {
  readonly engine: Engine;
  readonly plugin: Plugin;
  readonly files: Files;
  readonly running: boolean;
}

async function live<T>(
  path: string,
  read: (bytes: Uint8Array, path: string) => T,
  { engine, plugin, files, running }: LiveTerms,
): Promise<Live<T>> {
  let content: Uint8Array;
  try {
    content = await files.read(path);
  } catch (cause) {
    throw new ListError([`Cannot read ${path}: ${linesOf(cause)[0]}`]);
  }
  const current = { value: read(content, path) };
  if (!running) return current;
  const log = pluginLog(engine, plugin);
  files.watch(path, (changed) => {
    try {
      if (changed instanceof Error) throw changed;
      current.value = read(changed, path);
      log.info("file taken", { path });
      return true;
    } catch (cause) {
      engine.count(plugin.name, "file_refused");
      for (const line of linesOf(cause)) {
        log.warn("file not taken, the last one stays", { path, mistake: line });
      }
      return false;
    }
  });
  return current;
}

/** Runs now and then, one run at a time. */
function job(ms: number, work: () => Promise<void> | void, engine: Engine, plugin: Plugin): () => void {
  let stopped = false;
  let cancel: (() => void) | undefined;
  const run = async () => {
    try {
      await work();
    } catch (cause) {
      pluginLog(engine, plugin).warn("job failed", { cause: linesOf(cause)[0]! });
    }
    if (!stopped) cancel = engine.after(ms, () => void run());
  };
  void run();
  return () => {
    stopped = true;
    cancel?.();
  };
}
