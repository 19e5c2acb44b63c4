/**
 * The words for a transcript that did not come true: the line, what came instead, and what may be the reason.
 */
import type { Fields } from "../proxy/journal.ts";
import { shown, type Step } from "./script.ts";
import type { Scene } from "./scene.ts";

/** What came instead of a step, one character per byte. */
export interface Instead {
  readonly sign: "S:" | "   >";
  readonly octets: string;
}

/** Lines of the transcript that are shown before the one in question … */
const BEFORE = 4;
/** … and lines of what came instead. */
const INSTEAD = 12;

/** The whole message. */
export function mismatch(
  fault: string,
  at: Step | undefined,
  steps: readonly Step[],
  scene: Scene,
  instead?: Instead,
): string {
  const place = at === undefined ? "" : `line ${at.number}: `;
  const words = [...unlooked(scene, instead), ...failures(scene), ...waiting(scene)];
  return [`${place}${fault}`, "", ...excerpt(at, steps, instead), ...words].join("\n").trimEnd();
}

function excerpt(at: Step | undefined, steps: readonly Step[], instead: Instead | undefined): string[] {
  if (at === undefined) return [];
  const index = steps.indexOf(at);
  const width = String(at.number).length;
  const line = (step: Step, sign: string) =>
    `  ${sign} ${String(step.number).padStart(width)}  ${indented(step)}`;
  const came = instead === undefined ? [] : told(instead, width);
  return [
    ...steps.slice(Math.max(0, index - BEFORE), index).map((step) => line(step, " ")),
    line(at, instead === undefined ? ">" : "-"),
    ...came,
    "",
  ];
}

function indented({ kind, line }: Step): string {
  return kind === ">" || kind === "<" ? `   ${line.trim()}` : line.trim();
}

function told({ sign, octets }: Instead, width: number): string[] {
  const lines = shown(octets).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const first = lines.length === 0 ? ["(nothing)"] : lines.slice(0, INSTEAD).map((text) => `${sign} ${text}`);
  const more = lines.length > INSTEAD ? [`… and ${lines.length - INSTEAD} lines more`] : [];
  return [...first, ...more].map((text) => `  + ${"".padStart(width)}  ${text}`);
}

/** What was said and not looked at, but for what came instead. */
function unlooked({ heard, connections }: Scene, instead: Instead | undefined): string[] {
  const said = [
    { whom: "the client", octets: heard },
    ...connections.map(({ name, seen }, i) => ({ whom: `backend ${name} (${i + 1})`, octets: seen })),
  ];
  return said.filter(({ octets }) => octets !== "" && octets !== instead?.octets)
    .map(({ whom, octets }) => `  ${whom} was told: ${JSON.stringify(shown(octets))}`);
}

/** Plugins that failed, refusals, and faults of the proxy's own. */
function failures({ log }: Scene): string[] {
  const words: Readonly<Record<string, (fields: Fields) => string>> = {
    "plugin failed": ({ plugin, stage, kind, cause }) => `${plugin} failed at ${stage} (${kind}): ${cause}`,
    "circuit open": ({ plugin }) => `${plugin} is not asked for a while, since it keeps failing`,
    refused: ({ plugin, backend, stage, code, text }) =>
      `${plugin ?? backend ?? "the proxy"} said ${verdictOf(Number(code))} at ${stage}: ${
        bare(String(text))
      }`,
    fault: ({ cause }) => `a fault of Sallyport's own: ${cause}`,
  };
  return log.flatMap(({ event, fields }) => words[event] === undefined ? [] : `  ${words[event](fields)}`);
}

/** Milliseconds that something in a session may wait; a job of a plugin that is due later is not what is missing. */
const LONGEST = 120_000;

function waiting({ timers }: Scene): string[] {
  const left = timers.due - timers.now;
  if (left > LONGEST) return [];
  return [`  somebody waits for the clock: (${Math.max(1, Math.ceil(left / 1000))} seconds pass)`];
}

function verdictOf(code: number): string {
  if (code === 421) return "disconnect";
  return code >= 500 ? "reject" : "defer";
}

/** A reply's text without enhanced code and reference. */
function bare(text: string): string {
  return text.replace(/^\d\.\d+\.\d+ /, "").replace(/ \[ref \w+\]$/, "");
}
