/**
 * What the tests of the networks share: every Network this runtime has, and an owner that writes
 * down what it is told and lets a test wait for it.
 */

import { nodeNetwork } from "../../src/net/node.ts";
import type {
  Address,
  ConnectOwner,
  Endpoint,
  Listener,
  ListenOptions,
  Network,
  Wire,
} from "../../src/net/wire.ts";

export const onBun = "Bun" in globalThis;

/** Every network of this runtime, by name. */
export const networks: [name: string, network: Network][] = [["node", nodeNetwork]];
if (onBun) networks.unshift(["bun", (await import("../../src/net/bun.ts")).bunNetwork]);

/** An owner that remembers. Subclass it to react. */
export class Recorder implements ConnectOwner {
  /** `open`, `data`, `drain`, `end`, `close` or `close CODE`, in order; a run of `data` is written once. */
  readonly events: string[] = [];
  wire!: Wire;
  error: Error | undefined;
  text = "";
  received = 0;
  /** Set while a method of the wire runs, to catch callbacks from inside it. */
  inside = "";
  #waiting: { test: () => boolean; done: () => void }[] = [];

  open(wire: Wire): void {
    this.wire = wire;
    this.note("open");
  }

  data(bytes: Uint8Array): void {
    this.received += bytes.length;
    if (this.received < 10_000) this.text += new TextDecoder("latin1").decode(bytes);
    this.note("data");
  }

  drain(): void {
    this.note("drain");
  }

  end(): void {
    this.note("end");
  }

  close(error: Error | undefined): void {
    this.error = error;
    this.note(error === undefined ? "close" : `close ${(error as { code?: string }).code}`);
  }

  /** Resolves as soon as `test` holds; looked at after every event. */
  until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ test, done }));
  }

  /** Resolves when something of this name was told. */
  told(event: string): Promise<void> {
    return this.until(() => this.events.some((seen) => seen.split(" ")[0] === event));
  }

  /** Resolves when the text so far holds this. */
  reads(text: string): Promise<void> {
    return this.until(() => this.text.includes(text));
  }

  /** Runs something that calls the wire; a callback from inside shows up in `events` as `inside <call>`. */
  calling(name: string, call: () => void): void {
    this.inside = name;
    call();
    this.inside = "";
  }

  protected note(event: string): void {
    if (this.inside !== "") this.events.push(`inside ${this.inside}: ${event}`);
    else if (event !== "data" || this.events.at(-1) !== "data") this.events.push(event);
    for (const waiter of this.#waiting.splice(0)) {
      if (waiter.test()) waiter.done();
      else this.#waiting.push(waiter);
    }
  }
}

/** A listener on loopback and the recorders of what it accepted. */
export interface Door {
  readonly listener: Listener;
  readonly address: Address;
  readonly endpoint: Endpoint;
  /** The next connection's recorder, once accepted. */
  next(): Promise<Recorder>;
}

/** Listens on a free port (or as told); `make` gives each connection's owner. */
export async function openDoor(
  network: Network,
  options: Partial<ListenOptions> = {},
  make: () => Recorder = () => new Recorder(),
): Promise<Door> {
  const accepted: Recorder[] = [];
  const waiting: ((recorder: Recorder) => void)[] = [];
  const listener = await network.listen({
    endpoint: { host: "127.0.0.1", port: 0 },
    accept(wire) {
      const recorder = make();
      recorder.open(wire);
      const waiter = waiting.shift();
      if (waiter === undefined) accepted.push(recorder);
      else waiter(recorder);
      return recorder;
    },
    ...options,
  });
  return {
    listener,
    address: listener.address,
    endpoint: options.endpoint !== undefined && "path" in options.endpoint
      ? options.endpoint
      : listener.address,
    next: () => {
      const recorder = accepted.shift();
      return recorder === undefined ? new Promise((done) => waiting.push(done)) : Promise.resolve(recorder);
    },
  };
}

/** Both ends of one connection over a network. */
export async function pair(network: Network): Promise<{ client: Recorder; server: Recorder; close(): void }> {
  const door = await openDoor(network);
  const client = new Recorder();
  network.connect(door.endpoint, client);
  const server = await door.next();
  await client.told("open");
  return { client, server, close: () => door.listener.close() };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function pauseFor(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
