/**
 * The certificates that are served, exchanged without a restart when their files change. What cannot be used changes
 * nothing: the old ones are served on, and the log says why. Sessions keep what they began with.
 */
import type { TlsServerOptions } from "../net/wire.ts";
import type { TlsSettings } from "../policy/tls_settings.ts";
import { readTls, tlsMark, type TlsRead } from "./tls_files.ts";

/** Milliseconds between two looks. */
const LOOK = 2_000;
/** Milliseconds between two reminders of a certificate that ends soon. */
const REMIND = 86_400_000;

/** Whom it tells. */
export interface TlsLog {
  info(event: string, fields: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields: Readonly<Record<string, unknown>>): void;
}

export class ServedTls {
  readonly #settings: TlsSettings;
  readonly #log: TlsLog;
  #service: TlsServerOptions;
  /** The files as they were when they were last read. */
  #mark: string;
  /** Changed since, and found wanting once: half of a pair may just be on its way. */
  #doubted: string | undefined = undefined;
  #reminded = Date.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> | undefined = undefined;

  /** @param mark of the files before `service` was read from them */
  constructor(settings: TlsSettings, service: TlsServerOptions, mark: string, log: TlsLog) {
    this.#settings = settings;
    this.#service = service;
    this.#mark = mark;
    this.#log = log;
  }

  /** What the next handshake gets. */
  readonly current = (): TlsServerOptions => this.#service;

  /** Looks at the files from now on. */
  watch(every = LOOK): void {
    this.#timer = setTimeout(async () => {
      await this.look();
      if (this.#timer !== undefined) this.watch(every);
    }, every);
    (this.#timer as { unref?(): void }).unref?.();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @param asked somebody wants to know: what is wrong is told at once, and again */
  look(asked = false): Promise<void> {
    const work = (this.#looking ?? Promise.resolve()).then(() => this.#look(asked));
    this.#looking = work.catch(() => {});
    return work;
  }

  async #look(asked: boolean): Promise<void> {
    const mark = await tlsMark(this.#settings);
    if (mark === this.#mark && !asked) return this.#remind();
    const read = await readTls(this.#settings);
    if (read.service === undefined && !asked && this.#doubted !== mark) {
      this.#doubted = mark;
      return;
    }
    this.#doubted = undefined;
    this.#mark = mark;
    if (read.service === undefined) this.#refuse(read.mistakes);
    else if (!same(read.service, this.#service)) this.#take(read.service, read);
  }

  #take(service: TlsServerOptions, { warnings }: TlsRead): void {
    this.#service = service;
    this.#log.info("certificates", {
      text: "read anew, for handshakes from now on",
      pairs: service.certificates.length,
    });
    this.#warn(warnings);
  }

  #refuse(mistakes: readonly string[]): void {
    this.#log.warn("certificates", {
      text: "the new ones cannot be used, the old ones are served on",
      mistakes,
    });
  }

  #remind(): void {
    if (Date.now() - this.#reminded < REMIND) return;
    void readTls(this.#settings).then(({ warnings }) => this.#warn(warnings));
  }

  #warn(warnings: readonly string[]): void {
    this.#reminded = Date.now();
    for (const text of warnings) this.#log.warn("notice", { text });
  }
}

function same(a: TlsServerOptions, b: TlsServerOptions): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
