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

export class Hearing {
  readonly engine: Engine;
  readonly dossier: Dossier;
  readonly stage: Stage;
  readonly facts: Stages[Stage];
  readonly mode: Mode;
  /** The strictest refusal so far, and whose it is. */
  verdict: Refusal | undefined;
  by: string | undefined;
  /** Milliseconds that the client is to wait for its answer. */
  delay = 0;
  accepted = false;
  /** The engine's clock, as of the last answer: reading it costs as much as asking a plugin. */
  now: number;
  /** Where what is found out and owed is kept. */
  readonly layer: Layer;
  /** The hearing of the whole stage. */
  readonly #whole: Hearing;
  #ruled = false;
  /** Told when the stage has come to its end. */
  #waiting: (() => void)[] | undefined;
  #order = Infinity;
  /** When the stage's time began, and for how long it has stood still. */
  readonly #began: number;
  #paused: number;

  constructor(
    engine: Engine,
    dossier: Dossier,
    stage: Stage,
    facts: Stages[Stage],
    {
      mode = "enforce",
      layer = dossier.scopes.of(stage),
      now = engine.clock(),
      began = now,
      paused = 0,
      whole,
    }: {
      readonly mode?: Mode;
      readonly layer?: Layer;
      readonly now?: number;
      readonly began?: number;
      readonly paused?: number;
      readonly whole?: Hearing;
    } = {},
  ) {
    this.engine = engine;
    this.dossier = dossier;
    this.stage = stage;
    this.facts = facts;
    this.mode = mode;
    this.layer = layer;
    this.#whole = whole ?? this;
    this.now = now;
    this.#began = began;
    this.#paused = paused;
  }

  /** Milliseconds that are left of the stage's time. */
  left(now: number): number {
    return this.engine.deadlines[this.stage] + this.#paused - (now - this.#began);
  }

  /** So much of the time did not count. */
  pause(ms: number): void {
    this.#paused += ms;
  }

  /** True: nobody else need be asked. */
  get settled(): boolean {
    return this.accepted || this.verdict?.kind === "reject" || this.verdict?.kind === "disconnect";
  }

  /** A hearing within this one, with its time and a verdict of its own. */
  branch(): Hearing {
    const { mode, engine, dossier, stage, facts } = this;
    const layer = this.layer;
    return new Hearing(engine, dossier, stage, facts, {
      mode,
      layer,
      began: this.#began,
      paused: this.#paused,
    });
  }

  /** A hearing beside this one, with a time of its own, that changes nothing. */
  shadow(facts: Stages[Stage], layer: Layer): Hearing {
    return new Hearing(this.engine, this.dossier, this.stage, facts, { mode: "shadow", layer });
  }

  /** Calls with what the stage has come to, now or as soon as it is known: `"pass"`, or the kind of its refusal. */
  whenRuled(callback: (did: string) => void): void {
    const whole = this.#whole;
    const call = () => callback(whole.verdict?.kind ?? "pass");
    if (whole.#ruled) call();
    else (whole.#waiting ??= []).push(call);
  }

  /** The stage has come to its end. */
  ruled(): void {
    this.#ruled = true;
    for (const call of this.#waiting ?? []) call();
  }

  /** A branch has come to its end; of several, the longest pause counts. */
  join(branch: Hearing): void {
    if (branch.verdict !== undefined) this.decide(branch.verdict, branch.by!, branch.#order);
    this.delay = Math.max(this.delay, branch.delay);
    this.accepted ||= branch.accepted;
    this.now = Math.max(this.now, branch.now);
    this.#paused = Math.max(this.#paused, branch.#paused);
  }

  /** @param order the plugin's place in the policy: of two equally strict verdicts the earlier one's counts */
  decide(verdict: Refusal, by: string, order: number): void {
    const before = this.verdict === undefined ? -1 : severity(this.verdict);
    const after = severity(verdict);
    if (after < before || (after === before && order >= this.#order)) return;
    this.verdict = verdict;
    this.by = by;
    this.#order = order;
  }

  take(plugin: Plugin, order: number, parts: Parts): void {
    for (const part of parts) {
      switch (part.kind) {
        case "accept":
          this.accepted = true;
          break;
        case "delay":
          this.delay = Math.max(this.delay, part.ms);
          break;
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
