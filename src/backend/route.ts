/**
 * The choice of a pool: the routes of a policy, made ready, and asked for one recipient at a time. Nothing here knows
 * what a pool is but its name.
 */
import {
  type Condition,
  CONDITIONS,
  DEFAULT_POOL,
  domainKey,
  type PoolChoice,
  type Route,
  userDomain,
  valuesOf,
} from "../policy/route.ts";
import type { MailFacts } from "../policy/stages.ts";
import { utf8Text } from "../policy/utf8_text.ts";
import type { Path } from "../smtp/path.ts";

/** Whose mail it is. */
export interface Routed {
  readonly listener: string;
  readonly user: string | undefined;
  /** Undefined at MAIL. */
  readonly recipient: Path | undefined;
  /** What a function among the routes is told. */
  facts(): MailFacts;
}

/** The pool, and which route has said so. */
export interface RouteChoice {
  readonly pool: string;
  /** `"routes[1]"`; undefined where none holds. */
  readonly by: string | undefined;
}

/** A function among the routes has failed: where, and why. */
export class RouteFault extends Error {}

type Test = (value: string | undefined) => boolean;

interface Ready {
  readonly place: string;
  readonly tests: readonly (readonly [condition: Condition, holds: Test])[];
  readonly pool: string | PoolChoice;
  readonly listeners: readonly string[] | undefined;
}

export class Routes {
  readonly #ready: readonly Ready[];
  readonly #pools: ReadonlySet<string>;

  /** @param pools the names of all pools */
  constructor(routes: readonly Route[], pools: ReadonlySet<string>) {
    this.#ready = routes.map(ready);
    this.#pools = pools;
  }

  /**
   * The first route that holds says the pool; where none does, it is the default pool.
   * @throws RouteFault
   */
  choose(routed: Routed): RouteChoice {
    if (this.#ready.length === 0) return NO_ROUTE;
    const values: Record<Condition, string | undefined> = {
      listener: routed.listener,
      domain: routed.recipient && domainKey(utf8Text(routed.recipient.domain)),
      user: routed.user,
    };
    for (const { place, tests, pool } of this.#ready) {
      if (!tests.every(([condition, holds]) => holds(values[condition]))) continue;
      const name = typeof pool === "string" ? pool : this.#ask(pool, place, routed);
      if (name !== undefined) return { pool: name, by: place };
    }
    return NO_ROUTE;
  }

  #ask(choice: PoolChoice, place: string, { facts, recipient }: Routed): string | undefined {
    let given: unknown;
    try {
      given = choice(facts(), recipient);
    } catch (cause) {
      throw new RouteFault(`${place}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    if (given === undefined || this.#pools.has(given as string)) return given as string | undefined;
    // A promise that is let go of must not end the process when it fails.
    if (given instanceof Promise) given.catch(() => {});
    const shown = given instanceof Promise ? "a promise" : JSON.stringify(given) ?? String(given);
    throw new RouteFault(`${place}: ${shown} was returned; allowed are ${[...this.#pools].join(", ")}`);
  }

  /** The pools that mail of a listener's clients can go to. */
  from(listener: string): ReadonlySet<string> {
    const reached = new Set<string>();
    for (const { tests, pool, listeners } of this.#ready) {
      if (listeners !== undefined && !listeners.includes(listener)) continue;
      if (typeof pool === "function") return this.#pools;
      reached.add(pool);
      // Nothing gets past it.
      if (tests.every(([condition]) => condition === "listener")) return reached;
    }
    return reached.add(DEFAULT_POOL);
  }
}

const NO_ROUTE: RouteChoice = { pool: DEFAULT_POOL, by: undefined };

function ready(route: Route, index: number): Ready {
  return {
    place: `routes[${index}]`,
    pool: route.pool,
    listeners: valuesOf(route, "listener"),
    tests: CONDITIONS.flatMap((condition) => {
      const values = valuesOf(route, condition);
      return values === undefined ? [] : [[condition, testOf(condition, values)] as const];
    }),
  };
}

function testOf(condition: Condition, values: readonly string[]): Test {
  switch (condition) {
    case "listener":
      return (value) => value !== undefined && values.includes(value);
    case "domain":
      return domainTest(values.map(domainKey));
    case "user":
      return userTest(values);
  }
}

/** Looks a domain up, and then the domains above it: no list makes it slower. */
function domainTest(patterns: readonly string[]): Test {
  const known = new Set(patterns);
  return (domain) => {
    if (domain === undefined || domain === "") return false;
    if (known.has(domain)) return true;
    for (let dot = domain.indexOf("."); dot !== -1; dot = domain.indexOf(".", dot + 1)) {
      if (known.has(`*${domain.slice(dot)}`)) return true;
    }
    return false;
  };
}

function userTest(values: readonly string[]): Test {
  const names = new Set(values.filter((value) => !value.startsWith("*@")));
  const domains = new Set(
    values.filter((value) => !names.has(value)).map((value) => domainKey(value.slice(2))),
  );
  return (user) => {
    if (user === undefined) return false;
    if (names.has(user)) return true;
    const domain = userDomain(user);
    return domain !== undefined && domains.has(domain);
  };
}
