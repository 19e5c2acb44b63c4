/**
 * Plays the steps of a transcript on a scene, in one of three ways, and holds what is seen against them.
 */
import { setTimeout } from "node:timers";
import type { FakeBackend } from "./backend.ts";
import { type Instead, mismatch } from "./mismatch.ts";
import { answersDial, isBarrier, isCause, parts, runs } from "./pieces.ts";
import type { Scene } from "./scene.ts";
import { matches, REST, type Step } from "./script.ts";

/** The ways of playing. */
export const WAYS = ["whole", "byte by byte", "pipelined"] as const;
export type Way = typeof WAYS[number];

/** What a stage direction does. */
export type Direction = (scene: Scene) => void | Promise<void>;

const MILLISECONDS = new Map([
  ["millisecond", 1],
  ["second", 1000],
  ["minute", 60_000],
  ["hour", 3_600_000],
  ["day", 86_400_000],
]);
const ORDINALS = ["first", "second", "third", "fourth"];
/** Turns of a real timer for what no clock of ours moves: a key that is derived, a library that takes its time. */
const PATIENCE = 500;

export class Player {
  readonly #scene: Scene;
  readonly #steps: readonly Step[];
  readonly #directions: ReadonlyMap<string, Direction>;
  readonly #way: Way;
  /** The backends' leg, how much of it was played, and up to where dials have taken what answers them. */
  readonly #leg: readonly Step[];
  #played = 0;
  #claimed = 0;
  /** The connection that is spoken of. */
  #backend: FakeBackend | undefined;
  /** Wires whose end the transcript has told. */
  readonly #ended = new Set<object>();
  #at: Step | undefined;

  constructor(scene: Scene, steps: readonly Step[], own: Readonly<Record<string, Direction>>, way: Way) {
    this.#scene = scene;
    this.#steps = steps;
    this.#directions = new Map([...this.#usual(), ...Object.entries(own)]);
    this.#way = way;
    this.#leg = steps.filter(({ kind }) => kind === ">" || kind === "<");
    const usual = scene.onDial;
    scene.onDial = (dial, name) => {
      const answer = this.#answerToDial();
      if (answer === undefined) usual(dial, name);
      else if (answer.word === "refuse") dial.refuse();
      else if (answer.word !== "silence") scene.accept(dial, name);
    };
  }

