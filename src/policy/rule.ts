/**
 * What a policy lists: plugins, and groups of them that are asked in another way than one after the other.
 */
import { type Plugin, pluginMistakes } from "./plugin.ts";
import type { Known } from "./stages.ts";

/** Rules that are asked together. */
export type Group =
  & { readonly rules: readonly Rule[] }
  & (
    | { readonly group: "parallel" | "shadow" | "at-rcpt" }
    | { readonly group: "when" | "unless"; readonly test: (session: Known) => boolean }
    | { readonly group: "sample"; readonly percent: number }
  );

export type Rule = Plugin | Group;

/** Asks all at the same time; the strictest verdict counts, and every finding. */
export function parallel(...rules: readonly Rule[]): Group {
  return { group: "parallel", rules };
}

/** Asks only where the test says true. What is not known yet at a stage is undefined there. */
export function when(test: (session: Known) => boolean, ...rules: readonly Rule[]): Group {
  return { group: "when", test, rules };
}

/** Asks only where the test says false. */
export function unless(test: (session: Known) => boolean, ...rules: readonly Rule[]): Group {
  return { group: "unless", test, rules };
}

/**
 * Asks and never obeys: what the rules would have done is counted and logged, nobody waits for it, their findings are
 * seen by themselves alone, and what they store is stored apart.
 */
export function shadow(...rules: readonly Rule[]): Group {
  return { group: "shadow", rules };
}

/**
 * Asks for a share of the clients: always the same ones, by their network (/24, /64).
 * @param percent 0 to 100
 */
export function sample(percent: number, ...rules: readonly Rule[]): Group {
  return { group: "sample", percent, rules };
}

/**
 * Holds what the rules refuse before RCPT until then, so that the log knows the recipient; postmaster is let through
 * (RFC 5321 §4.5.1).
 */
export function atRcpt(...rules: readonly Rule[]): Group {
  return { group: "at-rcpt", rules };
}

/** The same plugin under another name: two of a kind in one policy need two names. */
export function named(name: string, plugin: Plugin): Plugin {
  return { ...plugin, name };
}

export function isGroup(rule: Rule): rule is Group {
  return "group" in rule;
}

/** All plugins of some rules, in order. */
export function pluginsOf(rules: readonly Rule[]): readonly Plugin[] {
  return rules.flatMap((rule) => (isGroup(rule) ? pluginsOf(rule.rules) : [rule]));
}

const GROUPS: readonly unknown[] = ["parallel", "shadow", "at-rcpt", "when", "unless", "sample"];

/** What is wrong with what should be a rule, each line with its place. */
export function ruleMistakes(place: string, given: unknown): string[] {
  if (typeof given === "function") {
    return [`${place}: a function was given; allowed is the plugin that it makes, as in spf() for spf`];
  }
  if (typeof given !== "object" || given === null || !("group" in given)) {
    const name: unknown = (given as Plugin | null | undefined)?.name;
    const named = typeof name === "string" ? `${place} (${name})` : place;
    return pluginMistakes(given).map((mistake) => `${named}: ${mistake}`);
  }
  const { group, rules, test, percent } = given as Record<string, unknown>;
  if (!GROUPS.includes(group)) {
    return [`${place}: group ${JSON.stringify(group)} was given; allowed are ${GROUPS.join(", ")}`];
  }
  const mistakes: string[] = [];
  if ((group === "when" || group === "unless") && typeof test !== "function") {
    mistakes.push(`${place} (${group}): test ${JSON.stringify(test)} was given; allowed is a function`);
  }
  if (group === "sample" && !(typeof percent === "number" && percent >= 0 && percent <= 100)) {
    mistakes.push(
      `${place} (sample): percent ${String(percent)} was given; allowed is a number from 0 to 100`,
    );
  }
  if (!Array.isArray(rules) || rules.length === 0) {
    return [...mistakes, `${place} (${group}): no plugin was given; at least one is needed`];
  }
  return [...mistakes, ...rules.flatMap((rule, i) => ruleMistakes(`${place}.rules[${i}]`, rule))];
}
