// bun only: runs bun check
/** The lines of test/types that must not compile do not, each for the reason that it gives. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT, scratch } from "../support/scratch.ts";

const FOLDER = join(ROOT, "test/types");
const CONFIG = JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"], exclude: [] });

test("each line is refused for the reason that it gives", () => {
  const names = readdirSync(FOLDER);
  const sources = names.map((name): [string, string] => [name, readFileSync(join(FOLDER, name), "utf8")]);
  const expected = sources.flatMap(([name, source]) =>
    [...source.matchAll(/@ts-expect-error(?: (\d+): .)?/g)].map(({ index, 1: code }) =>
      `${name}:${source.slice(0, index).split("\n").length + 1} ${code}`
    )
  );
  const told = sources.map(([name, source]) => [name, source.replaceAll("@ts-expect-error", "expected")]);
  const folder = scratch({ ...Object.fromEntries(told), "tsconfig.json": CONFIG });
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["check", "--no-script", "--no-pretty", "--all", "-p", folder],
    { encoding: "utf8" },
  );
  const found = [...(stdout + stderr).matchAll(/([\w.]+)\((\d+),\d+\): error TS(\d+)/g)]
    .map(([, name, line, code]) => `${name}:${line} ${code}`);
  expect(expected.length).toBeGreaterThan(50);
  expect(found.sort()).toEqual(expected.sort());
});
