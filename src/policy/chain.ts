/**
 * A policy's rules, asked stage by stage. Of several verdicts the strictest counts, whoever came first; an acceptance,
 * a rejection and a disconnection end the asking.
 */
import { Dossier, type Ears } from "./dossier.ts";
import { Engine, type EngineOptions, type Mode } from "./engine.ts";
import { costOf, failureKind } from "./failure.ts";
import type { Findings } from "./finding.ts";
import { Hearing, type Ruling } from "./hearing.ts";
import type { Due } from "./layer.ts";
import type { Observation } from "./observation.ts";
import type { Plugin } from "./plugin.ts";
import { ApartIo } from "./plugin_io.ts";
import { compile, type Node, type Step, steps, withModes } from "./program.ts";
import { Question } from "./question.ts";
import { type Group, pluginsOf, type Rule } from "./rule.ts";
import { type RcptFacts, type Stage, STAGES, type Stages } from "./stages.ts";
import type { Refusal } from "./verdict.ts";
import { isPostmaster } from "./well_known.ts";

/** What a stage came to; nothing where nobody objects and nobody lets the client wait. */
export interface Judgement {
  readonly verdict: Refusal | undefined;
  /** Whose verdict it is. */
  readonly plugin: string | undefined;
  /** Milliseconds that the client is to wait for its answer. */
  readonly delay: number;
}

type Walk = void | Promise<void>;

/** A failure of which the circuit does not hear. */
const APART = { counts: false, trial: false };

export class Chain {
  readonly rules: readonly Rule[];
  readonly plugins: readonly Plugin[];
  readonly engine: Engine;
  readonly #programs: ReadonlyMap<Stage, readonly Node[]>;
  readonly #observers: readonly { readonly plugin: Plugin; readonly mode: Mode }[];
  /** Effects that are being carried out. */
  readonly #effects = new Set<Promise<void>>();
  /** Shadowed rules that wait for something. */
  readonly #shadowing = new Set<Promise<void>>();

  constructor(rules: readonly Rule[], options: EngineOptions = {}) {
    this.rules = rules;
    this.plugins = pluginsOf(rules);
    this.engine = new Engine(options);
    this.#programs = new Map(STAGES.map((stage) => [stage, compile(rules, stage)]));
    this.#observers = withModes(rules).filter(({ plugin }) => plugin.observe !== undefined);
  }

  /** Those whose opinion does not count. */
  get shadowed(): ReadonlySet<Plugin> {
    return new Set(withModes(this.rules).filter(({ mode }) => mode === "shadow").map(({ plugin }) => plugin));
  }

  /** Who is asked at a stage, in order, and how. */
  asked(stage: Stage): readonly Step[] {
    return steps(this.#programs.get(stage)!);
  }

  /** False: nobody need be asked, so what the stage would be told need not be put together. */
  asks(stage: Stage): boolean {
    return this.#programs.get(stage)!.length > 0 || this.#observers.length > 0;
  }

  /** True: somebody wants to be told everything. */
  get observed(): boolean {
    return this.#observers.length > 0;
  }

  /** What a session's plugins are told of and keep. */
  dossier(id: string, client: string, ears: Ears): Dossier {
    return new Dossier(id, client, ears, (due) => this.#carryOut(due, id));
  }

  /** Only a plugin that waits makes it a promise. */
  judge<S extends Stage>(
    stage: S,
    facts: Stages[S],
    dossier: Dossier,
  ): Judgement | undefined | Promise<Judgement | undefined> {
    const hearing = new Hearing(this.engine, dossier, stage, facts);
    const walked = this.#walk(this.#programs.get(stage)!, 0, hearing);
    return walked === undefined ? this.#ruled(hearing) : this.#ruledAfter(walked, hearing);
  }

  // What waits is put in methods of its own: variables that a closure sees cost something even where it is never made.

  #ruledAfter(walked: Promise<void>, hearing: Hearing): Promise<Judgement | undefined> {
    return walked.then(() => this.#ruled(hearing));
  }

  #ruled(hearing: Hearing): Judgement | undefined {
    const { ruling, stage, facts } = hearing;
    const verdict = ruling?.verdict;
    const plugin = ruling?.by;
    hearing.ruled();
    // Of a client that has left the session's own end is the last that is told.
    if (this.#observers.length > 0 && !hearing.dossier.left) {
      this.observe({ kind: "judged", stage, session: facts, verdict, plugin });
    }
    const delay = ruling?.delay ?? 0;
    return verdict === undefined && delay === 0 ? undefined : { verdict, plugin, delay };
  }

  // ---- asking ----

  #walk(nodes: readonly Node[], from: number, hearing: Hearing): Walk {
    for (let i = from; i < nodes.length; i++) {
      if (hearing.settled || hearing.dossier.left) return;
      const walked = this.#step(nodes[i]!, hearing);
      if (walked !== undefined) return this.#walkAfter(walked, nodes, i + 1, hearing);
    }
  }

