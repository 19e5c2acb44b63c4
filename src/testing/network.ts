/**
 * A network in memory: wires whose other end is the test, and dials that the test answers. No socket, no timer:
 * whatever happens waits in a queue until `settle`, so no owner is ever called from inside a call on its wire.
 *
 * It keeps the promises of `src/net/wire.ts` and no more than those: the view given to `data` is spoilt as soon as
 * the call returns, and what `write` takes is copied at once.
 */
import type {
  Address,
  Connecting,
  ConnectOwner,
  Endpoint,
  Listener,
  ListenOptions,
  Network,
  TlsClientOptions,
  TlsFacts,
  Wire,
  WireOwner,
} from "../net/wire.ts";

/** Where the proxy is. */
export const LOCAL: Address = { host: "192.0.2.25", port: 25 };
/** Owner of a wire that has none yet. */
export const NOBODY: WireOwner = { data() {}, drain() {}, end() {}, close() {} };
const NOTHING = new Uint8Array(0);
/** What a spoilt view is filled with. */
const SPOILT = 0xa5;
/** Turns of the queue after which something must be running in a circle. */
const ENDLESS = 1_000_000;

/** What is to happen next. */
export class FakeEvents {
  #queue: (() => void)[] = [];

  later(event: () => void): void {
    this.#queue.push(event);
  }

  /** Lets everything happen that follows from what has happened; false when there was nothing. */
  settle(): boolean {
    let turns = 0;
    while (this.#queue.length > 0) {
      const queue = this.#queue;
      this.#queue = [];
      for (const event of queue) event();
      if ((turns += queue.length) > ENDLESS) throw new Error("the network does not come to rest");
    }
    return turns > 0;
  }
}

/** The proxy's end of a connection; what is marked "peer" is the other end's doing. */
export class FakeWire implements Wire {
  readonly remote: Address;
  readonly local: Address;
  tls: TlsFacts | undefined;
  owner: WireOwner;
  queued = 0;
  paused = false;
  /** How the proxy has ended it. */
  ended: "end" | "close" | "abort" | undefined;
  /** Set between `secure` and the peer's handshake. */
  handshake: ((facts: TlsFacts) => void) | undefined;
  /** How the proxy started TLS as the client. */
  askedTls: TlsClientOptions | undefined;
  /** Octets of the handshake that the proxy had read before. */
  early: Uint8Array = NOTHING;
  /** Told what the proxy wrote, as far as the kernel has taken it. */
  onWritten: (bytes: Uint8Array) => void = () => {};
  readonly #events: FakeEvents;
  /** Octets that the kernel still takes. */
  #room = Infinity;
  #queue: Uint8Array[] = [];
  #inbox: (Uint8Array | "end")[] = [];
  #over = false;
  #peerGone = false;

  constructor(events: FakeEvents, owner: WireOwner, remote: Address, local: Address) {
    this.#events = events;
    this.owner = owner;
    this.remote = remote;
    this.local = local;
  }

  // ---- the proxy's side ----

  write(bytes: Uint8Array): boolean {
    if (this.#over || this.ended !== undefined) return false;
    if (this.#peerGone) {
      this.#finish(new Error("ECONNRESET"));
      return false;
    }
    const copy = bytes.slice();
    if (this.queued > 0 || copy.length > this.#room) {
      this.#queue.push(copy);
      this.queued += copy.length;
      this.#drain();
      return false;
    }
    this.#take(copy);
    return true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#events.later(() => this.#deliver());
  }

  end(): void {
    this.ended ??= "end";
  }

  close(): void {
    if (this.ended === "close" || this.ended === "abort") return;
    this.ended = "close";
    this.#inbox = [];
    if (this.queued === 0) this.#finish(undefined);
  }

  abort(): void {
    this.ended = "abort";
    this.#queue = [];
    this.queued = 0;
    this.#finish(undefined);
  }

  secure(_identity: unknown, done: (facts: TlsFacts) => void, early: Uint8Array = NOTHING): void {
    this.#inbox = [];
    this.handshake = done;
    this.early = early;
  }

  secureAsClient(options: TlsClientOptions, done: (facts: TlsFacts) => void): void {
    this.askedTls = options;
    this.secure(undefined, done);
  }

  // ---- the peer's side ----

  get over(): boolean {
    return this.#over;
  }

  /** The peer sends octets. While a handshake is awaited, octets that are none of it break the connection. */
  send(bytes: Uint8Array): void {
    if (this.handshake !== undefined) return this.#finish(new Error("EPROTO"));
    this.#inbox.push(bytes);
    this.#events.later(() => this.#deliver());
  }

  /** The peer sends FIN and reads on. */
  sendEnd(): void {
    this.#inbox.push("end");
    this.#events.later(() => this.#deliver());
  }

  /** The peer has closed both directions: whatever is written to it now comes back as a reset. */
  sendClose(): void {
    this.sendEnd();
    this.#peerGone = true;
  }

  /** The connection breaks, now. */
  reset(): void {
    this.#finish(new Error("ECONNRESET"));
  }

  /** The peer does its part of the handshake. */
  shake(facts: TlsFacts): void {
    const done = this.handshake;
    if (done === undefined) throw new Error("no handshake is awaited");
    this.handshake = undefined;
    this.tls = facts;
    this.#events.later(() => done(facts));
  }

  /** The peer reads so many octets more, or all there will be. */
  read(octets = Infinity): void {
    this.#room = octets;
    this.#events.later(() => this.#drain());
  }

  #take(bytes: Uint8Array): void {
    this.#room -= bytes.length;
    if (bytes.length > 0) this.onWritten(bytes);
  }

