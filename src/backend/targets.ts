/**
 * The addresses that are dialled: a backend given by an address is one, a backend given by a name is as many as the name
 * has, and they change with it. What could be looked up once is kept while it cannot be looked up again.
 */
import { isIP } from "node:net";
import type { BackendAddress } from "../policy/settings.ts";
import type { Backend } from "./backend.ts";
import type { Tell } from "./told.ts";

/** What a name stands for. */
export interface Resolved {
  /** IPv4 and IPv6. */
  readonly hosts: readonly string[];
  /** Milliseconds for which it holds. */
  readonly ttl: number;
  /** False: there may be more, which could not be asked for. */
  readonly complete: boolean;
  /** Where it is not complete: the family of which all are here. */
  readonly whole?: 4 | 6 | undefined;
}

/** Looks up the addresses of a name; rejects where it cannot be done. */
export type Resolve = (name: string) => Promise<Resolved>;

/** Bounds on how long an answer is believed, in milliseconds. */
const LEAST_TTL = 5_000;
const MOST_TTL = 3_600_000;
/** After a failure it is asked again so soon. */
const AGAIN = 5_000;
/** Addresses of one name. */
const MOST_ADDRESSES = 32;

interface Place {
  readonly address: BackendAddress;
  backends: Backend[];
  /** When its name is to be looked up; Infinity where it is none, or while it is looked up. */
  due: number;
  drained: boolean;
  /** The last look-up failed. */
  failing: boolean;
}

/** Who is told, and who makes a backend of an address. */
export interface TargetsOwner {
  readonly resolve: Resolve | undefined;
  now(): number;
  make(address: BackendAddress, host?: string): Backend;
  added(backend: Backend): void;
  /** The backend is drained from now on. */
  left(backend: Backend): void;
  readonly tell: Tell;
}

export class Targets {
  readonly #owner: TargetsOwner;
  readonly #places: readonly Place[];
  #list: readonly Backend[] = [];
  /** Names that were never looked up to an end, and who waits for them. */
  #unknown = 0;
  #waiting: (() => void)[] = [];

  constructor(addresses: readonly BackendAddress[], owner: TargetsOwner) {
    this.#owner = owner;
    this.#places = addresses.map((address) => {
      const named = owner.resolve !== undefined && isName(address);
      if (named) this.#unknown++;
      const backends = named ? [] : [owner.make(address)];
      return { address, backends, due: named ? -Infinity : Infinity, drained: false, failing: false };
    });
    this.#relist();
  }

  /** Every address that may be dialled now. */
  get list(): readonly Backend[] {
    return this.#list;
  }

  /** Looks up what is due; to be called now and then. */
  tick(now: number): void {
    for (const place of this.#places) if (now >= place.due) void this.#lookUp(place);
  }

  /** Tells when each name has been looked up once, or could not be. */
  known(done: () => void): void {
    this.tick(this.#owner.now());
    if (this.#unknown === 0) done();
    else this.#waiting.push(done);
  }

  /** Sets whether a backend is drained, by its name as the operator wrote it; undefined where there is none. */
  setDrained(name: string, drained: boolean): readonly Backend[] | undefined {
    const places = this.#places.filter(({ address }) => address.name === name);
    for (const place of places) {
      place.drained = drained;
      for (const backend of place.backends) backend.drained = drained;
    }
    return places.length === 0 ? undefined : places.flatMap(({ backends }) => backends);
  }

  async #lookUp(place: Place): Promise<void> {
    const first = place.due === -Infinity;
    place.due = Infinity;
    try {
      const host = (place.address.endpoint as { readonly host: string }).host;
      this.#found(place, await this.#owner.resolve!(host));
    } catch (cause) {
      this.#failed(place, cause);
    }
    if (!first || --this.#unknown > 0) return;
    for (const told of this.#waiting.splice(0)) told();
  }

  #found(place: Place, { hosts, ttl, complete, whole }: Resolved): void {
    if (hosts.length === 0) throw new Error("it has no address");
    place.due = this.#owner.now() + Math.min(MOST_TTL, Math.max(LEAST_TTL, ttl));
    if (place.failing) this.#owner.tell("info", "backend name found", { backend: place.address.name });
    place.failing = false;
    const known = new Map(place.backends.map((backend) => [hostOf(backend), backend]));
    const found = new Set(someOf(hosts));
    // An address family that nobody answers for must not keep those of the other one for ever.
    const told = (host: string) => complete || isIP(host) === whole;
    const kept = place.backends.filter((backend) => found.has(hostOf(backend)) || !told(hostOf(backend)));
    const fresh = [...found].filter((host) => !known.has(host)).map((host) => this.#add(place, host));
    const vanished = place.backends.filter((backend) => !kept.includes(backend));
    place.backends = [...kept, ...fresh];
    if (fresh.length + vanished.length === 0) return;
    this.#relist();
    for (const backend of vanished) this.#leave(backend);
    for (const backend of fresh) this.#owner.added(backend);
  }

  #add({ address, drained }: Place, host: string): Backend {
    const backend = this.#owner.make(address, host);
    backend.drained = drained;
    return backend;
  }

  #leave(backend: Backend): void {
    backend.gone = true;
    this.#owner.tell("info", "backend address gone", { backend: backend.name });
    this.#owner.left(backend);
  }

  #failed(place: Place, cause: unknown): void {
    place.due = this.#owner.now() + AGAIN;
    if (place.failing) return;
    place.failing = true;
    const { name } = place.address;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const meanwhile = place.backends.map((backend) => backend.name).join(", ") || "none";
    this.#owner.tell("warn", "backend name lost", { backend: name, reason, meanwhile });
  }

  #relist(): void {
    this.#list = this.#places.flatMap(({ backends }) => backends);
  }
}

/** As many as are dialled. Of more, the same ones each time: servers turn the order of their answers. */
function someOf(hosts: readonly string[]): readonly string[] {
  return hosts.length <= MOST_ADDRESSES ? hosts : hosts.toSorted().slice(0, MOST_ADDRESSES);
}

function isName({ endpoint }: BackendAddress): boolean {
  return "host" in endpoint && isIP(endpoint.host) === 0;
}

function hostOf({ endpoint }: Backend): string {
  return "host" in endpoint ? endpoint.host : "";
}
