/**
 * What there is to look at once a transcript has been played.
 */
import type { Action } from "../policy/action.ts";
import type { Store } from "../policy/effects.ts";
import type { Asked } from "../policy/engine.ts";
import type { FindingKey, ScorePart } from "../policy/finding.ts";
import type { Verdict } from "../policy/verdict.ts";
import { utf8Text } from "../policy/utf8_text.ts";
import type { Mail } from "./receiver.ts";
import type { Entry, Scene } from "./scene.ts";

/** What the transcript does not show. */
export interface Played {
  /** Verdicts and notes as the log has them, `"quota@rcpt:defer"`, those in shadow in brackets. */
  readonly verdicts: readonly string[];
  /** Every question to a plugin, with what it returned and how long it took, in the order of the answers. */
  readonly asked: readonly Asked[];
  /** The last finding of this key that a plugin left. */
  finding<T>(key: FindingKey<T>): T | undefined;
  /** Every score that was given. */
  readonly scores: readonly ScorePart[];
  /** What the backend has taken, as text; empty where the transcript shows the backend's leg. */
  readonly mails: readonly Mail[];
  /** Lines of the log. A plugin's own have the event `"plugin"` and its words in `fields.text`. */
  readonly log: readonly Entry[];
  /**
   * What a metric has come to: the sum of all its values that bear these labels.
   * @example played.metric("sallyport_plugin_failures_total", { plugin: "quota", kind: "temporary" })
   */
  metric(name: string, labels?: Readonly<Record<string, string>>): number;
  readonly store: Store;
  readonly local: Store;
  /** Questions to the DNS, `"A mx.example"`, and requests, `"GET https://api.example/"`, where they are given as maps. */
  readonly questions: readonly string[];
  readonly requests: readonly string[];
  /** The clock's time at the end, in milliseconds since 1970. */
  readonly now: number;
}

/** What of it the one who plays has to bring. */
export interface Traces extends Pick<Played, "asked" | "store" | "local" | "questions" | "requests" | "now"> {
  readonly mails: readonly Mail[];
}

export function played(scene: Scene, traces: Traces): Played {
  const { asked, mails } = traces;
  return {
    ...traces,
    verdicts: asked.flatMap(trail),
    finding: (key) => lastFinding(asked, key),
    scores: asked.flatMap(scoresOf),
    mails: mails.map(({ from, to, added, message }) => ({
      from: utf8Text(from),
      to: to.map(utf8Text),
      added,
      message: utf8Text(message),
    })),
    log: scene.log,
    metric: (name, labels = {}) => sumOf(scene.metrics.text(), name, labels),
  };
}

function trail({ plugin, stage, mode, parts }: Asked): string[] {
  return parts.flatMap((part) => {
    if (ACTIONS.has(part.kind)) return [];
    const said = part.kind === "note" ? `${part.name}=${part.value}` : part.kind;
    return mode === "shadow" ? `(${plugin}@${stage}:${said})` : `${plugin}@${stage}:${said}`;
  });
}

/** The kinds that the log's trail does not show. */
const ACTIONS: ReadonlySet<(Action | Verdict)["kind"]> = new Set([
  "header",
  "finding",
  "score",
  "route",
  "commit",
  "rollback",
  "afterwards",
]);

function lastFinding<T>(asked: readonly Asked[], key: FindingKey<T>): T | undefined {
  const all = asked.filter(({ mode }) => mode === "enforce").flatMap(({ parts }) => parts);
  const last = all.findLast((part) => part.kind === "finding" && part.key === key);
  return (last as { readonly value: T } | undefined)?.value;
}

function scoresOf({ plugin, mode, parts }: Asked): ScorePart[] {
  if (mode === "shadow") return [];
  return parts.flatMap((part) =>
    part.kind === "score" ? { plugin, points: part.points, reason: part.reason } : []
  );
}

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const line of text.split("\n")) {
    const [, of, all = "", value] = /^([^ {#]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (of === name && wanted.every((label) => `,${all}`.includes(`,${label}`))) sum += Number(value);
  }
  return sum;
}
