/**
 * What all questions to plugins share: the effects, the clock, the circuits, what is counted and who is told.
 */
import type { Action } from "./action.ts";
import { Circuit } from "./circuit.ts";
import { type Dns, DnsError, type Io, type LogFields, type Store, StoreError } from "./effects.ts";
import { causeText, type FailureKind, Unavailable } from "./failure.ts";
import { type Counter, type Distribution, type Histogram, Metrics } from "./metrics.ts";
import type { Plugin } from "./plugin.ts";
import { shadowed } from "./shadow_store.ts";
import type { Stage } from "./stages.ts";
import type { Verdict } from "./verdict.ts";

/** The effects of a running program, or of a test. */
export interface Effects extends Pick<Io, "dns" | "store" | "local" | "fetch" | "now" | "random"> {}

/** Whether a plugin's opinion counts. */
export type Mode = "enforce" | "shadow";

/** What a question came to; for `explain` and traces. */
export interface Asked {
  readonly id: string;
  readonly plugin: string;
  readonly stage: Stage;
  readonly mode: Mode;
  readonly parts: readonly (Verdict | Action)[];
  readonly failure: { readonly kind: FailureKind; readonly cause: unknown } | undefined;
  readonly ms: number;
}

/** Runs `callback` once `ms` milliseconds have passed, unless what it returns is called before. */
export type After = (ms: number, callback: () => void) => () => void;

/** By the runtime's own timer. */
export function timer(ms: number, callback: () => void): () => void {
  const running = setTimeout(callback, ms);
  return () => clearTimeout(running);
}

/** Milliseconds that the plugins of one stage have together. */
export type Deadlines = Readonly<Record<Stage, number>>;

/** What an engine is made with; everything has a default. */
export interface EngineOptions {
  readonly effects?: Partial<Effects>;
  readonly deadlines?: Deadlines;
  readonly after?: After;
  /** Measures what clients are let wait; as `after` unless given. */
  readonly wait?: After;
  /** Milliseconds that only ever grow: what `after` goes by. */
  readonly clock?: () => number;
  readonly metrics?: Metrics;
  /** Lines for the log. */
  readonly log?: (level: "info" | "warn", event: string, fields: LogFields) => void;
  /** Told of every question. */
  readonly asked?: (asked: Asked) => void;
  /** The names of the policy's pools; where none are given any name will do. */
  readonly pools?: ReadonlySet<string>;
}

/** What the engine keeps of one plugin. */
export interface PluginRecord {
  readonly circuit: Circuit;
  /** How long it takes, by stage. */
  readonly seconds: { [S in Stage]?: Distribution };
}

export const DEADLINES: Deadlines = {
  connect: 5_000,
  helo: 5_000,
  mail: 5_000,
  rcpt: 5_000,
  data: 5_000,
  message: 30_000,
};

/** A handler that holds the event loop for longer than this is a fault, whatever it says (milliseconds). */
const BLOCKING = 200;

export class Engine {
  readonly effects: Effects;
  /** Where shadowed plugins store. */
  readonly shadowEffects: Effects;
  readonly deadlines: Deadlines;
  readonly after: After;
  readonly wait: After;
  readonly clock: () => number;
  readonly metrics: Metrics;
  readonly log: (level: "info" | "warn", event: string, fields: LogFields) => void;
  readonly asked: ((asked: Asked) => void) | undefined;
  readonly pools: ReadonlySet<string> | undefined;
  readonly #records = new Map<string, PluginRecord>();
  readonly #counters = new Map<string, Counter>();
  readonly #verdicts;
  readonly #failures;
  readonly #seconds: Histogram;
  readonly #shadow;

