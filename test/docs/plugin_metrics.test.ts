/** What plugins count bears the plugin's name, and stands on its page. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/scratch.ts";

/** Files that hold a plugin under another name than their folder's. */
const PAGES: Readonly<Record<string, string>> = { mail_authentication: "spf" };

/** The names that a folder's files count under, and the page of its plugin. */
const FOLDERS = readdirSync(join(ROOT, "plugins")).sort().map((folder) => {
  const text = readdirSync(join(ROOT, "plugins", folder)).filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(ROOT, "plugins", folder, file), "utf8")).join("\n");
  const names = [...text.matchAll(/\bio\.count\(\s*"(\w+)"/g)].map(([, name]) => name!);
  const plugin = PAGES[folder] ?? folder;
  return { plugin, names, page: `docs/plugins/${plugin.replaceAll("_", "-")}.md` };
}).filter(({ names }) => names.length > 0);

test("there is something to look at", () => {
  expect(FOLDERS.map(({ plugin }) => plugin)).toEqual(
    expect.arrayContaining(["access", "dnsbl", "geo", "greylist", "helo", "spf", "tarpit"]),
  );
});

test.each(FOLDERS)("$plugin", ({ plugin, names, page }) => {
  const told = readFileSync(join(ROOT, page), "utf8");
  for (const name of names) {
    expect(name === plugin || name.startsWith(`${plugin}_`) ? "" : `${name} does not begin with ${plugin}`)
      .toBe("");
    expect(told).toContain(`sallyport_plugin_${name}_total`);
  }
});