  #walkAfter(walked: Promise<void>, nodes: readonly Node[], from: number, hearing: Hearing): Walk {
    return walked.then(() => this.#walk(nodes, from, hearing));
  }

  #step(node: Node, hearing: Hearing): Walk {
    switch (node.kind) {
      case "ask": {
        if (hearing.facts.trusted && node.plugin.judges === "client") return;
        return new Question(hearing, node.plugin, node.order).ask();
      }
      case "parallel":
        return node.shared ? this.#together(node.nodes, hearing) : this.#branched(node.nodes, hearing);
      case "if":
        return this.#holds(node, hearing) ? this.#walk(node.nodes, 0, hearing) : undefined;
      case "hold":
        return this.#hold(node, hearing);
      case "release":
        return this.#release(node, hearing);
      case "shadow":
        return this.#shadow(node, hearing);
    }
  }

  #together(nodes: readonly Node[], hearing: Hearing): Walk {
    let waiting: Promise<void>[] | undefined;
    for (const node of nodes) {
      const walked = this.#step(node, hearing);
      if (walked === undefined) continue;
      (waiting ??= []).push(walked);
      hearing.now = this.engine.clock();
    }
    if (waiting === undefined) return;
    return waiting.length === 1 ? waiting[0] : Promise.all(waiting).then(nothing);
  }

  #branched(nodes: readonly Node[], hearing: Hearing): Walk {
    const branches: Hearing[] = [];
    let waiting: Promise<void>[] | undefined;
    for (const node of nodes) {
      const branch = hearing.branch();
      branches.push(branch);
      const walked = this.#step(node, branch);
      if (walked !== undefined) (waiting ??= []).push(walked);
    }
    const join = () => branches.forEach((branch) => hearing.join(branch));
    return waiting === undefined ? join() : Promise.all(waiting).then(join);
  }

  /** A test that fails costs what the plugins behind it would cost. */
  #holds(node: Node & { kind: "if" }, hearing: Hearing): boolean {
    const { stage, facts, dossier } = hearing;
    try {
      return node.test(facts, dossier.client);
    } catch (cause) {
      for (const { plugin, order } of steps(node.nodes)) {
        const kind = failureKind(cause);
        this.engine.failed(plugin, stage, dossier.id, { kind, cause }, APART);
        const cost = costOf(plugin.onError, kind);
        if (cost !== undefined) hearing.decide(cost, plugin.name, order);
      }
      return false;
    }
  }

  /** A group's refusal is kept for RCPT. */
  #hold({ nodes, group }: Node & { kind: "hold" }, hearing: Hearing): Walk {
    const before = hearing.ruling;
    hearing.ruling = undefined;
    const walked = this.#walk(nodes, 0, hearing);
    if (walked === undefined) this.#keep(group, hearing, before);
    else return this.#keepAfter(walked, group, hearing, before);
  }

  #keepAfter(walked: Promise<void>, group: Group, hearing: Hearing, before: Ruling | undefined): Walk {
    return walked.then(() => this.#keep(group, hearing, before));
  }

  /** @param before what was said before the group was asked */
  #keep(group: Group, hearing: Hearing, before: Ruling | undefined): void {
    const { ruling } = hearing;
    hearing.ruling = before;
    if (ruling === undefined) return;
    const { verdict, by } = ruling;
    hearing.add({ ...ruling, verdict: undefined });
    if (verdict === undefined || hearing.dossier.left) return;
    hearing.layer.hold(group, { verdict, plugin: by! });
  }

  #release(node: Node & { kind: "release" }, hearing: Hearing): Walk {
    const held = hearing.layer.held(node.group);
    if (held === undefined || isPostmaster(hearing.facts as RcptFacts)) {
      return this.#walk(node.nodes, 0, hearing);
    }
    hearing.decide(held.verdict, held.plugin, node.order);
  }

  /** Nobody waits for it, but its own next stage. */
  #shadow(node: Node & { kind: "shadow" }, hearing: Hearing): void {
    const { dossier, stage, facts } = hearing;
    const own = dossier.shadow(node.group);
    // Now: by the time it is asked, another transaction may have begun.
    const layer = own.scopes.of(stage);
    const seen = { ...facts, findings: beside(layer.findings, facts.findings) };
    const ask = (): Walk => {
      const shadowed = hearing.shadow(seen, layer);
      const walked = this.#walk(node.nodes, 0, shadowed);
      const compare = () => shadowed.whenRuled((did) => this.#compare(shadowed, did));
      return walked === undefined ? compare() : walked.then(compare);
    };
    const asked = own.last === undefined ? ask() : own.last.then(ask);
    // What it took is not the next plugin's time.
    hearing.now = this.engine.clock();
    if (asked === undefined) return;
    const last: Promise<void> = own.last = asked.finally(() => {
      if (own.last === last) own.last = undefined;
      this.#shadowing.delete(last);
    });
    this.#shadowing.add(last);
  }

  /** Until no shadowed rule is being asked: for who tells what each has said at which command. */
  async shadowsHeard(): Promise<void> {
    while (this.#shadowing.size > 0) await Promise.allSettled(this.#shadowing);
  }

  #compare({ ruling, stage, dossier }: Hearing, did: string): void {
    const { verdict, by } = ruling ?? {};
    // Of a client that has left it is not known what either would have come to.
    if (verdict === undefined || did === verdict.kind || dossier.left) return;
    const { kind, text } = verdict;
    this.engine.difference(by!, stage, kind, did);
    this.engine.log("info", "shadow", { id: dossier.id, plugin: by!, stage, would: kind, did, text });
  }

  // ---- what follows ----

  /** Tells the observers. */
  observe(event: Observation): void {
    const { id } = event.session;
    for (const { plugin, mode } of this.#observers) {
      try {
        const working = plugin.observe!(event, new ApartIo(this.engine, plugin, mode, id));
        if (working instanceof Promise) this.#follow(working, plugin, "observe", id);
      } catch (cause) {
        this.#failedApart(plugin, "observe", id, cause);
      }
    }
  }

  #carryOut({ effect, plugin, when, mode }: Due, id: string): void {
    try {
      const working = effect(new ApartIo(this.engine, plugin, mode, id));
      if (working instanceof Promise) this.#follow(working, plugin, when, id);
    } catch (cause) {
      this.#failedApart(plugin, when, id, cause);
    }
  }

  /** Something that nobody waits for goes on. */
  #follow(working: Promise<unknown>, plugin: Plugin, what: string, id: string): void {
    const done: Promise<void> = working.then(nothing, (cause) => this.#failedApart(plugin, what, id, cause))
      .then(() => void this.#effects.delete(done));
    this.#effects.add(done);
  }

  #failedApart(plugin: Plugin, what: string, id: string, cause: unknown): void {
    this.engine.failed(plugin, what, id, { kind: failureKind(cause), cause }, APART);
  }

  /** Resolves when no effect is under way any more. */
  async settled(): Promise<void> {
    while (this.#effects.size > 0) await Promise.allSettled(this.#effects);
  }
}

function nothing(): void {}

/** Findings of a shadowed group over those that count. */
function beside(own: Findings, real: Findings): Findings {
  return {
    get: (key) => own.get(key) ?? real.get(key),
    get score() {
      return own.score + real.score;
    },
    get scores() {
      return [...real.scores, ...own.scores];
    },
  };
}
