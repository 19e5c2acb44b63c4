/**
 * What is wrong with a file that cannot be imported, and where: Bun tells a fault's place beside it, Deno in its text, and
 * a fault that shows only when the file runs has it in its stack.
 */
import { fileURLToPath, pathToFileURL } from "node:url";

/** The fault in one line, with `(FILE:LINE:COLUMN)` behind it where the runtime tells it. */
export function importFault(cause: unknown, path: string): string {
  // Of several the first: what a parser says after it mostly follows from it.
  const fault: unknown = cause instanceof AggregateError ? cause.errors[0] ?? cause : cause;
  const text = fault instanceof Error || isBuilt(fault) ? fault.message : String(fault);
  const place = placeOf(fault, text, path);
  const words = text.split("\n")[0]!.replace(/ at file:\/\/\S+$/, "");
  return place === undefined ? words : `${words} (${place})`;
}

/** Bun's. */
interface Built {
  readonly message: string;
  readonly position?: { readonly file: string; readonly line: number; readonly column: number } | null;
}

function isBuilt(fault: unknown): fault is Built {
  return typeof (fault as Partial<Built> | null)?.message === "string";
}

function placeOf(fault: unknown, text: string, path: string): string | undefined {
  const { position } = fault as Built;
  if (position) return `${position.file}:${position.line}:${position.column}`;
  const inText = /file:\/\/\S+:\d+:\d+/.exec(text)?.[0];
  return inText === undefined ? placeInStack(fault, path) : plain(inText);
}

/** The last place in the file itself before it went into another one. */
function placeInStack(fault: unknown, path: string): string | undefined {
  const stack = fault instanceof Error ? fault.stack ?? "" : "";
  for (const [, file, place] of stack.matchAll(/(file:\/\/[^\s()]+|\/[^\s()]+):(\d+:\d+)/g)) {
    if (file === path || file === pathToFileURL(path).href) return `${path}:${place}`;
  }
  return undefined;
}

function plain(url: string): string {
  const [, file = "", place] = /^(.+):(\d+:\d+)$/.exec(url) ?? [];
  return `${fileURLToPath(file)}:${place}`;
}
