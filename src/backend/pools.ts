/**
 * All pools of a proxy: the default one, those that the policy names, and those that a plugin has asked for by address.
 * The latter are made when they are needed, kept for a while, and bounded in number.
 */
import { BACKEND_DEFAULTS, type BackendOptions } from "../policy/backend_address.ts";
import { tlsMode } from "../policy/backend_security.ts";
import type { BackendAddress } from "../policy/settings.ts";
import { DEFAULT_POOL, type Route, type RouteAddress, type RouteTarget } from "../policy/route.ts";
import { commonExtensions } from "../smtp/common_extensions.ts";
import type { Extensions } from "../smtp/extensions.ts";
import type { Backend } from "./backend.ts";
import type { Pool } from "./pool.ts";
import { type Routed, RouteFault, Routes } from "./route.ts";

/** Pools made on demand, at a time. */
const MOST = 256;
/** Milliseconds after which one that nobody uses is given up. */
const UNUSED = 600_000;

/** Where a transaction goes. Who goes there says so, and says when it is over. */
export interface Destination {
  readonly pool: Pool;
  readonly name: string;
  enter(): void;
  leave(): void;
}

export interface PoolsSettings {
  readonly backends: readonly BackendAddress[];
  readonly pools: Readonly<Record<string, readonly BackendAddress[]>>;
  readonly routes: readonly Route[];
  /** There are plugins: they may choose a pool that no route names. */
  readonly plugins: readonly unknown[];
}

/** A pool that a plugin has asked for by address. */
class OnDemand implements Destination {
  readonly pool: Pool;
  readonly name: string;
  readonly #now: () => number;
  #users = 0;
  #usedAt: number;

  constructor(name: string, pool: Pool, now: () => number) {
    this.name = name;
    this.pool = pool;
    this.#now = now;
    this.#usedAt = now();
  }

  get used(): boolean {
    return this.#users > 0;
  }

  get usedAt(): number {
    return this.#usedAt;
  }

  enter(): void {
    this.#users++;
    this.#usedAt = this.#now();
  }

  leave(): void {
    this.#users--;
    this.#usedAt = this.#now();
  }
}

/** The pools that a listener's mail can go to. */
export interface Reach {
  /** What all of them offer, as far as they were seen; undefined while none was. */
  extensions(): Extensions | undefined;
  /** Looks at the backends that were never seen. */
  probe(done: () => void): void;
}

export class Pools {
  readonly default: Pool;
  readonly #settings: PoolsSettings;
  readonly #make: (backends: readonly BackendAddress[]) => Pool;
  readonly #now: () => number;
  readonly #named: ReadonlyMap<string, Destination>;
  readonly #routes: Routes;
  readonly #reaches = new Map<string, Reach>();
  /** By address, the last used last. */
  readonly #onDemand = new Map<string, OnDemand>();
  /** Given up, and waiting for their last replies. */
  readonly #leaving = new Set<Pool>();

  constructor(
    settings: PoolsSettings,
    make: (backends: readonly BackendAddress[]) => Pool,
    now: () => number,
  ) {
    this.#settings = settings;
    this.#make = make;
    this.#now = now;
    const all = [[DEFAULT_POOL, settings.backends] as const, ...Object.entries(settings.pools)];
    this.#named = new Map(all.map(([name, backends]) => [name, fixed(name, make(backends))]));
    this.default = this.#named.get(DEFAULT_POOL)!.pool;
    this.#routes = new Routes(settings.routes, this.names);
  }

  /** Of the pools that the policy names, the default one first. */
  get names(): ReadonlySet<string> {
    return new Set(this.#named.keys());
  }

  /**
   * Where a recipient's mail goes, and who has said so.
   * @param sent where a plugin has sent it
   * @throws RouteFault
   */
  destination(
    routed: Routed,
    sent?: RouteTarget,
  ): { readonly to: Destination; readonly by: string | undefined } {
    if (sent !== undefined) return { to: this.#sentTo(sent), by: undefined };
    const { pool, by } = this.#routes.choose(routed);
    return { to: this.#named.get(pool)!, by };
  }

  /** Recipients of one transaction may go to different pools. */
  get parted(): boolean {
    return this.#settings.routes.length > 0;
  }

  #sentTo(target: RouteTarget): Destination {
    if (typeof target !== "string") return this.#at(target);
    const named = this.#named.get(target);
    if (named === undefined) throw new RouteFault(`there is no pool ${JSON.stringify(target)}`);
    return named;
  }

  #at({ host, port }: RouteAddress): Destination {
    const name = host.includes(":") ? `[${host.toLowerCase()}]:${port}` : `${host}:${port}`;
    const known = this.#onDemand.get(name);
    const one = known ?? this.#open(name, { host, port });
    // The last used stands last.
    this.#onDemand.delete(name);
    this.#onDemand.set(name, one);
    return one;
  }

  #open(name: string, endpoint: RouteAddress): OnDemand {
    this.#makeRoom();
    return new OnDemand(name, this.#make([{ ...this.#optionsAt(endpoint), name, endpoint }]), this.#now);
  }

  /** A backend of the policy's is talked to as the policy says, a server that it does not know without any secret. */
  #optionsAt({ host, port }: RouteAddress): BackendOptions {
    const { backends, pools } = this.#settings;
    const known = [backends, ...Object.values(pools)].flat().find(({ endpoint }) =>
      "port" in endpoint && endpoint.port === port && endpoint.host.toLowerCase() === host.toLowerCase()
    );
    return known ?? optionsOfStranger(backends[0]);
  }

