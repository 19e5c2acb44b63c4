/**
 * What a transcript is played in: effects made of plain data, plugins set up, a backend, and what is looked at when all
 * is over.
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { Dns, Store } from "../policy/effects.ts";
import type { Asked, Effects } from "../policy/engine.ts";
import { type SetUp, setUp } from "../policy/set_up.ts";
import type { Settings } from "../policy/settings.ts";
import { memoryStore } from "../store/memory.ts";
import { type DnsMap, dnsOf } from "./dns.ts";
import { fetchOf } from "./fetch.ts";
import { FakeFiles } from "./files.ts";
import { breakable, type Outages } from "./outage.ts";
import { type Played, played } from "./played.ts";
import type { Direction } from "./player.ts";
import { Receiver } from "./receiver.ts";
import { answersOf } from "./replies.ts";
import { type Entry, EXTENSIONS, Scene } from "./scene.ts";
import { FakeTimers } from "./timers.ts";
import type { TranscriptOptions } from "./transcript.ts";

/** What stage directions of one's own can do. */
export interface Backstage {
  readonly store: Store;
  readonly local: Store;
  /**
   * Replaces a file, as an operator does; an Error in its place is a file that cannot be read any more.
   * @throws Error where no plugin has read it
   */
  write(path: string, content: string | Uint8Array | Error): void;
  /** Milliseconds since 1970. */
  now(): number;
}

const MONDAY = Date.UTC(2026, 2, 2, 9);
/** Milliseconds of real time for effects that end by themselves. */
const PATIENCE = 1_000;

export class Theatre {
  readonly scene: Scene;
  readonly #options: TranscriptOptions;
  readonly #timers = new FakeTimers();
  readonly #files: FakeFiles;
  readonly #outages: Outages = { store: false, dns: false, web: false };
  readonly #dns: Dns & { readonly questions?: readonly string[] };
  readonly #fetch;
  readonly #store: Store;
  readonly #local: Store;
  readonly #receiver: Receiver;
  readonly #asked: Asked[] = [];
  readonly #now: () => number;
  #setUp: SetUp | undefined;

  /** @param leg the transcript shows what the backend says */
  constructor(settings: Settings, options: TranscriptOptions, leg: boolean) {
    this.#options = options;
    const begin = timeOf(options.now ?? MONDAY) - this.#timers.now;
    const now = this.#now = () => begin + this.#timers.now;
    this.#files = new FakeFiles(options.files ?? {});
    this.#dns = options.dns === undefined ? NO_DNS : isDns(options.dns) ? options.dns : dnsOf(options.dns);
    this.#fetch = fetchOf(options.fetch ?? {});
    this.#store = options.store ?? memoryStore({ now });
    this.#local = memoryStore({ now });
    const extensions = options.extensions ?? EXTENSIONS;
    this.#receiver = new Receiver({ extensions, answer: answersOf(options.backend ?? {}) });
    this.scene = new Scene({
      ...settings,
      greeting: "ESMTP Sallyport",
      listener: settings.listen[0]?.name,
      backends: settings.backends.map(({ name }) => name),
      pools: Object.fromEntries(
        Object.entries(settings.pools).map(([name, backends]) => [name, backends.map(({ name }) => name)]),
      ),
      routes: settings.routes,
      // Looks would be connections that no line of the transcript has brought about.
      health: undefined,
      tls: options.tls ?? settings.tls !== undefined,
      effects: this.#effects(),
      asked: (asked) => void this.#asked.push(asked),
      user: options.user,
      extensions,
      client: options.client,
      empty: true,
    }, this.#timers);
    if (!leg) this.scene.onDial = (dial) => this.#receiver.meet(dial);
  }

  #effects(): Effects {
    return breakable({
      dns: this.#dns,
      store: this.#store,
      local: this.#local,
      fetch: this.#fetch,
      now: this.#now,
      random: this.#options.random ?? (() => 0.5),
    }, this.#outages);
  }

  /** What `(…)` can say here besides what it always can. */
  get directions(): Readonly<Record<string, Direction>> {
    const outages = (["store", "DNS", "web"] as const).flatMap((what): [string, Direction][] => {
      const set = (away: boolean) => () => void (this.#outages[OUTAGES[what]] = away);
      return [[`the ${what} is away`, set(true)], [`the ${what} is back`, set(false)]];
    });
    const backstage: Backstage = {
      store: this.#store,
      local: this.#local,
      write: (path, content) => this.#files.write(path, content),
      now: this.#now,
    };
    const own = Object.entries(this.#options.directions ?? {}).map(([words, act]): [string, Direction] => {
      return [words, async () => void await act(backstage)];
    });
    return Object.fromEntries([...outages, ...own]);
  }

  /** Sets the plugins up; then the client comes. */
  async open(): Promise<void> {
    const { chain } = this.scene;
    this.#setUp = await setUp(chain.plugins, chain.engine, this.#files, true, chain.shadowed);
    const { mistakes } = this.#setUp;
    if (mistakes.length > 0) throw new Error(`Cannot set the plugins up: ${mistakes.join("; ")}`);
    await this.scene.rest();
    this.scene.call();
  }

  /** @throws Error where a plugin has crashed and nobody said that it may */
  async close(): Promise<Played> {
    this.#setUp?.stop();
    await within(PATIENCE, this.scene.chain.settled());
    if (this.#options.mayCrash !== true) mustNotCrash(this.scene.log, this.#asked);
    return played(this.scene, {
      asked: this.#asked,
      mails: this.#receiver.mails,
      store: this.#store,
      local: this.#local,
      questions: this.#dns.questions ?? [],
      requests: this.#fetch.requests,
      now: this.#now(),
    });
  }
}

const OUTAGES = { store: "store", DNS: "dns", web: "web" } as const;

/** Not a DnsError: what a test forgot is no temporary failure. */
const NO_DNS: Dns = {
  resolve: (name, type) =>
    Promise.reject(new Error(`Cannot look up ${type} of ${name}: the test gives no DNS (options.dns)`)),
};

function isDns(given: DnsMap | Dns): given is Dns {
  return typeof given["resolve"] === "function";
}

function timeOf(given: string | number): number {
  const time = typeof given === "number" ? given : Date.parse(given);
  if (Number.isFinite(time)) return time;
  throw new TypeError(
    `Cannot begin at ${JSON.stringify(given)}: allowed is a date, as in "2026-03-02T09:00:00Z"`,
  );
}

function mustNotCrash(log: readonly Entry[], asked: readonly Asked[]): void {
  const crash = log.find(({ event, fields }) => event === "plugin failed" && fields["kind"] === "crash");
  if (crash === undefined) return;
  const { plugin, stage, cause } = crash.fields;
  const thrown = asked.find((each) => each.failure?.kind === "crash" && each.plugin === plugin)?.failure
    ?.cause;
  const text = thrown instanceof Error ? thrown.stack ?? thrown.message : cause;
  throw new Error(`${plugin} has crashed at ${stage} (mayCrash: true would allow it): ${text}`, {
    cause: thrown,
  });
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}
