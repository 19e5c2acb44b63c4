/**
 * Blocks of code in a page of docs/, and a folder in which those of TypeScript stand as files. A block that says `later`
 * uses what is still to come: it stands in a folder of its own until it works.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { makeIdentity } from "../support/certificate.ts";
import { ROOT, scratch } from "../support/scratch.ts";

export interface Block {
  readonly language: string;
  /** The file that it is, where the page says so. */
  readonly name: string;
  readonly later: boolean;
  readonly text: string;
}

export interface Page {
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** @param path under docs/ */
export function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, "docs", path), "utf8");
  const blocks = [...text.matchAll(/^```(\w+) ?(\S*)( later)?\n([\s\S]*?)^```$/gm)]
    .map(([, language, name, later, text]) => ({
      language: language!,
      name: name!,
      later: later !== undefined,
      text: text!,
    }));
  return { path, text, blocks };
}

/** Where the pages keep what is an operator's own. */
const OWN = "/etc/sallyport/";

/**
 * Writes blocks as files.
 * @param files what the pages' policies read from /etc/sallyport, by name; without them the blocks stay as they are
 */
export function folderOf(blocks: readonly Block[], files?: Readonly<Record<string, string>>): string {
  const identity = makeIdentity({ names: ["mx.example.org"] });
  const own: Record<string, string> = { "mx.pem": identity.cert, "mx.key": identity.key, ...files };
  const folder = scratch({
    ...Object.fromEntries(Object.entries(own).map(([name, text]) => [`own/${name}`, text])),
    "tsconfig.json": JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"], exclude: [] }),
  });
  for (const { name, text } of blocks) {
    writeFileSync(join(folder, name), files === undefined ? text : text.replaceAll(OWN, `${folder}/own/`));
  }
  return folder;
}

/** Runs the runtime in a folder, as an operator with a backend would. */
export function run(folder: string, ...words: string[]): { code: number | null; output: string } {
  const env = { ...process.env, NO_COLOR: "1", SALLYPORT_BACKEND: "127.0.0.1:10025" };
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    cwd: folder,
    encoding: "utf8",
    env,
  });
  return { code: status, output: stdout + stderr };
}
