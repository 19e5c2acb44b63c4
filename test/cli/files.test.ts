/**
 * Watched files: every way of replacing one is seen, and nothing else is taken for a change.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { WatchedFiles } from "../../src/cli/files.ts";

let folder = "";
let files: WatchedFiles;
let seen: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/sallyport-files-`);
  files = new WatchedFiles();
  seen = [];
});
afterEach(() => {
  files.close();
  rmSync(folder, { recursive: true });
});

async function watched(path: string): Promise<void> {
  await files.read(path);
  files.watch(path, (content) => {
    const text = content instanceof Error
      ? (content as NodeJS.ErrnoException).code!
      : new TextDecoder().decode(content);
    seen.push(text);
    return !text.startsWith("bad");
  });
}

test("a file that is written over, renamed over, removed and made again", async () => {
  const path = `${folder}/list`;
  writeFileSync(path, "one");
  await watched(path);
  await files.look();
  writeFileSync(path, "two!");
  await files.look();
  writeFileSync(`${path}.new`, "three");
  renameSync(`${path}.new`, path);
  await files.look();
  rmSync(path);
  await files.look();
  await files.look();
  writeFileSync(path, "four");
  await files.look();
  expect(seen).toEqual(["two!", "three", "ENOENT", "four"]);
});

test("a symbolic link that is turned to another folder, as mounted configurations are", async () => {
  for (const [name, text] of [["a", "one"], ["b", "two"]] as const) {
    mkdirSync(`${folder}/${name}`);
    writeFileSync(`${folder}/${name}/list`, text);
  }
  symlinkSync("a", `${folder}/current`);
  await watched(`${folder}/current/list`);
  symlinkSync("b", `${folder}/next`);
  renameSync(`${folder}/next`, `${folder}/current`);
  await files.look();
  expect(seen).toEqual(["two"]);
});

test("a file whose content stays is not told of, whatever its times", async () => {
  const path = `${folder}/list`;
  writeFileSync(path, "one");
  await watched(path);
  utimesSync(path, new Date(), new Date(2000, 1, 1));
  await files.look();
  writeFileSync(path, "one");
  await files.look();
  expect(seen).toEqual([]);
});

test("what was not taken is offered again to whoever asks for it, and only then", async () => {
  const path = `${folder}/list`;
  writeFileSync(path, "one");
  await watched(path);
  writeFileSync(path, "bad");
  await files.look();
  await files.look();
  await files.look(true);
  writeFileSync(path, "good");
  await files.look();
  await files.look(true);
  expect(seen).toEqual(["bad", "bad", "good"]);
});
