/**
 * One plugin asked at one stage, and what it can do meanwhile. One of the two places where a fault is caught: what a
 * plugin does wrong (it throws, hangs, returns what is no opinion) costs what its `onError` says, and nothing else.
 */
import { type Action, readOpinion } from "./action.ts";
import type { ConnectIo, Dns } from "./effects.ts";
import type { Open } from "./dossier.ts";
import type { Engine, Mode, PluginRecord } from "./engine.ts";
import { costOf, type FailureKind, failureKind, isOfDns, opinionMistake } from "./failure.ts";
import type { Hearing } from "./hearing.ts";
import { PluginIo } from "./plugin_io.ts";
import type { Plugin } from "./plugin.ts";
import { routeMistake } from "./route_mistake.ts";
import { silenceMistake } from "./silence.ts";
import { defer, type Verdict } from "./verdict.ts";

/** What a handler's answer comes to. */
export type Parts = readonly (Verdict | Action)[];

const NO_PARTS: Parts = [];

/** What there is of a question that is not answered at once, or that asked for more than a moment's time. */
interface Wait {
  /** Undefined while the handler has not returned. */
  resolve: (() => void) | undefined;
  reject: ((cause: unknown) => void) | undefined;
  /** Stops the timer of its deadline. */
  cancel: (() => void) | undefined;
  abort: AbortController | undefined;
  /** Why the plugin need not go on. */
  stopped: Error | undefined;
  /** What ends the silences that are being listened to: the clock stands still meanwhile. */
  listening: readonly ((cause: Error) => void)[];
}

const NOTHING_HEARD: readonly never[] = [];

export class Question extends PluginIo implements ConnectIo, Open {
  readonly plugin: Plugin;
  readonly #hearing: Hearing;
  readonly #order: number;
  readonly #record: PluginRecord;
  readonly #began: number;
  /** Made when it is needed: most questions are answered at once. */
  #waiting: Wait | undefined;
  /** It is answered. */
  #over = false;
  /** It is asked to see whether its circuit can be closed. */
  #trial = false;
  /** The DNS was asked: a timeout may then be the doing of whoever owns the name. */
  #askedDns = false;

  /** @param order the plugin's place in the policy */
  constructor(hearing: Hearing, plugin: Plugin, order: number) {
    super();
    this.plugin = plugin;
    this.#order = order;
    this.#hearing = hearing;
    this.#record = hearing.engine.record(plugin.name);
    this.#began = hearing.now;
  }

  get engine(): Engine {
    return this.#hearing.engine;
  }

  get mode(): Mode {
    return this.#hearing.mode;
  }

  get id(): string {
    return this.#hearing.dossier.id;
  }

  /** Asks, and has the hearing take what is said. Only a plugin that waits makes it a promise. */
  ask(): void | Promise<void> {
    const parts = this.#ask();
    if (parts instanceof Promise) return parts;
    this.#end();
    this.#taken(parts);
  }

