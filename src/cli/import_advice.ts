/**
 * What to do about a policy that names a file of the package which is not found: the package is not there, or it is and has
 * no such file.
 */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const PLUGINS = fileURLToPath(new URL("../../plugins/", import.meta.url));

/**
 * @param fault what the runtime says, in a line
 * @param cause what it threw
 * @param file the policy
 * @returns behind the fault; empty where it is another one
 */
export function importAdvice(fault: string, cause: unknown, file: string): string {
  if (!/Cannot find package 'sallyport'/.test(fault)) return "";
  // Bun says so too where the package is there and the file in it is not.
  const { specifier = "sallyport" } = cause as { readonly specifier?: string };
  return specifier !== "sallyport" && isInstalled(file)
    ? `; it is installed, and has no ${specifier}: its plugins are ${plugins().join(", ")}`
    // A policy is copied to where the package cannot be found: the commonest first step that goes wrong.
    : "; put it beside the others in policies/, or do npm install sallyport in its folder";
}

function isInstalled(file: string): boolean {
  try {
    createRequire(file).resolve("sallyport");
    return true;
  } catch {
    return false;
  }
}

function plugins(): string[] {
  return readdirSync(PLUGINS).sort().map((name) =>
    `sallyport/plugins/${name}/${existsSync(`${PLUGINS}${name}/mod.ts`) ? "mod" : "spf"}.ts`
  );
}
