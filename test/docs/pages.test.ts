// bun only: runs bun check and the program
/** What the pages for those who come from elsewhere show compiles, is a good policy, and names everything they had. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { DENO } from "../../scripts/runtimes.ts";
import { ROOT } from "../support/scratch.ts";
import { folderOf, readPage, run } from "./blocks.ts";
import { HAD } from "./had.ts";

const MAIN = join(ROOT, "src/main.ts");

/** The files that the pages' policies read. */
const FILES = {
  "domains.txt": "example.org\nexample.net\n",
  "denied.txt": "198.51.100.0/24 Ask postmaster@example.org first\n",
  "friends.txt": "192.0.2.0/24\n",
  "denied-senders.txt": ".bulk.example\n",
};

/** How many blocks of each page use what is still to come. */
const LATER: Readonly<Record<string, number>> = {
  "plugins/auth-http.md": 0,
  "from-nginx.md": 0,
  "from-haraka.md": 0,
  "from-postscreen.md": 0,
};

/** Mistakes in settings that are not there yet. */
const TO_COME = /^sallyport: (trusted|listen|backends|pools|routes|tls|clientCertificates|health|balance)\b/;

for (const [path, count] of Object.entries(LATER)) {
  describe(path, () => {
    const page = readPage(path);
    const files = page.blocks.filter(({ language }) => language === "ts");
    const [later, now] = [files.filter(({ later }) => later), files.filter(({ later }) => !later)];
    const folder = folderOf(now, FILES);
    const policies = (blocks: typeof files) => blocks.filter(({ name }) => /^policy\w*\.ts$/.test(name));

    test("every block of TypeScript is a file of its own", () => {
      expect(now.length).toBeGreaterThan(0);
      expect(files.filter(({ name }) => !/^[a-z_]+(\.test)?\.ts$/.test(name))).toEqual([]);
      expect(new Set(files.map(({ name }) => name)).size).toBe(files.length);
    });

    test("every block compiles", () => {
      expect(run(folder, "check", "--no-script", "-p", ".")).toEqual({
        code: 0,
        output: expect.stringContaining("No type errors") as unknown as string,
      });
    });

    test("every block is formatted as the project is", () => {
      const all = folderOf(files);
      const { stdout, stderr } = spawnSync(
        DENO,
        ["fmt", "--check", "--config", join(ROOT, "deno.json"), ...files.map(({ name }) => join(all, name))],
        {
          encoding: "utf8",
          env: { ...process.env, NO_COLOR: "1" },
        },
      );
      expect(stdout + stderr).toContain("Checked");
      expect(stdout + stderr).not.toContain("error");
    });

    for (const { name } of policies(now)) {
      test(`${name} is a good policy`, () => {
        expect(run(folder, MAIN, "check", name).output).toContain(`${name}: no mistakes found`);
      });
    }

    for (const { name } of now.filter(({ name }) => name.endsWith(".test.ts"))) {
      test(`${name} passes`, () => {
        const { code, output } = run(folder, "test", name);
        expect(output).toMatch(/^ *[1-9]\d* pass$/m);
        expect(code).toBe(0);
      });
    }

    test(`${count} blocks wait for what is to come, and for nothing else`, () => {
      expect(later.length).toBe(count);
      const alone = folderOf(files, FILES);
      for (const { name } of policies(later)) {
        const mistakes = run(alone, MAIN, "check", name).output.trim().split("\n");
        // A block whose time has come must not stay out of the tests above.
        if (mistakes[0]!.includes("no mistakes found")) {
          throw new Error(`${name} of docs/${path} is a good policy now: take the word "later" off it`);
        }
        expect(mistakes.filter((line) => !TO_COME.test(line))).toEqual([]);
      }
    });

    test("every page that it links to is there", () => {
      const links = [...page.text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, link]) => link!);
      const from = join(ROOT, "docs", dirname(path));
      expect(links.filter((link) => !existsSync(join(from, link)))).toEqual([]);
    });

    const had = HAD[path] ?? [];
    test(`everything that was there has its row (${had.length})`, () => {
      const rows = page.text.split("\n").filter((line) => line.startsWith("| "));
      const first = rows.map((row) => row.split(" | ")[0]!);
      expect(had.filter((name) => !first.some((cell) => cell.includes(`\`${name}\``)))).toEqual([]);
    });
  });
}

test("the pages are linked from the README", () => {
  const readme = readPage("../README.md").text;
  expect(Object.keys(LATER).filter((path) => !readme.includes(`](docs/${path})`))).toEqual([]);
});