  #taken(parts: Parts): void {
    if (parts.length > 0) this.#hearing.take(this.plugin, this.#order, parts);
  }

  #ask(): Parts | Promise<void> {
    const { stage, facts } = this.#hearing;
    const { circuit } = this.#record;
    if (!circuit.admits(this.#began)) return this.#cost("temporary");
    this.#trial = circuit.open;
    if (this.#hearing.left(this.#began) <= 0) {
      return this.#failed("timeout", new Error("not asked: the stage's time was over"), false);
    }
    let opinion: unknown;
    try {
      const handler = this.plugin[stage] as (facts: unknown, io: ConnectIo) => unknown;
      opinion = handler(facts, this);
      if (typeof (opinion as PromiseLike<unknown> | undefined)?.then === "function") {
        return this.#wait(Promise.resolve(opinion));
      }
    } catch (cause) {
      return this.#failed(failureKind(cause), cause);
    }
    return this.#answered(opinion, true);
  }

  get #wants(): Wait {
    return this.#waiting ??= {
      resolve: undefined,
      reject: undefined,
      cancel: undefined,
      abort: undefined,
      stopped: undefined,
      listening: NOTHING_HEARD,
    };
  }

  /** The first of three counts: the plugin answers, its time is over, its client leaves. */
  #wait(opinion: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const wait = this.#wants;
      wait.resolve = resolve;
      wait.reject = reject;
      this.#hearing.dossier.open.add(this);
      this.#watch(wait);
      opinion.then(
        (given) => this.#over || this.#settle(wait, this.#answered(given, false)),
        (cause) => this.#over || this.#settle(wait, this.#failed(failureKind(cause), cause)),
      );
      if (this.#hearing.dossier.left) this.abandon();
    });
  }

  #watch(wait: Wait): void {
    if (wait.listening.length > 0 || this.#over || wait.resolve === undefined) return;
    const { engine, stage } = this.#hearing;
    wait.cancel = engine.after(Math.max(0, Math.ceil(this.#hearing.left(engine.clock()))), () => {
      const cause = new Error(`no verdict within ${engine.deadlines[stage]} ms`);
      this.#settle(wait, this.#failed("timeout", cause, !this.#askedDns));
      stop(wait, cause);
    });
  }

  abandon(): void {
    if (this.#over) return;
    if (this.#trial) this.#record.circuit.dropped();
    // Nobody said this, and nobody hears it. It is a refusal all the same: what nobody judged must not go on.
    this.#hearing.decide(defer("4.4.2", "The client has left"), this.plugin.name, this.#order);
    const wait = this.#wants;
    this.#settle(wait, NO_PARTS);
    stop(wait, new Error("the client has left"));
  }

  /** It is answered. Whoever still listens to a silence holds up the clock no longer. */
  #end(): void {
    this.#over = true;
    const wait = this.#waiting;
    if (wait !== undefined && wait.listening.length > 0) this.#hearing.listened(this.engine.clock());
  }

  #settle(wait: Wait, parts: Parts): void {
    this.#end();
    wait.cancel?.();
    this.#hearing.dossier.open.delete(this);
    try {
      this.#taken(parts);
      wait.resolve?.();
    } catch (cause) {
      // A fault of our own: whoever waits must hear of it, or would wait for ever.
      wait.reject?.(cause);
    }
  }

  /** @param held without letting go of the event loop */
  #answered(opinion: unknown, held: boolean): Parts {
    let parts: Parts | undefined = NO_PARTS;
    if (opinion !== undefined) {
      try {
        parts = readOpinion(opinion);
      } catch (cause) {
        return this.#failed("crash", cause);
      }
      if (parts === undefined) {
        return this.#failed("crash", new TypeError(opinionMistake(opinion)));
      }
      const astray = routeMistake(parts, this.#hearing.stage, this.#hearing.engine.pools);
      if (astray !== undefined) return this.#failed("crash", new TypeError(astray));
    }
    const { engine, stage } = this.#hearing;
    const now = this.#hearing.now = engine.clock();
    const ms = now - this.#began;
    engine.succeeded(this.plugin, this.#record, stage, ms, held, this.#trial);
    if (engine.asked !== undefined) this.#tell(parts, undefined, ms);
    return parts;
  }

  /** @param counts false: it says nothing of the plugin */
  #failed(kind: FailureKind, cause: unknown, counts = !isOfDns(cause)): Parts {
    const { engine, stage, dossier } = this.#hearing;
    engine.failed(this.plugin, stage, dossier.id, { kind, cause }, { counts, trial: this.#trial });
    const parts = this.#cost(kind);
    const now = this.#hearing.now = engine.clock();
    if (engine.asked !== undefined) this.#tell(parts, { kind, cause }, now - this.#began);
    return parts;
  }

  #cost(kind: FailureKind): Parts {
    const cost = costOf(this.plugin.onError, kind);
    return cost === undefined ? NO_PARTS : [cost];
  }

  #tell(parts: Parts, failure: { kind: FailureKind; cause: unknown } | undefined, ms: number): void {
    const { engine, stage, dossier, mode } = this.#hearing;
    engine.asked!({ id: dossier.id, plugin: this.plugin.name, stage, mode, parts, failure, ms });
  }

  // ---- what the plugin can do besides ----

  override get dns(): Dns {
    this.#askedDns = true;
    return super.dns;
  }

  get signal(): AbortSignal {
    const wait = this.#wants;
    const abort = wait.abort ??= new AbortController();
    if (wait.stopped !== undefined && !abort.signal.aborted) abort.abort(wait.stopped);
    return abort.signal;
  }

  get greeted(): boolean {
    return this.#hearing.dossier.ears.greeted;
  }

  get late(): boolean {
    return this.#waiting?.stopped !== undefined;
  }

  get silence(): ConnectIo["silence"] {
    return (ms, teaser) => this.#silence(ms, teaser);
  }

  #silence(ms: number, teaser: string | undefined): Promise<boolean> {
    const mistake = silenceMistake(ms, teaser);
    if (mistake !== undefined) return Promise.reject(new TypeError(mistake));
    const { ears } = this.#hearing.dossier;
    if (ears.spoke) return Promise.resolve(false);
    // Nobody waits for a shadowed rule, nor for one that is over, so there is nothing to hear.
    if (this.#hearing.mode === "shadow" || ears.greeted || this.#over) return Promise.resolve(true);
    if (teaser !== undefined) ears.tease(teaser);
    const heard = this.#listen(ms);
    // Where the handler does not wait for it, its end is nobody's fault.
    heard.catch(() => {});
    return heard;
  }

  #listen(ms: number): Promise<boolean> {
    const { engine, dossier } = this.#hearing;
    const wait = this.#wants;
    if (wait.listening.length === 0) {
      wait.cancel?.();
      this.#hearing.listens(engine.clock());
    }
    return new Promise((resolve, reject) => {
      const end = () => {
        stopTimer();
        stopListening();
        wait.listening = wait.listening.filter((each) => each !== broken);
        if (wait.listening.length === 0 && !this.#over) this.#hearing.listened(engine.clock());
      };
      const heard = (silent: boolean) => {
        end();
        this.#watch(wait);
        resolve(silent);
      };
      const broken = (cause: Error) => {
        end();
        reject(cause);
      };
      wait.listening = [...wait.listening, broken];
      const stopTimer = engine.wait(ms, () => heard(true));
      const stopListening = dossier.ears.onSpeech(() => heard(false));
    });
  }
}

function stop(wait: Wait, cause: Error): void {
  wait.stopped = cause;
  for (const end of wait.listening) end(cause);
  wait.abort?.abort(cause);
}
