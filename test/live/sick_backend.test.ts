// bun only: starts real servers
// One sick backend never stops mail nor loses or doubles any: two real Postfix servers behind the proxy, a hundred
// clients at once; one of the two is killed, stopped, or runs out of disk. Every message bears a name of its own, and
// clients, queues, log and metrics must agree about each.
//
// SALLYPORT_SICK_ROUNDS (default 1): how often each misfortune comes about; SALLYPORT_SICK_SESSIONS (100): clients at
// a time; SALLYPORT_SICK_RUNTIME (Bun): what the proxy runs on; SALLYPORT_SICK_FIGURES=1 prints what was measured.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { eventually, sleep } from "../support/blackbox_wait.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { duration, last } from "../support/live_sick_load.ts";
import { SickScene } from "../support/live_sick_scene.ts";
import { diskMissing, SickPostfix } from "../support/live_sick_postfix.ts";

const rounds = Number(process.env.SALLYPORT_SICK_ROUNDS ?? 1);
const width = Number(process.env.SALLYPORT_SICK_SESSIONS ?? 100);
const STOPPED = rounds > 1 ? 20_000 : 12_000;
const LARGEST = 100_000;
const LIMIT = 90_000 + rounds * 60_000;

const folder = mkdtempSync(join(tmpdir(), "sallyport-sick-"));
chmodSync(folder, 0o755);
const missing = postfixMissing();
const diskless = missing ?? await diskMissing(folder);

let [one, two]: SickPostfix[] = [];
let scene: SickScene | undefined;
beforeAll(async () => {
  if (missing !== undefined) return;
  one = await SickPostfix.start(subfolder("one"), diskless === undefined ? 512_000_000 : undefined);
  two = await SickPostfix.start(subfolder("two"));
}, LIMIT);
afterAll(async () => {
  await scene?.abort();
  await Promise.all([one?.stop(), two?.stop()]);
  rmSync(folder, { recursive: true, force: true });
}, LIMIT);

function subfolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  chmodSync(path, 0o755);
  return path;
}

async function begin(): Promise<SickScene> {
  scene = await SickScene.begin({
    cwd: folder,
    backends: [one!.port, two!.port],
    records: () => [...one!.records, ...two!.records],
    width,
    largest: LARGEST,
    ways: ["plain", "pipelined", "bdat", "vanishing"],
  });
  return scene;
}

/** Ends it: nothing may disagree. */
async function finish(): Promise<SickScene> {
  const ended = scene!;
  scene = undefined;
  expect(await ended.end()).toEqual([]);
  return ended;
}

function tell(
  title: string,
  { load, log, takenUnsaid }: SickScene,
  more: Readonly<Record<string, number>> = {},
): void {
  if (!process.env.SALLYPORT_SICK_FIGURES) return;
  console.log(title, { ...load.figures(), "taken and not said": takenUnsaid, ...more }, count(log));
  console.log(
    tally(load.deferred.map(({ stage, heard }) => `${stage}: ${last(heard).replace(/ \[ref .*/, "")}`)),
  );
}

function most(numbers: readonly number[]): number {
  return Math.round(Math.max(...numbers));
}

function tally(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    [...Map.groupBy(names, (name) => name)].map(([name, { length }]) => [name, length]),
  );
}

/** How many lines of each event. */
function count(log: string): Record<string, number> {
  return tally(log.trimEnd().split("\n").map((line) => (JSON.parse(line) as { event: string }).event));
}

/** Waits until this backend has taken a message that was begun after `since`. */
async function takesMail(backend: SickPostfix, since: number): Promise<void> {
  const begun = () => new Set(scene!.load.attempts.filter(({ began }) => began > since).map(({ id }) => id));
  const takes = async () => {
    await sleep(250);
    const young = begun();
    return backend.records.some((record) => young.has(record.split(" ")[1]!));
  };
  expect(await eventually(takes, 60_000)).toBe(true);
}

