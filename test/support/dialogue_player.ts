/**
 * Plays the steps of a transcript on a scene, in one of the three ways, and holds what is seen against them.
 */
import { REST, shown, type Step } from "./dialogue_script.ts";
import type { Scene } from "./dialogue_scene.ts";
import type { FakeBackend } from "./fake_backend.ts";

/** The ways of playing. */
export const WAYS = ["whole", "byte by byte", "pipelined"] as const;
export type Way = typeof WAYS[number];

/** What a stage direction does. */
export type Direction = (scene: Scene) => void;

export class Player {
  readonly #scene: Scene;
  readonly #steps: readonly Step[];
  readonly #events: Readonly<Record<string, Direction>>;
  readonly #way: Way;
  /** The next step of the backend's leg that was not played yet. */
  #backendLeg: Step[];
  #backend: FakeBackend | undefined;
  #ended = new Set<object>();
  #at: Step | undefined;

  constructor(scene: Scene, steps: readonly Step[], events: Readonly<Record<string, Direction>>, way: Way) {
    this.#scene = scene;
    this.#steps = steps;
    this.#events = events;
    this.#way = way;
    this.#backendLeg = steps.filter(({ kind }) => kind === ">" || kind === "<");
    const usual = scene.onDial;
    scene.onDial = (dial, name) => {
      const [connect, next] = this.#backendLeg;
      const told = connect?.word?.startsWith("connect") === true;
      if (!told || next?.kind !== "<") return usual(dial, name);
      if (next.word === "refuse") dial.refuse();
      else if (next.word !== "silence") scene.accept(dial, name);
    };
  }

  async run(): Promise<void> {
    await this.#scene.rest();
    for (const scene of scenes(this.#steps)) {
      if (this.#way === "pipelined") await this.#ahead(scene);
      else await this.#inTurn(scene);
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

  async #perform(run: readonly Step[]): Promise<void> {
    const step = this.#at = run[0]!;
    switch (step.kind) {
      case "C":
        return step.word === undefined
          ? this.#speak(run, (octets) => this.#scene.send(octets))
          : this.#client(step.word);
      case "<":
        this.#backendLeg.splice(0, run.length);
        if (step.word !== undefined) return this.#backendDoes(step.word);
        return this.#speak(run, (octets) => {
          this.#current().send(octets);
          this.#scene.settle();
        });
      case "S":
        return this.#heard(step);
      case ">":
        this.#backendLeg.shift();
        return this.#told(step);
      case "direction":
        return this.#direct(step.word!);
    }
  }

  async #speak(run: readonly Step[], send: (octets: string) => void): Promise<void> {
    const octets = run.map((step) => step.octets).join("");
    if (this.#way === "byte by byte") { for (const octet of octets) send(octet); }
    else send(octets);
    await this.#scene.rest();
  }

  async #client(word: string): Promise<void> {
    const { wire } = this.#scene;
    if (word === "close") wire.sendClose();
    else if (word === "half-close") wire.sendEnd();
    else if (word === "reset") wire.reset();
    else this.#scene.handshake();
    await this.#scene.rest();
  }

