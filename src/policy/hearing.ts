/**
 * One stage of one session put to the plugins: what is told, how much time is left, and what it has come to.
 */
import type { Dossier } from "./dossier.ts";
import type { Engine, Mode } from "./engine.ts";
import type { Layer } from "./layer.ts";
import type { Plugin } from "./plugin.ts";
import type { Parts } from "./question.ts";
import { type Stage, STAGES, type Stages } from "./stages.ts";
import { type Refusal, severity } from "./verdict.ts";

/** What plugins have said of a stage so far. */
export interface Ruling {
  /** The strictest refusal, and whose it is. */
  verdict: Refusal | undefined;
  by: string | undefined;
  /** That plugin's place in the policy. */
  order: number;
  /** Milliseconds that the client is to wait for its answer. */
  delay: number;
  accepted: boolean;
}

/** Time that does not count, since somebody listens to the client's silence. */
interface Pause {
  /** How many listen. */
  listeners: number;
  /** When the first of them began. */
  since: number;
  /** Milliseconds that have been listened to before. */
  past: number;
}

/** What a hearing beside another is made with. */
interface Beside {
  readonly mode: Mode;
  readonly layer: Layer;
}

export class Hearing {
  readonly engine: Engine;
  readonly dossier: Dossier;
  readonly stage: Stage;
  readonly facts: Stages[Stage];
  readonly mode: Mode;
  /** Where what is found out and owed is kept. */
  readonly layer: Layer;
  /** The engine's clock, as of the last answer: reading it costs as much as asking a plugin. */
  now: number;
  /** Undefined while nobody has said anything. */
  ruling: Ruling | undefined;
  readonly #began: number;
  #pause: Pause | undefined;
  /** The hearing that this is a branch of. */
  #around: Hearing | undefined;
  /** The hearing beside which this is a shadow's: what that comes to is done. */
  #counts: Hearing | undefined;
  /** Told when the stage has come to its end; null: it has. */
  #waiting: (() => void)[] | null | undefined;

  constructor(
    engine: Engine,
    dossier: Dossier,
    stage: Stage,
    facts: Stages[Stage],
    beside?: Beside,
  ) {
    this.engine = engine;
    this.dossier = dossier;
    this.stage = stage;
    this.facts = facts;
    this.mode = beside === undefined ? "enforce" : beside.mode;
    this.layer = beside === undefined ? dossier.scopes.of(stage) : beside.layer;
    this.now = this.#began = engine.clock();
  }

  /** Milliseconds that are left of the stage's time. */
  left(now: number): number {
    const left = this.engine.deadlines[this.stage] - (now - this.#whole.#began);
    return this.#pause === undefined ? left : left + paused(this.#pause, now);
  }

  /** Somebody begins to listen to the client's silence: the clock stands still meanwhile. */
  listens(now: number): void {
    const pause = this.#pause ??= { listeners: 0, since: now, past: 0 };
    if (pause.listeners++ === 0) pause.since = now;
  }

  /** Of who has listened. */
  listened(now: number): void {
    const pause = this.#pause!;
    if (--pause.listeners === 0) pause.past += now - pause.since;
  }

  /** True: nobody else need be asked. */
  get settled(): boolean {
    const { ruling } = this;
    return ruling !== undefined &&
      (ruling.accepted || ruling.verdict?.kind === "reject" || ruling.verdict?.kind === "disconnect");
  }

  /** A hearing within this one, with its time and a ruling of its own. */
  branch(): Hearing {
    const { engine, dossier, stage, facts } = this;
    const branch = new Hearing(engine, dossier, stage, facts, this);
    branch.#around = this.#whole;
    branch.#pause = this.#pause && { ...this.#pause };
    return branch;
  }

  /** A hearing beside this one, with a time of its own, that changes nothing. */
  shadow(facts: Stages[Stage], layer: Layer): Hearing {
    const shadow = new Hearing(this.engine, this.dossier, this.stage, facts, { mode: "shadow", layer });
    shadow.#counts = this.#whole.#counts ?? this.#whole;
    return shadow;
  }

  get #whole(): Hearing {
    return this.#around ?? this;
  }

  /** Of a shadow: calls with what the stage has come to, now or as soon as it is known: `"pass"`, or its refusal's kind. */
  whenRuled(callback: (did: string) => void): void {
    const counts = this.#counts!;
    const call = () => callback(counts.ruling?.verdict?.kind ?? "pass");
    if (counts.#waiting === null) call();
    else (counts.#waiting ??= []).push(call);
  }

  /** The stage has come to its end. */
  ruled(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting) { for (const call of waiting) call(); }
  }

  /** A branch has come to its end; of several, the longest pause counts. */
  join(branch: Hearing): void {
    if (branch.ruling !== undefined) this.add(branch.ruling);
    this.now = Math.max(this.now, branch.now);
    const own = this.#pause?.past ?? 0;
    const past = branch.#pause?.past ?? 0;
    if (past > own) this.#pause = { listeners: 0, since: 0, past };
  }

  /** What was said in a part of it counts. */
  add({ verdict, by, order, delay, accepted }: Ruling): void {
    if (verdict !== undefined) this.decide(verdict, by!, order);
    const own = this.#rule();
    own.delay = Math.max(own.delay, delay);
    own.accepted ||= accepted;
  }

  #rule(): Ruling {
    return this.ruling ??= {
      verdict: undefined,
      by: undefined,
      order: Infinity,
      delay: 0,
      accepted: false,
    };
  }

  /** @param order the plugin's place in the policy: of two equally strict verdicts the earlier one's counts */
  decide(verdict: Refusal, by: string, order: number): void {
    const ruling = this.#rule();
    const before = ruling.verdict === undefined ? -1 : severity(ruling.verdict);
    const after = severity(verdict);
    if (after < before || (after === before && order >= ruling.order)) return;
    // A copy, since it may be held until RCPT: some use one object for all sessions, and change its text each time.
    ruling.verdict = { ...verdict };
    ruling.by = by;
    ruling.order = order;
  }

  take(plugin: Plugin, order: number, parts: Parts): void {
    for (const part of parts) {
      switch (part.kind) {
        case "accept":
          this.#rule().accepted = true;
          break;
        case "delay": {
          const ruling = this.#rule();
          ruling.delay = Math.max(ruling.delay, part.ms);
          break;
        }
        case "defer":
        case "reject":
        case "disconnect":
          this.decide(part, plugin.name, order);
          break;
        case "note":
          this.#note(plugin, `${part.name}=${part.value}`);
          continue;
        case "route":
          this.layer.send(part.target, { stage: STAGES.indexOf(this.stage), order, plugin: plugin.name });
          continue;
        default:
          this.layer.take(part, plugin, this.mode, order);
          continue;
      }
      this.engine.verdict(plugin.name, this.stage, this.mode, part.kind);
      this.#note(plugin, part.kind);
    }
  }

  #note(plugin: Plugin, said: Parameters<Dossier["note"]>[0]["said"]): void {
    this.dossier.note({ stage: this.stage, plugin: plugin.name, mode: this.mode, said });
  }
}

function paused({ listeners, since, past }: Pause, now: number): number {
  return listeners === 0 ? past : past + now - since;
}