  #makeRoom(): void {
    if (this.#onDemand.size < MOST) return;
    const unused = [...this.#onDemand.values()].find(({ used }) => !used);
    if (unused === undefined) throw new RouteFault(`${MOST} addresses are in use at once; no more are taken`);
    this.#giveUp(unused);
  }

  #giveUp({ name, pool }: OnDemand): void {
    this.#onDemand.delete(name);
    pool.drain();
    this.#leaving.add(pool);
  }

  /** What is behind a listener. */
  reach(listener: string): Reach {
    let reach = this.#reaches.get(listener);
    if (reach === undefined) this.#reaches.set(listener, reach = reachOf(this.#behind(listener)));
    return reach;
  }

  /** A pool that no route names is for plugins, wherever the client came in. */
  #behind(listener: string): readonly Pool[] {
    const names = new Set(this.#routes.from(listener));
    const routed = new Set(this.#settings.routes.map(({ pool }) => pool));
    if (this.#settings.plugins.length > 0) {
      for (const name of Object.keys(this.#settings.pools)) if (!routed.has(name)) names.add(name);
    }
    return [...names].map((name) => this.#named.get(name)!.pool);
  }

  /** Every pool there is now, those made on demand behind the others. */
  get all(): readonly Destination[] {
    return [...this.#named.values(), ...this.#onDemand.values()];
  }

  /** Whether any backend has been seen. */
  get seen(): boolean {
    return this.#pools.some((pool) => pool.extensions() !== undefined);
  }

  /** Of the pools that the policy names. */
  get backends(): readonly Backend[] {
    return this.#pools.flatMap(({ backends }) => backends);
  }

  /** No backend can be asked, in any pool. */
  get down(): boolean {
    return this.#pools.every((pool) => pool.down);
  }

  /** Learns what the backends offer that were never seen; `done` is told when each has been seen or has failed. */
  probe(done: () => void): void {
    probeAll(this.#pools, done);
  }

  get #pools(): readonly Pool[] {
    return [...this.#named.values()].map(({ pool }) => pool);
  }

  /** Looks again where no backend was seen yet; to be called now and then. */
  seek(): void {
    for (const pool of this.#pools) if (pool.extensions() === undefined) pool.probe(() => {});
  }

  /** Looks after deadlines, idle connections and pools that nobody uses; to be called now and then. */
  tick(now: number): void {
    for (const pool of this.#pools) pool.tick(now);
    for (const one of this.#onDemand.values()) {
      one.pool.tick(now);
      if (!one.used && now - one.usedAt > UNUSED) this.#giveUp(one);
    }
    for (const pool of this.#leaving) {
      pool.tick(now);
      if (pool.size === 0) this.#leaving.delete(pool);
    }
  }

  /** Keeps nothing idle from now on. */
  drain(): void {
    for (const { pool } of this.all) pool.drain();
  }
}

function fixed(name: string, pool: Pool): Destination {
  return { name, pool, enter() {}, leave() {} };
}

/**
 * How mail servers are spoken to, without what is one server's: who it is (its name, its key), and what only it may see
 * (our login, our certificate). No level of TLS is lost with it.
 */
function optionsOfStranger(first: BackendAddress | undefined): BackendOptions {
  if (first === undefined) return BACKEND_DEFAULTS;
  const { lmtp, identity, ca, pins } = first;
  const tls = tlsMode(first) === "required" ? "required" : first.tls;
  // Beside a pin `none` was safe; without it, it would be anybody.
  const verify = pins.length > 0 ? "name" : first.verify;
  return { ...BACKEND_DEFAULTS, lmtp, identity, ca, tls, verify };
}

function probeAll(pools: readonly Pool[], done: () => void): void {
  let left = pools.length;
  for (const pool of pools) pool.probe(() => --left === 0 && done());
}

function reachOf(pools: readonly Pool[]): Reach {
  let seen: readonly (Extensions | undefined)[] = [];
  let common: Extensions | undefined;
  return {
    extensions() {
      if (pools.length === 1) return pools[0]!.extensions();
      const now = pools.map((pool) => pool.extensions());
      // The same answer again is the same object: who makes an offer of it remembers it by that.
      if (now.some((extensions, i) => extensions !== seen[i])) {
        seen = now;
        common = commonExtensions(now.filter((extensions) => extensions !== undefined));
      }
      return common;
    },
    probe: (done) => probeAll(pools, done),
  };
}