describe.skipIf(missing !== undefined)(
  `a hundred clients, two Postfix${missing ? ` [${missing}]` : ""}`,
  () => {
    test(
      "one is killed: only who had a message under way hears of it, and every message is accounted for",
      async () => {
        const { load } = await begin();
        const first: number[] = [];
        const back: number[] = [];
        const spans: (readonly [number, number])[] = [];
        for (let round = 0; round < 2 * rounds; round++) {
          await sleep(1500);
          // Every other one is mute before: it takes messages and does not say so.
          const mute = round % 2 === 1;
          const killed = performance.now();
          if (mute) await two!.mute();
          two!.signal("SIGKILL");
          await eventually(() => two!.dead, 5000);
          spans.push([killed, performance.now()]);
          await sleep(1500);
          first.push(load.firstAfter(killed));
          await two!.again();
          const again = performance.now();
          await takesMail(two!, again);
          back.push(performance.now() - again);
        }
        tell("killed", await finish(), {
          "kill to next 250, ms": most(first),
          "up to its next mail, ms": most(back),
        });
        for (const { stage, heard, began, ended } of load.deferred) {
          expect([stage, heard]).toEqual(["message", expect.stringMatching(/^451 4\.3\.0 /)]);
          expect(spans.some(([killed, dead]) => began < dead && ended > killed)).toBe(true);
        }
        expect(Math.max(...first)).toBeLessThan(5000);
      },
      LIMIT,
    );

    test(
      "one is stopped for a while: the mail goes to the other, what it has the end of is waited for, nobody hears 4yz",
      async () => {
        const { load } = await begin();
        const stops: (readonly [number, number])[] = [];
        const back: number[] = [];
        for (let round = 0; round < rounds; round++) {
          await sleep(2500);
          const stopped = performance.now();
          one!.signal("SIGSTOP");
          await sleep(STOPPED);
          one!.signal("SIGCONT");
          const on = performance.now();
          stops.push([stopped, on]);
          await takesMail(one!, on);
          back.push(performance.now() - on);
        }
        const { patient } = load;
        const ended = await finish();
        // Whose message the stopped one had waits for it; everybody else was moved, or was never there.
        const waited = patient.filter((attempt) => duration(attempt) > STOPPED * 3 / 4);
        const moved = patient.filter((attempt) => duration(attempt) <= STOPPED * 3 / 4);
        const late = patient.filter(({ began }) =>
          stops.some(([stopped, on]) => began > stopped + 5000 && began < on)
        );
        tell("stopped", ended, {
          "waited for it": waited.length,
          "longest of the others, ms": most(moved.map(duration)),
          "longest of those who came 5 s later, ms": most(late.map(duration)),
          "going on to its next mail, ms": most(back),
        });
        expect(load.deferred).toEqual([]);
        expect(load.longestGap).toBeLessThan(8000);
        for (const { began } of waited) expect(stops.some(([stopped]) => began < stopped + 3000)).toBe(true);
        expect(late.length).toBeGreaterThan(0);
        expect(Math.max(...late.map(duration))).toBeLessThan(15_000);
      },
      LIMIT,
    );

    test.skipIf(diskless !== undefined)(
      `one's disk is full: clients hear its own 4yz, and are well when they try again${
        diskless ? ` [${diskless}]` : ""
      }`,
      async () => {
        const { load } = await begin();
        let emptied = 0;
        for (let round = 0; round < rounds; round++) {
          await sleep(2000);
          await one!.fill(600_000);
          await sleep(4000);
          await one!.empty();
          emptied = performance.now();
          await takesMail(one!, emptied);
        }
        await sleep(1500);
        tell("disk full", await finish());
        expect(load.deferred.length).toBeGreaterThan(0);
        for (const { heard } of load.deferred) {
          expect(last(heard)).toMatch(
            /^45[12] 4\.3\.[01] (Insufficient system storage|Error: queue file write error)/,
          );
        }
        const again = load.sessions.filter((attempts) =>
          attempts.some(({ heard }) => /^45/.test(last(heard)))
        );
        expect(again.some((attempts) => attempts.at(-1)!.outcome === "acknowledged")).toBe(true);
        const after = load.patient.filter(({ began }) => began > emptied + 1000);
        expect(after.filter(({ outcome }) => outcome !== "acknowledged")).toEqual([]);
      },
      LIMIT,
    );
  },
);