  async #backendDoes(word: string): Promise<void> {
    // What was said in answer to a dial has been done there.
    if (word === "refuse" || word === "silence") return;
    const { wire } = this.#current();
    if (word === "close") wire.sendClose();
    else wire.reset();
    this.#ended.add(wire);
    await this.#scene.rest();
  }

  async #direct(words: string): Promise<void> {
    const scene = this.#scene;
    const time = /^(\d+) (millisecond|second|minute|hour)s? pass(?:es)?$/.exec(words);
    const on = /^on ([a-z]+)$/.exec(words);
    if (time) {
      return scene.pass(
        Number(time[1]) * { millisecond: 1, second: 1000, minute: 60_000, hour: 3_600_000 }[time[2]!]!,
      );
    }
    if (on) {
      this.#backend = scene.connections.findLast(({ name }) => name === on[1]) ??
        this.#fail(`no connection to ${on[1]}`);
    } else if (words === "drain") scene.drain();
    else if (words === "the backend stops reading") this.#current().wire.read(0);
    else if (words === "the backend reads again") this.#current().wire.read();
    else if (words === "the client stops reading") scene.wire.read(0);
    else if (words === "the client reads again") scene.wire.read();
    else if (words === "the client is not read") this.#expect(scene.wire.paused, "the client is read");
    else if (words === "the client is read") this.#expect(!scene.wire.paused, "the client is not read");
    else if (words !== "meanwhile" && words !== "then") {
      (this.#events[words] ?? this.#fail(`nothing is known of (${words})`))(scene);
    }
    await scene.rest();
  }

  // ---- what is seen ----

  /** The connection that is spoken of: the last one, unless a direction said otherwise. */
  #current(): FakeBackend {
    const last = this.#scene.connections.at(-1) ?? this.#fail("no backend was dialled");
    if (this.#backend === undefined || last !== this.#last) this.#backend = last;
    this.#last = last;
    return this.#backend;
  }

  #last: FakeBackend | undefined;

  #heard(step: Step): void {
    const { heard, wire } = this.#scene;
    if (step.word !== undefined) return this.#endOf(wire, step.word, "the client's connection");
    const end = heard.indexOf("\r\n") + 2;
    const line = heard.slice(0, end);
    this.#expect(end > 1 && matches(line, step.octets), "the client hears otherwise");
    const rest = line[3] === "-" && this.#restOfReply(step)
      ? /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(heard)?.[0].length
      : end;
    this.#scene.heard = heard.slice(rest ?? this.#fail("the reply does not end"));
  }

  /** Whether a step's "…" stands for more lines: when the transcript shows none of them. */
  #restOfReply(step: Step): boolean {
    const next = this.#steps[this.#steps.indexOf(step) + 1];
    return step.octets.endsWith(`${REST}\r\n`) &&
      !(next?.kind === "S" && next.octets.startsWith(step.octets.slice(0, 3)));
  }

  #told(step: Step): void {
    if (step.word?.startsWith("connect")) return this.#dialled(step.word.slice("connect ".length));
    const backend = this.#current();
    if (step.word !== undefined) {
      return this.#endOf(backend.wire, step.word, `the connection to ${backend.name}`);
    }
    const { seen } = backend;
    const open = step.octets.endsWith(`${REST}\r\n`);
    const length = open ? seen.indexOf("\r\n") + 2 : step.octets.length;
    this.#expect(matches(seen.slice(0, length), step.octets), `${backend.name} hears otherwise`);
    backend.seen = seen.slice(length);
    if (step.octets === "QUIT\r\n") this.#ended.add(backend.wire);
  }

  #dials = 0;
  #dialled(name: string): void {
    const refused = this.#backendLeg[0]?.word === "refuse" || this.#backendLeg[0]?.word === "silence";
    if (refused) return;
    const { connections } = this.#scene;
    const backend = connections.findLast((one) => name === "" || one.name === name);
    this.#expect(
      backend !== undefined && backend === connections.at(-1),
      `${name || "a backend"} is not dialled`,
    );
    this.#dials = connections.length;
  }

  #endOf(wire: Scene["wire"], word: string, whose: string): void {
    this.#expect(wire.ended === word, `${whose} is not ended so, but ${wire.ended ?? "open"}`);
    this.#ended.add(wire);
  }

  /** Nothing was said or done that the transcript does not show. */
  #quiet(where: string): void {
    const { heard, wire, connections } = this.#scene;
    const before = `before ${where}`;
    this.#expect(heard === "", `${before} the client hears more`);
    for (const backend of connections) {
      this.#expect(backend.seen === "", `${before} ${backend.name} hears more`);
    }
    for (const each of [wire, ...connections.map((one) => one.wire)]) {
      const told = each.ended === undefined || each.ended === "end" || this.#ended.has(each);
      const whose = each === wire ? "the client's connection" : "a connection to a backend";
      this.#expect(told, `${before} ${whose} was ended (${each.ended})`);
    }
  }

  #expect(holds: boolean, fault: string): void {
    if (!holds) this.#fail(fault);
  }

  #fail(fault: string): never {
    const { heard, connections, log } = this.#scene;
    const legs = connections.map((one, i) =>
      `  backend ${one.name} (${i + 1}): ${JSON.stringify(shown(one.seen))}`
    );
    const faults = log.filter(({ event }) => event === "fault").map(({ fields }) =>
      `  fault: ${fields["cause"]}`
    );
    const at = this.#at === undefined ? "" : `\n  at line ${this.#at.number}: ${this.#at.line}`;
    throw new Error(
      [`${fault}${at}`, `  client: ${JSON.stringify(shown(heard))}`, ...legs, ...faults].join("\n"),
    );
  }
}

function matches(line: string, expected: string): boolean {
  const strip = (text: string) =>
    expected.includes("[ref]")
      ? text.replace(/\[ref [0-9A-Z]{10}\]/, "[ref]")
      : text.replace(/ \[ref [0-9A-Z]{10}\]\r\n$/, "\r\n");
  if (!expected.endsWith(`${REST}\r\n`)) return strip(line) === expected;
  const start = expected.slice(0, -REST.length - 2);
  return line.startsWith(start) || (start.endsWith(" ") && line === `${start.slice(0, -1)}\r\n`);
}

/** What makes something happen. How a dial is answered has been said when it was made. */
function isCause({ kind, word }: Step): boolean {
  if (kind === "<") return word !== "refuse" && word !== "silence";
  return kind === "C" || kind === "direction";
}

/** What cannot be sent ahead of. */
function isBarrier(step: Step): boolean {
  return step.kind === "direction" || (step.kind === "C" && step.word !== undefined) ||
    (step.kind === "<" && (step.word === "close" || step.word === "reset"));
}

/** Parts of a transcript, each starting at a barrier. */
function scenes(steps: readonly Step[]): Step[][] {
  const parts: Step[][] = [[]];
  for (const [i, step] of steps.entries()) {
    const before = steps[i - 1]?.kind;
    const unasked = step.kind === "<" && (before === "S" || before === "C");
    if (isBarrier(step) || unasked) parts.push([]);
    parts.at(-1)!.push(step);
  }
  return parts;
}

/** Steps that are one write are kept together: what the client says, or a backend, without anything between. */
function runs(steps: readonly Step[]): Step[][] {
  const all: Step[][] = [];
  for (const step of steps) {
    const last = all.at(-1)?.[0];
    const joins = last?.kind === step.kind && last.word === undefined && step.word === undefined &&
      (step.kind === "C" || step.kind === "<");
    if (joins) all.at(-1)!.push(step);
    else all.push([step]);
  }
  return all;
}