  #usual(): [string, Direction][] {
    const reads = (whose: () => Scene["wire"], paused: boolean) => () => {
      this.#expect(whose().paused === paused, `the client is ${paused ? "" : "not "}read`);
    };
    return [
      ["then", () => {}],
      ["meanwhile", () => {}],
      ["drain", (scene) => scene.drain()],
      ["a client connects", (scene) => void scene.call()],
      ["the backend stops reading", () => this.#current().wire.read(0)],
      ["the backend reads again", () => this.#current().wire.read()],
      ["the client stops reading", ({ wire }) => wire.read(0)],
      ["the client reads again", ({ wire }) => wire.read()],
      ["the client is not read", reads(() => this.#scene.wire, true)],
      ["the client is read", reads(() => this.#scene.wire, false)],
    ];
  }

  /** The `<` that follows the `<connect>` of the dial just made; undefined where the handshake is not shown. */
  #answerToDial(): Step | undefined {
    let at = Math.max(this.#played, this.#claimed);
    while (this.#leg[at]?.word === "abort" || this.#leg[at]?.word === "close") at++;
    if (!this.#leg[at]?.word?.startsWith("connect")) return undefined;
    const answer = this.#leg[at + 1]?.kind === "<" ? this.#leg[at + 1] : undefined;
    this.#claimed = at + (answersDial(answer) ? 2 : 1);
    return answer;
  }

  async run(): Promise<void> {
    await this.#scene.rest();
    for (const part of parts(this.#steps)) {
      if (this.#way === "pipelined") await this.#ahead(part);
      else await this.#inTurn(part);
    }
    this.#quiet("the end");
  }

  /** Everything happens in the transcript's order. */
  async #inTurn(steps: readonly Step[]): Promise<void> {
    for (const run of runs(steps)) {
      if (isCause(run[0]!)) this.#quiet(`line ${run[0]!.number}`);
      await this.#perform(run);
    }
  }

  /** The client says all it has to say, then the backend's leg is played, then the replies are looked at. */
  async #ahead(steps: readonly Step[]): Promise<void> {
    const [first] = steps;
    if (first !== undefined && isBarrier(first)) {
      this.#quiet(`line ${first.number}`);
      await this.#perform([first]);
      steps = steps.slice(1);
    }
    const said = steps.filter(({ kind }) => kind === "C");
    if (said.length > 0) await this.#perform(said);
    for (const run of runs(steps.filter(({ kind }) => kind === ">" || kind === "<"))) {
      await this.#perform(run);
    }
    for (const step of steps.filter(({ kind }) => kind === "S")) await this.#perform([step]);
  }

  #perform(run: readonly Step[]): Promise<void> | void {
    const step = this.#at = run[0]!;
    if (step.kind === ">" || step.kind === "<") this.#played += run.length;
    switch (step.kind) {
      case "C":
        return step.word === undefined
          ? this.#speak(run, (octets) => this.#scene.send(octets))
          : this.#client(step.word);
      case "<":
        return step.word === undefined ? this.#reply(run) : this.#backendDoes(step);
      case "S":
        return this.#heard(step);
      case ">":
        return this.#told(step);
      case "direction":
        return this.#direct(step.word!);
    }
  }

  // ---- what is done ----

  async #speak(run: readonly Step[], send: (octets: string) => void): Promise<void> {
    const octets = run.map((step) => step.octets).join("");
    for (const write of this.#way === "byte by byte" ? octets : [octets]) send(write);
    await this.#scene.rest();
  }

  #reply(run: readonly Step[]): Promise<void> {
    const backend = this.#current();
    return this.#speak(run, (octets) => {
      backend.send(octets);
      this.#scene.settle();
    });
  }

  async #client(word: string): Promise<void> {
    const { wire } = this.#scene;
    if (word === "close") wire.sendClose();
    else if (word === "half-close") wire.sendEnd();
    else if (word === "reset") wire.reset();
    else this.#scene.handshake();
    await this.#scene.rest();
  }

  async #backendDoes(step: Step): Promise<void> {
    if (answersDial(step)) return;
    const { wire } = this.#current();
    if (step.word === "close") wire.sendClose();
    else wire.reset();
    this.#ended.add(wire);
    await this.#scene.rest();
  }

  async #direct(words: string): Promise<void> {
    const scene = this.#scene;
    const [, count, unit] = /^(\d+) (\w+?)s? pass(?:es)?$/.exec(words) ?? [];
    const milliseconds = MILLISECONDS.get(unit ?? "");
    if (milliseconds !== undefined) return scene.pass(Number(count) * milliseconds);
    const [, from] = /^a client connects from (\S+)$/.exec(words) ?? [];
    const own = this.#directions.get(words);
    if (from !== undefined) scene.call(from);
    else if (own !== undefined) await own(scene);
    else if (!this.#turn(words)) {
      this.#fail(`nothing is known of (${words}); allowed are ${this.#known().join(", ")}`);
    }
    await scene.rest();
  }

  /** All directions that there are, in brackets. */
  #known(): string[] {
    const own = [...this.#directions.keys()];
    return ["5 minutes pass", ...own, "a client connects from ADDRESS", "on the first client"]
      .map((words) => `(${words})`);
  }

