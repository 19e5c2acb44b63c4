/**
 * What checks of settings are made of. A check looks at a value as it came, and says what is wrong with it: the setting,
 * what was given, what is allowed.
 */
import type { Unit } from "./units.ts";

/** Milliseconds that a timer can run: one that is set for longer fires at once. */
const LONGEST = 2_147_483_647;

/** @returns the mistakes, a line each */
export type Check = (path: string, given: unknown) => string[];

/** @param allowed what is allowed, in words */
export function value(isGood: (given: unknown) => boolean, allowed: string): Check {
  return (path, given) => isGood(given) ? [] : [`${path}: ${shown(given)} was given; allowed is ${allowed}`];
}

/** A setting may be left out. */
export function optional(check: Check): Check {
  return (path, given) => (given === undefined ? [] : check(path, given));
}

/** One of a few values. */
export function choice(allowed: readonly unknown[]): Check {
  return value((given) => allowed.includes(given), `one of ${allowed.join(", ")}`);
}

/** Each element is checked, under its place. */
export function list(check: Check): Check {
  return (path, given) => {
    if (!Array.isArray(given)) return [`${path}: ${shown(given)} was given; allowed is an array`];
    return given.flatMap((each, i) => check(`${path}[${i}]`, each));
  };
}

/** An object of numbers, under these names. */
export function numbers(units: Readonly<Record<string, Unit>>): Check {
  return (path, given) =>
    Object.entries(units).flatMap(([name, unit]) =>
      number(unit)(`${path}.${name}`, (given as Record<string, unknown>)[name])
    );
}

/** A number above 0, whole where it counts something. */
export function number(unit: Unit): Check {
  return (path, given) => {
    const isTimer = path === "drain" || path === "limits.handshakeTime" || path.startsWith("deadlines.");
    const isWhole = unit === "" || unit === "octets";
    const isGood = typeof given === "number" && given > 0 && (!isTimer || given <= LONGEST) &&
      (!isWhole || given === Infinity || Number.isInteger(given));
    if (isGood) return [];
    const kind = isWhole ? "a whole number" : "a number";
    const upTo = isTimer ? ` up to ${LONGEST}` : ", or Infinity";
    return [
      `${path}: ${shown(given)} was given; allowed is ${kind}${unit && ` of ${unit}`} above 0${upTo}`,
    ];
  };
}

/** Text, and not empty. */
export function isText(given: unknown): given is string {
  return typeof given === "string" && given !== "";
}

/** A value in a line: numbers as they are (JSON has no Infinity), all else as JSON. */
export function shown(given: unknown): string {
  return typeof given === "number" || typeof given === "function"
    ? String(given).split("\n")[0]!
    : JSON.stringify(given) ?? String(given);
}
