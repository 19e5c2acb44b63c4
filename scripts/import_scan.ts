/** Finds the imports of a source file by pattern, which is all that the house's style of import needs. */
import { join } from "node:path/posix";

/** One import in a file. `target` is a path from the root, or the specifier of a module that is not ours. */
export interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  readonly target: string;
}

const STATIC = /^[ \t]*(?:import|export)\b(?:[^"'`;]*?\bfrom)?\s*["']([^"'\n]+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"'\n]+)["']/g;

/** All imports of a file, static and dynamic, of types too. */
export function importsOf(file: string, source: string): Import[] {
  const code = withoutComments(source);
  return [...code.matchAll(STATIC), ...code.matchAll(DYNAMIC)].map((found) => {
    const specifier = found[1]!;
    // A statement may run over many lines: the line is that of the specifier.
    return {
      file,
      specifier,
      line: lineAt(code, found.index + found[0].length),
      target: resolve(file, specifier),
    };
  });
}

function resolve(file: string, specifier: string): string {
  if (specifier === "sallyport") return "src/mod.ts";
  if (specifier === "sallyport/testing") return "src/testing.ts";
  if (specifier === "sallyport/schema") return "src/schema.ts";
  if (specifier.startsWith("sallyport/plugins/")) return specifier.slice("sallyport/".length);
  return specifier.startsWith(".") ? join(file, "..", specifier) : specifier;
}

/** Blanks comments, keeping every other character in its place. Strings are matched so that `"//"` is no comment. */
export function withoutComments(source: string): string {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return source.replace(token, (text) => text.startsWith("/") ? text.replace(/[^\n]/g, " ") : text);
}

/** The number of the line that holds the character at `index`. */
export function lineAt(source: string, index: number): number {
  return source.slice(0, index).split("\n").length;
}
