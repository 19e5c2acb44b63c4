/**
 * The mistakes in pools and routes: names that nothing has, and routes that can never be taken.
 */
import { isDomain } from "./address.ts";
import {
  type Condition,
  CONDITIONS,
  DEFAULT_POOL,
  domainKey,
  type Route,
  userDomain,
  valuesOf,
} from "./route.ts";

/** What is known of the other settings. */
export interface RouteTerms {
  /** Names of listeners. */
  readonly listeners: readonly string[];
  /** Names of pools, without the default. */
  readonly pools: readonly string[];
}

/** A pool's name: it stands in logs and metrics. */
const POOL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A line for each name that no pool can have. */
export function poolNameMistakes(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    if (name === DEFAULT_POOL) {
      return [`pools.${name}: is the name of the pool that backends makes; allowed is another name`];
    }
    return POOL_NAME.test(name) ? [] : [
      `pools: the name ${
        JSON.stringify(name)
      } was given; allowed are 1 to 64 letters, digits, ".", "_" and "-"`,
    ];
  });
}

/** A line for each mistake, whatever was given. */
export function routeMistakes(given: unknown, terms: RouteTerms): string[] {
  if (!Array.isArray(given)) return [`routes: ${shown(given)} was given; allowed is an array`];
  const single = given.flatMap((route, i) => mistakesOf(route, `routes[${i}]`, terms));
  return single.length > 0 ? single : unreachable(given);
}

function mistakesOf(given: unknown, place: string, terms: RouteTerms): string[] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return [
      `${place}: ${shown(given)} was given; allowed is an object with a pool, and listener, domain, user`,
    ];
  }
  const strangers = Object.keys(given).filter((name) => !["pool", ...CONDITIONS].includes(name));
  return [
    ...strangers.map((name) =>
      `${place}.${name}: a route has no such part; allowed are pool, ${CONDITIONS.join(", ")}`
    ),
    ...CONDITIONS.flatMap((condition) => conditionMistakes(given as Route, condition, place, terms)),
    ...targetMistakes((given as Route).pool, `${place}.pool`, terms),
  ];
}

function targetMistakes(given: unknown, place: string, { pools }: RouteTerms): string[] {
  const names = [DEFAULT_POOL, ...pools];
  if (typeof given === "function" || names.includes(given as string)) return [];
  return [
    `${place}: ${shown(given)} was given; allowed are ${names.join(", ")}, or a function that names one`,
  ];
}

function conditionMistakes(route: Route, condition: Condition, place: string, terms: RouteTerms): string[] {
  const given: unknown = route[condition];
  if (given === undefined) return [];
  const here = `${place}.${condition}`;
  const values: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (values.length === 0) return [`${here}: [] was given; allowed is at least one`];
  return values.flatMap((value, i) => {
    const at = Array.isArray(given) ? `${here}[${i}]` : here;
    const wrong = wrongIn(condition, value, terms);
    if (wrong !== undefined) return [`${at}: ${shown(value)} was given; allowed ${wrong}`];
    const first = values.findIndex((other) => isCovered(condition, value as string, other as string));
    return first < i ? [`${at}: ${shown(value)} says nothing that ${shown(values[first])} does not`] : [];
  });
}

/** What is allowed instead; undefined where nothing is wrong. */
function wrongIn(condition: Condition, value: unknown, { listeners }: RouteTerms): string | undefined {
  switch (condition) {
    case "listener":
      return listeners.includes(value as string) ? undefined : `are ${listeners.join(", ")}`;
    case "domain":
      return typeof value === "string" && isPattern(value)
        ? undefined
        : 'is a domain name, or "*." before one for all domains below it';
    case "user":
      return typeof value === "string" && isUser(value)
        ? undefined
        : 'is a user\'s name, or "*@" before a domain for all of its users';
  }
}

function isPattern(text: string): boolean {
  const name = text.startsWith("*.") ? text.slice(2) : text;
  return name.includes("*") ? false : isDomain(domainKey(name));
}

function isUser(text: string): boolean {
  if (text.startsWith("*@")) return isDomain(domainKey(text.slice(2)));
  return text !== "" && !text.includes("*");
}

/** Whether a value of a condition only holds where `other` holds too. */
function isCovered(condition: Condition, value: string, other: unknown): boolean {
  if (typeof other !== "string") return false;
  if (condition === "listener") return value === other;
  if (condition === "user") {
    if (!other.startsWith("*@")) return value === other;
    return userDomain(value) === domainKey(other.slice(2));
  }
  const [one, whole] = [domainKey(value), domainKey(other)];
  return one === whole || (whole.startsWith("*.") && one.endsWith(whole.slice(1)));
}

// ---- routes behind routes ----

/** Routes, and values in them, that an earlier route always takes. */
function unreachable(routes: readonly Route[]): string[] {
  return routes.flatMap((route, i) => {
    const earlier = routes.slice(0, i);
    const taker = takerOf(route, earlier);
    if (taker !== -1) return [`routes[${i}]: is never reached, since routes[${taker}] takes all of it`];
    return CONDITIONS.flatMap((condition) =>
      (valuesOf(route, condition) ?? []).flatMap((value) => {
        const first = takerOf({ ...route, [condition]: value }, earlier);
        return first === -1
          ? []
          : [`routes[${i}].${condition}: ${shown(value)} is never reached, since routes[${first}] takes it`];
      })
    );
  });
}

/** The first that always holds where this one does; a function may leave the choice to others. */
function takerOf(route: Route, earlier: readonly Route[]): number {
  return earlier.findIndex((other) =>
    typeof other.pool === "string" && CONDITIONS.every((condition) => {
      const theirs = valuesOf(other, condition);
      if (theirs === undefined) return true;
      const ours = valuesOf(route, condition);
      return ours !== undefined &&
        ours.every((value) => theirs.some((one) => isCovered(condition, value, one)));
    })
  );
}

function shown(given: unknown): string {
  return typeof given === "function" ? "a function" : JSON.stringify(given) ?? String(given);
}
