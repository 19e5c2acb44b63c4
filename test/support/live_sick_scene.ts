// One scene with sick backends: the proxy as a process, many clients, and the books at its end.
import process from "node:process";
import { eventually } from "./blackbox_wait.ts";
import { serverPort } from "./live_children.ts";
import { type LiveProxy, startLiveProxy } from "./live_proxy.ts";
import { disagreements } from "./live_sick_books.ts";
import { Load } from "./live_sick_load.ts";
import type { SessionOptions } from "./live_soak_load.ts";

export interface SceneOptions extends SessionOptions {
  readonly cwd: string;
  readonly backends: readonly number[];
  /** What the backends hold: lines `R ID SIZE SHA1 PROXY-ID`. */
  readonly records: () => readonly string[];
  /** Sessions at a time. */
  readonly width: number;
  /** A policy of the scene's own; `pass.ts` where none is given. */
  readonly policyFile?: string;
}

/** Longer than a backend that is stopped for a while keeps anybody waiting. */
const PATIENCE = 60_000;

export class SickScene {
  readonly load: Load;
  readonly #proxy: LiveProxy;
  readonly #admin: number;
  readonly #records: () => readonly string[];
  /** What was there before. */
  readonly #old: ReadonlySet<string>;

  private constructor(proxy: LiveProxy, admin: number, options: SceneOptions) {
    this.#proxy = proxy;
    this.#admin = admin;
    this.#records = options.records;
    this.#old = new Set(options.records());
    this.load = new Load(proxy.port, options.width, options);
  }

  static async begin(options: SceneOptions): Promise<SickScene> {
    const { cwd, backends, policyFile } = options;
    const admin = await serverPort();
    const proxy = await startLiveProxy({
      cwd,
      runtime: process.env.SALLYPORT_SICK_RUNTIME === "Deno" ? "Deno" : "Bun",
      ...(policyFile === undefined ? {} : { policyFile }),
      backend: backends.map((port) => `127.0.0.1:${port}`).join(","),
      env: { SALLYPORT_ADMIN: `127.0.0.1:${admin}` },
    });
    return new SickScene(proxy, admin, options);
  }

  get port(): number {
    return this.#proxy.port;
  }

  get log(): string {
    return this.#proxy.process.stdout;
  }

  /** What the backends took in this scene. */
  get taken(): readonly string[] {
    return this.#records().filter((record) => !this.#old.has(record));
  }

  /** Messages that a backend has taken and did not live to say so, as far as the log knows. */
  get takenUnsaid(): number {
    const lines = this.log.split("\n").filter((line) => line.includes('"event":"ambiguous"'));
    const ambiguous = new Set(lines.map((line) => (JSON.parse(line) as { id: string }).id));
    return this.taken.filter((record) => ambiguous.has(record.trim().split(" ")[4]!)).length;
  }

  /** Ends load and proxy. @returns what does not agree */
  async end(): Promise<string[]> {
    const finished = await this.load.end(PATIENCE);
    let metrics = "";
    const quiet = async () => /^sallyport_open_sessions 0$/m.test(metrics = await this.#metrics());
    const left = await eventually(quiet, 20_000);
    await this.#proxy.process.stop("SIGTERM", 30_000);
    return [
      ...finished ? [] : ["a client still waits for an answer"],
      ...left ? [] : ["a session is still open"],
      ...this.#proxy.process.stderr === "" ? [] : [`standard error: ${this.#proxy.process.stderr}`],
      ...disagreements({ attempts: this.load.attempts, records: this.taken, log: this.log, metrics }),
    ];
  }

  /** For the end of a scene that broke off. */
  async abort(): Promise<void> {
    await this.#proxy.process.stop();
    await this.load.end(1000);
  }

  async #metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#admin}/metrics`)).text();
  }
}
