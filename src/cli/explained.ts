/**
 * What plugins said, in lines for people.
 */
import type { Action } from "../policy/action.ts";
import type { Asked } from "../policy/engine.ts";
import { causeText } from "../policy/failure.ts";
import type { Parts } from "../policy/question.ts";
import type { RouteTarget } from "../policy/route.ts";
import type { Stage } from "../policy/stages.ts";
import { severity, type Verdict } from "../policy/verdict.ts";
import { visible } from "../proxy/journal.ts";
import { replyCode } from "../proxy/judging.ts";

/**
 * A line for each question, and one for each thing that came of it besides.
 * @param held whether what a plugin refuses at a stage waits for RCPT
 * @param away plugins that look nothing up for this client, whose address is private
 */
export function askedLines(
  asked: readonly Asked[],
  held: (plugin: string, stage: Stage) => boolean,
  away: ReadonlySet<string>,
): string[] {
  return asked.flatMap(({ plugin, stage, mode, parts, failure, ms }) => {
    const verdicts = parts.filter(isVerdict);
    const waits = held(plugin, stage) && verdicts.some(({ kind }) => severity({ kind } as Verdict) > 1);
    const said = verdicts.map((verdict) => verdictText(verdict, stage));
    const failed = failure === undefined
      ? []
      : [`failed (${failure.kind}: ${visible(causeText(failure.cause))})`];
    const words = ([...failed, ...said].join(", ") || unobjected(away.has(plugin) && parts.length === 0)) +
      (waits ? " (held until RCPT)" : "");
    const shown = `${plugin} at ${stage}${mode === "shadow" ? " (shadow)" : ""}`;
    const line = `   ${shown.padEnd(28)} ${words}  [${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms]`;
    // A plugin that leaves notes says in them what its findings are.
    const noted = parts.some(({ kind }) => kind === "note");
    const shows = (part: Parts[number]): part is Action =>
      !isVerdict(part) && !(noted && part.kind === "finding");
    return [line, ...parts.filter(shows).flatMap(actionLines)];
  });
}

function unobjected(away: boolean): string {
  return away
    ? "no objection: nothing is looked up for a private address (privateAddresses)"
    : "no objection";
}

const VERDICTS: readonly string[] = ["accept", "delay", "defer", "reject", "disconnect"];

function isVerdict(part: Verdict | Action): part is Verdict {
  return VERDICTS.includes(part.kind);
}

/** As the client hears it. */
function verdictText(verdict: Verdict, stage: Stage): string {
  switch (verdict.kind) {
    case "accept":
      return "accept";
    case "delay":
      return `delay ${verdict.ms / 1000} s`;
    case "disconnect":
      return `disconnect: 421 4.${verdict.enhanced} ${verdict.text}`;
    default: {
      const { kind, enhanced, text } = verdict;
      const code = replyCode(stage, verdict);
      return `${kind}: ${code} ${Math.floor(code / 100)}.${enhanced} ${text}`;
    }
  }
}

function actionLines(action: Action): string[] {
  const line = (text: string) => [`      ${visible(text)}`];
  switch (action.kind) {
    case "finding":
      return line(`found ${action.key.name}: ${shortened(JSON.stringify(action.value))}`);
    case "score":
      return line(`score ${action.points > 0 ? "+" : ""}${action.points}: ${action.reason}`);
    case "note":
      return line(`${action.name}: ${action.value}`);
    case "header":
      return line(`adds ${action.name}: ${action.value}`);
    case "route":
      return line(`routes to ${targetText(action.target)}`);
    default:
      return [];
  }
}

function targetText(target: RouteTarget): string {
  return typeof target === "string" ? `pool ${target}` : `${target.host} port ${target.port}`;
}

/** Plugins leave findings for themselves too, and those may be long. */
function shortened(text: string | undefined): string {
  return text === undefined || text.length <= 200 ? `${text}` : `${text.slice(0, 200)}...`;
}

/** Goes on at once. */
export function waited(callback: () => void): () => void {
  const going = setTimeout(callback, 0);
  return () => clearTimeout(going);
}
