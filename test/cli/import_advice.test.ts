// bun only: how the runtime tells of an import is Bun's
/**
 * A policy whose imports are not found hears what to do: get the package, or name a file that is in it.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "bun:test";
import { loadPolicy } from "../../src/cli/load.ts";
import { SettingsError } from "../../src/mod.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sallyport-import-"));
mkdirSync(join(folder, "with/node_modules"), { recursive: true });
mkdirSync(join(folder, "without"));
symlinkSync(ROOT, join(folder, "with/node_modules/sallyport"));
afterAll(() => rmSync(folder, { recursive: true }));

async function mistake(path: string, specifier: string): Promise<string> {
  const file = join(folder, path);
  writeFileSync(file, `import * as all from ${JSON.stringify(specifier)};\nexport default all;\n`);
  try {
    await loadPolicy(file);
  } catch (cause) {
    if (cause instanceof SettingsError) return cause.mistakes.join("\n");
  }
  throw new Error("it was loaded");
}

test("where the package is not there", async () => {
  for (const [i, specifier] of ["sallyport", "sallyport/plugins/spf/mod.ts"].entries()) {
    const told = await mistake(`without/${i}.ts`, specifier);
    expect(told).toContain("Cannot find package 'sallyport'");
    expect(told).toEndWith(
      "; put it beside the others in policies/, or do npm install sallyport in its folder",
    );
  }
});

test("where it is, and has no such plugin", async () => {
  const told = await mistake("with/a.ts", "sallyport/plugins/spf/mod.ts");
  expect(told).toContain("; it is installed, and has no sallyport/plugins/spf/mod.ts: its plugins are ");
  for (const plugin of ["dnsbl/mod.ts", "mail_authentication/spf.ts", "rate_limit/mod.ts"]) {
    expect(told).toContain(`sallyport/plugins/${plugin}`);
  }
});

test("another package that is missing is told as it is", async () => {
  expect(await mistake("with/b.ts", "sallyport-nothing")).toMatch(
    /Cannot find package 'sallyport-nothing'[^;]*$/,
  );
});