  #drain(): void {
    if (this.queued === 0 || this.#over) return;
    while (this.#queue.length > 0 && this.#room > 0) {
      const [first] = this.#queue.splice(0, 1);
      const taken = first!.subarray(0, this.#room);
      this.queued -= taken.length;
      if (taken.length < first!.length) this.#queue.unshift(first!.subarray(taken.length));
      this.#take(taken);
    }
    if (this.queued > 0) return;
    if (this.ended === "close") this.#finish(undefined);
    else this.#events.later(() => !this.#over && this.owner.drain());
  }

  #deliver(): void {
    while (!this.paused && this.#hears()) {
      const first = this.#inbox.shift();
      if (first === undefined) return;
      if (first === "end") this.owner.end();
      else {
        const view = first.slice();
        this.owner.data(view);
        view.fill(SPOILT);
      }
    }
  }

  #hears(): boolean {
    return !this.#over && this.handshake === undefined && this.ended !== "close" && this.ended !== "abort";
  }

  #finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.later(() => this.owner.close(error));
  }
}

/** One attempt of the proxy to connect. */
export class FakeDial implements Connecting {
  readonly endpoint: Endpoint;
  /** The proxy has given it up. */
  cancelled = false;
  readonly #events: FakeEvents;
  readonly #owner: ConnectOwner;

  constructor(events: FakeEvents, endpoint: Endpoint, owner: ConnectOwner) {
    this.#events = events;
    this.endpoint = endpoint;
    this.#owner = owner;
  }

  cancel(): void {
    this.cancelled = true;
  }

  open(): FakeWire {
    const remote = "host" in this.endpoint ? this.endpoint : { host: "unix", port: 0 };
    const wire = new FakeWire(this.#events, this.#owner, remote, LOCAL);
    this.#events.later(() => !this.cancelled && this.#owner.open(wire));
    return wire;
  }

  refuse(): void {
    this.#events.later(() => !this.cancelled && this.#owner.close(new Error("ECONNREFUSED")));
  }
}

/** Hands every dial to the test, and brings the clients that the test makes up. */
export class FakeNetwork implements Network {
  readonly events: FakeEvents;
  onDial: (dial: FakeDial) => void = (dial) => dial.refuse();
  /** Who listens, and until when. */
  readonly listening: ListenOptions[] = [];

  constructor(events: FakeEvents) {
    this.events = events;
  }

  connect(endpoint: Endpoint, owner: ConnectOwner): Connecting {
    const dial = new FakeDial(this.events, endpoint, owner);
    this.events.later(() => !dial.cancelled && this.onDial(dial));
    return dial;
  }

  listen(options: ListenOptions): Promise<Listener> {
    this.listening.push(options);
    const close = () => void this.listening.splice(this.listening.indexOf(options), 1);
    return Promise.resolve({ address: LOCAL, close });
  }

  /** A client from this address comes to the first listener; undefined where nobody listens. */
  call(host: string): FakeWire | undefined {
    const [options] = this.listening;
    if (options === undefined) return undefined;
    const wire = new FakeWire(this.events, NOBODY, { host, port: 50_000 }, LOCAL);
    wire.owner = options.accept(wire);
    return wire;
  }
}