  /** `(on …)`: who is spoken of from now on. */
  #turn(words: string): boolean {
    const [, ordinal = "", what, name] = /^on (?:the (\w+) (connection|client)|([a-z]+))$/.exec(words) ?? [];
    const { connections, clients } = this.#scene;
    const index = ORDINALS.indexOf(ordinal);
    if (name !== undefined) this.#backend = connections.findLast((one) => one.name === name);
    else if (what === "connection") this.#backend = connections[index];
    else if (clients[index] !== undefined) this.#scene.client = clients[index];
    else return false;
    return true;
  }

  // ---- what is seen ----

  #current(): FakeBackend {
    return this.#backend ??= this.#next() ?? this.#fail("no backend was dialled");
  }

  /** The connection that was made after the one spoken of. */
  #next(): FakeBackend | undefined {
    const { connections } = this.#scene;
    return connections[this.#backend === undefined ? 0 : connections.indexOf(this.#backend) + 1];
  }

  async #heard(step: Step): Promise<void> {
    if (step.word !== undefined) return this.#endOf(this.#scene.wire, step.word, "the client's connection");
    await this.#hears();
    const { heard } = this.#scene;
    const line = heard.slice(0, heard.indexOf("\r\n") + 2);
    if (!matches(line, step.octets)) {
      const fault = heard === "" ? "the client hears nothing" : "the client hears otherwise";
      this.#fail(fault, { sign: "S:", octets: heard });
    }
    this.#scene.heard = heard.slice(this.#standsForMore(line, step) ? this.#replyLength() : line.length);
  }

  /** Waits a little for an answer that takes real time. */
  async #hears(): Promise<void> {
    for (let turns = 0; this.#scene.heard === "" && !this.#scene.over && turns < PATIENCE; turns++) {
      await new Promise<void>((resolve) => void setTimeout(resolve, 2));
      await this.#scene.rest();
    }
  }

  #replyLength(): number {
    const [reply] = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#scene.heard) ?? [];
    return reply?.length ?? this.#fail("the reply does not end");
  }

  /** Whether a step's "…" stands for more lines: when the transcript shows none of them. */
  #standsForMore(line: string, step: Step): boolean {
    const next = this.#steps[this.#steps.indexOf(step) + 1];
    const shows = next?.kind === "S" && next.octets.startsWith(step.octets.slice(0, 3));
    return line[3] === "-" && step.octets.endsWith(`${REST}\r\n`) && !shows;
  }

  #told(step: Step): void {
    if (step.word?.startsWith("connect")) return this.#dialled(step.word.slice("connect ".length));
    if (step.word !== undefined) {
      return this.#endOf(this.#current().wire, step.word, `the connection to ${this.#current().name}`);
    }
    // A connection that says no more is followed by the next one, where the transcript does not show the dial.
    if (this.#backend?.seen === "") this.#backend = this.#next() ?? this.#backend;
    const backend = this.#current();
    const { seen } = backend;
    const open = step.octets.endsWith(`${REST}\r\n`);
    const length = open ? seen.indexOf("\r\n") + 2 : step.octets.length;
    if (!matches(seen.slice(0, length), step.octets)) {
      this.#fail(`${backend.name} hears otherwise`, { sign: "   >", octets: seen });
    }
    backend.seen = seen.slice(length);
    if (step.octets === "QUIT\r\n") this.#ended.add(backend.wire);
  }

  #dialled(name: string): void {
    if (answersDial(this.#leg[this.#played])) return;
    const backend = this.#next();
    const wanted = backend !== undefined && (name === "" || backend.name === name);
    this.#expect(wanted, `${name || "a backend"} is not dialled`);
    this.#backend = backend;
  }

  #endOf(wire: Scene["wire"], word: string, whose: string): void {
    this.#expect(wire.ended === word, `${whose} is not ended so, but ${wire.ended ?? "open"}`);
    this.#ended.add(wire);
  }

  /** Nothing was said or done that the transcript does not show. */
  #quiet(where: string): void {
    const { clients, connections } = this.#scene;
    for (const { heard } of clients) {
      if (heard !== "") this.#fail(`before ${where} the client hears more`, { sign: "S:", octets: heard });
    }
    for (const { name, seen } of connections) {
      if (seen !== "") this.#fail(`before ${where} ${name} hears more`, { sign: "   >", octets: seen });
    }
    const wires = [...clients.map(({ wire }) => wire), ...connections.map(({ wire }) => wire)];
    for (const [i, each] of wires.entries()) {
      const told = each.ended === undefined || each.ended === "end" || this.#ended.has(each);
      const whose = i < clients.length ? "the client's connection" : "a connection to a backend";
      this.#expect(told, `before ${where} ${whose} was ended (${each.ended})`);
    }
  }

  #expect(holds: boolean, fault: string): void {
    if (!holds) this.#fail(fault);
  }

  #fail(fault: string, instead?: Instead): never {
    throw new Error(mismatch(fault, this.#at, this.#steps, this.#scene, instead));
  }
}