  constructor(options: EngineOptions = {}) {
    const effects = { ...ABSENT, ...options.effects };
    this.effects = { ...effects, fetch: reaching(effects.fetch) };
    this.shadowEffects = {
      ...this.effects,
      store: shadowed(this.effects.store),
      local: shadowed(this.effects.local),
    };
    this.deadlines = options.deadlines ?? DEADLINES;
    this.after = options.after ?? timer;
    this.wait = options.wait ?? this.after;
    this.clock = options.clock ?? (() => performance.now());
    this.log = options.log ?? (() => {});
    this.asked = options.asked;
    this.pools = options.pools;
    const metrics = this.metrics = options.metrics ?? new Metrics();
    this.#verdicts = metrics.counter("sallyport_verdicts_total", "Verdicts of plugins.", [
      "plugin",
      "stage",
      "mode",
      "verdict",
    ]);
    this.#failures = metrics.counter("sallyport_plugin_failures_total", "Failures of plugins.", [
      "plugin",
      "stage",
      "kind",
    ]);
    this.#seconds = metrics.histogram("sallyport_plugin_seconds", "Time that plugins take.", [
      "plugin",
      "stage",
    ]);
    this.#shadow = metrics.counter(
      "sallyport_shadow_differences_total",
      "Stages that shadowed rules would have ended otherwise.",
      ["plugin", "stage", "would", "did"],
    );
    metrics.reading(
      "gauge",
      "sallyport_circuit_open",
      "1 where a plugin is not asked since it keeps failing.",
      () =>
        [...this.#records].map(([plugin, { circuit }]) => ({
          labels: { plugin },
          value: circuit.open ? 1 : 0,
        })),
    );
  }

  record(plugin: string): PluginRecord {
    let record = this.#records.get(plugin);
    if (record === undefined) this.#records.set(plugin, record = { circuit: new Circuit(), seconds: {} });
    return record;
  }

  /**
   * A plugin has answered, in `ms` milliseconds.
   * @param held without letting go of the event loop
   * @param trial it was asked to see whether its circuit can be closed
   */
  succeeded(
    { name }: Plugin,
    record: PluginRecord,
    stage: Stage,
    ms: number,
    held: boolean,
    trial: boolean,
  ): void {
    (record.seconds[stage] ??= this.#seconds.of(name, stage)).observe(ms / 1000);
    if (held && ms > BLOCKING) {
      this.log("warn", "plugin blocks", { plugin: name, stage, ms: Math.round(ms) });
      this.#failures.add(name, stage, "blocks");
      return this.#tripped(name, trial);
    }
    if (record.circuit.succeeded()) this.log("info", "circuit closed", { plugin: name });
  }

  /**
   * @param counts false: the failure says nothing of the plugin, and its circuit does not hear of it
   * @param trial it was asked to see whether its circuit can be closed
   */
  failed(
    plugin: Plugin,
    stage: string,
    id: string,
    failure: { readonly kind: FailureKind; readonly cause: unknown },
    { counts, trial }: { readonly counts: boolean; readonly trial: boolean },
  ): void {
    const { kind, cause } = failure;
    this.#failures.add(plugin.name, stage, kind);
    this.log("warn", "plugin failed", { id, plugin: plugin.name, stage, kind, cause: causeText(cause) });
    if (counts) this.#tripped(plugin.name, trial);
    else if (trial) this.record(plugin.name).circuit.dropped();
  }

  #tripped(plugin: string, trial: boolean): void {
    if (!this.record(plugin).circuit.failed(this.clock(), trial)) return;
    this.log("warn", "circuit open", { plugin, text: "it keeps failing, and is not asked for a while" });
  }

  verdict(plugin: string, stage: Stage, mode: Mode, kind: Verdict["kind"]): void {
    this.#verdicts.add(plugin, stage, mode, kind);
  }

  /** What shadowed rules would have done, beside what was done. */
  difference(plugin: string, stage: Stage, would: string, did: string): void {
    this.#shadow.add(plugin, stage, would, did);
  }

  /** The labels of a metric are those of its first count: others are left out, missing ones are empty. */
  count(plugin: string, name: string, labels: Readonly<Record<string, string>> = NO_LABELS): void {
    let counter = this.#counters.get(name);
    if (counter === undefined) this.#counters.set(name, counter = this.#newCounter(name, labels));
    const { labels: names } = counter;
    if (names.length === 1) return counter.add(plugin);
    if (names.length === 2) return counter.add(plugin, labelOf(name, names[1]!, labels));
    counter.add(plugin, ...names.slice(1).map((label) => labelOf(name, label, labels)));
  }

  #newCounter(name: string, labels: Readonly<Record<string, string>>): Counter {
    const names = Object.keys(labels);
    const wrong = [name, ...names].find((each) => !/^[a-z][a-z0-9_]*$/.test(each) || each === "plugin");
    if (wrong !== undefined || RESERVED.includes(name)) {
      throw new TypeError(
        `Cannot count ${
          JSON.stringify(wrong ?? name)
        }: allowed are lower case words with underscores, but not ` +
          ["plugin", ...RESERVED].join(", "),
      );
    }
    if (this.#counters.size >= MOST_COUNTERS) {
      throw new TypeError(
        `Cannot count ${name}: there are ${MOST_COUNTERS} counts already, as many as are allowed; ` +
          "what there are many of belongs into a label",
      );
    }
    const metric = `sallyport_plugin_${name}_total`;
    const help = "A plugin's own count; its page (docs/plugins) says of what.";
    return this.metrics.counter(metric, help, ["plugin", ...names]);
  }
}

const NO_LABELS: Readonly<Record<string, string>> = {};

/** Names of plugins' own counts, of all of them together: one that makes names of what clients say would have no end. */
const MOST_COUNTERS = 500;

/** Whatever a plugin gives: what is no text would only be found out when the metrics are read, all of them. */
function labelOf(name: string, label: string, labels: Readonly<Record<string, unknown>>): string {
  const given = labels[label] ?? "";
  if (typeof given === "string") return given;
  if (typeof given === "number" || typeof given === "boolean") return String(given);
  throw new TypeError(
    `Cannot count ${name}: label ${label} is ${typeof given}; allowed are text and numbers`,
  );
}

/** The engine's own metric of plugins. */
const RESERVED: readonly string[] = ["failures"];

/** A server that cannot be reached is a temporary failure, as it is with the DNS and the store. */
function reaching(fetch: Io["fetch"]): Io["fetch"] {
  return async (url, init) => {
    try {
      return await fetch(url, init);
    } catch (cause) {
      if (!(cause instanceof TypeError) || !URL.canParse(String(url))) throw cause;
      throw new Unavailable(`Cannot fetch from ${new URL(url).host}: ${cause.message}`, { cause });
    }
  };
}

const noDns: Dns = {
  resolve: (name, type) =>
    Promise.reject(new DnsError("EREFUSED", `${type} of ${name}`, "there is no DNS here")),
};

function absent(): Promise<never> {
  return Promise.reject(new StoreError("ask the store", "there is none here"));
}

const noStore: Store = {
  get: absent,
  set: absent,
  delete: absent,
  count: absent,
  draw: absent,
  refund: absent,
  greylist: absent,
  greylistPass: absent,
  lease: absent,
  release: absent,
  close: () => Promise.resolve(),
};

/** Where nothing else is given, nothing can be done. */
const ABSENT: Effects = {
  dns: noDns,
  store: noStore,
  local: noStore,
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  random: () => Math.random(),
};
