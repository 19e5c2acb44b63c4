/**
 * What a stage has to do, made of the policy's rules once: only who has a handler there is left in it.
 */
import type { Mode } from "./engine.ts";
import { clientPrefix } from "./networks.ts";
import type { Plugin } from "./plugin.ts";
import { type Group, isGroup, type Rule } from "./rule.ts";
import type { Known, Stage } from "./stages.ts";

/** One thing to do. */
export type Node =
  | { readonly kind: "ask"; readonly plugin: Plugin; readonly order: number }
  /** `shared`: what one of its nodes comes to leaves out no part of another, so that they can share a hearing. */
  | { readonly kind: "parallel"; readonly nodes: readonly Node[]; readonly shared: boolean }
  | {
    readonly kind: "if";
    readonly words: string;
    readonly test: (session: Known, client: string) => boolean;
    readonly nodes: readonly Node[];
  }
  /** `hold` keeps a refusal for RCPT, `release` lets it go there. */
  | { readonly kind: "hold"; readonly group: Group; readonly nodes: readonly Node[] }
  | {
    readonly kind: "release";
    readonly group: Group;
    readonly nodes: readonly Node[];
    readonly order: number;
  }
  | { readonly kind: "shadow"; readonly group: Group; readonly nodes: readonly Node[] };

/** One plugin in a program. */
export interface Step {
  readonly plugin: Plugin;
  readonly order: number;
  readonly mode: Mode;
  /** The groups around it, the outermost first, in words: `"parallel"`, `"sample 10 %"`. */
  readonly within: readonly string[];
  /** What it refuses waits for RCPT. */
  readonly held: boolean;
}

/** The stages before RCPT. */
const EARLY: readonly Stage[] = ["connect", "helo", "mail"];

/** What is to be done at a stage. */
export function compile(rules: readonly Rule[], stage: Stage): readonly Node[] {
  let order = 0;
  const all = (rules: readonly Rule[]): Node[] => rules.flatMap((rule) => one(rule));
  const one = (rule: Rule): Node[] => {
    if (!isGroup(rule)) {
      const place = order++;
      return rule[stage] === undefined ? [] : [{ kind: "ask", plugin: rule, order: place }];
    }
    const place = order;
    const nodes = all(rule.rules);
    if (rule.group === "at-rcpt" && stage === "rcpt") {
      const holds = EARLY.some((early) => compile(rule.rules, early).length > 0);
      return holds ? [{ kind: "release", group: rule, nodes, order: place }] : nodes;
    }
    return nodes.length === 0 ? [] : [...group(rule, nodes, stage, place)];
  };
  return all(rules);
}

function group(rule: Group, nodes: readonly Node[], stage: Stage, order: number): readonly Node[] {
  switch (rule.group) {
    case "parallel":
      return [{ kind: "parallel", nodes, shared: nodes.length === 1 || nodes.every(isAsk) }];
    case "shadow":
      return [{ kind: "shadow", group: rule, nodes }];
    case "at-rcpt":
      return EARLY.includes(stage) ? [{ kind: "hold", group: rule, nodes }] : nodes;
    case "when":
      return [{ kind: "if", words: "when", test: (session) => rule.test(session), nodes }];
    case "unless":
      return [{ kind: "if", words: "unless", test: (session) => !rule.test(session), nodes }];
    case "sample": {
      // By the group's place, so that two samples of a policy are not of the same clients.
      const test = (_session: Known, client: string) =>
        share(`${order} ${clientPrefix(client)}`) < rule.percent;
      return [{ kind: "if", words: `sample ${rule.percent} %`, test, nodes }];
    }
  }
}

function isAsk({ kind }: Node): boolean {
  return kind === "ask";
}

/** From 0 to below 100, the same for the same text (FNV-1a). */
function share(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // The low bits of a short text are not well mixed.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 12)) >>> 0) / 0x1_0000_0000 * 100;
}

/** The plugins of a program, in order. */
export function steps(nodes: readonly Node[], around: Around = NOTHING_AROUND): Step[] {
  return nodes.flatMap((node) => {
    if (node.kind === "ask") return [{ plugin: node.plugin, order: node.order, ...around }];
    return steps(node.nodes, inside(node, around));
  });
}

type Around = Pick<Step, "mode" | "within" | "held">;

const NOTHING_AROUND: Around = { mode: "enforce", within: [], held: false };

function inside(node: Exclude<Node, { kind: "ask" }>, around: Around): Around {
  const within = (words: string) => [...around.within, words];
  switch (node.kind) {
    case "shadow":
      return { ...around, mode: "shadow", within: within("shadow") };
    case "hold":
      return { ...around, held: true, within: within("held until RCPT") };
    case "release":
      return around;
    default:
      return { ...around, within: within(node.kind === "if" ? node.words : node.kind) };
  }
}

/** All plugins of some rules, in order, and whether what they say counts. */
export function withModes(
  rules: readonly Rule[],
  mode: Mode = "enforce",
): { readonly plugin: Plugin; readonly mode: Mode }[] {
  return rules.flatMap((rule) => {
    if (!isGroup(rule)) return [{ plugin: rule, mode }];
    return withModes(rule.rules, rule.group === "shadow" ? "shadow" : mode);
  });
}
