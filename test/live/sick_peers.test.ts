// bun only: starts real servers
// A sound Postfix beside backends that are silent, talk nonsense, or take no connection; then none at all. Mail goes
// on through whoever is well, and when nobody is, clients are told to come again, and need not wait long for it.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { code, RawClient, told } from "../support/blackbox_client.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { startLiveProxy } from "../support/live_proxy.ts";
import { duration, last } from "../support/live_sick_load.ts";
import {
  deafMissing,
  deafPeer,
  nonsensePeer,
  type SickPeer,
  silentPeer,
} from "../support/live_sick_peers.ts";
import { SickPostfix } from "../support/live_sick_postfix.ts";
import { SickScene } from "../support/live_sick_scene.ts";

const width = Number(process.env.SALLYPORT_SICK_SESSIONS ?? 100);
const LIMIT = 90_000;
const MOD = fileURLToPath(new URL("../../src/mod.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sallyport-sick-"));
chmodSync(folder, 0o755);
const missing = postfixMissing();

let sound: SickPostfix | undefined;
let scene: SickScene | undefined;
const peers: SickPeer[] = [];
beforeAll(async () => {
  if (missing !== undefined) return;
  mkdirSync(join(folder, "sound"));
  sound = await SickPostfix.start(join(folder, "sound"));
}, LIMIT);
afterEach(async () => {
  await scene?.abort();
  await Promise.all(peers.splice(0).map((peer) => peer.stop()));
});
afterAll(async () => {
  await sound?.stop();
  rmSync(folder, { recursive: true, force: true });
}, LIMIT);

/** A scene with these before the sound one. */
async function begin(...sick: SickPeer[]): Promise<SickScene> {
  peers.push(...sick);
  scene = await SickScene.begin({
    cwd: folder,
    backends: [...sick.map(({ port }) => port), sound!.port],
    records: () => sound!.records,
    width,
    largest: 100_000,
    ways: ["plain", "pipelined", "bdat", "vanishing"],
  });
  return scene;
}

async function end(title: string): Promise<void> {
  const ended = scene!;
  const faults = await ended.end();
  scene = undefined;
  if (process.env.SALLYPORT_SICK_FIGURES) {
    console.log(title, ended.load.figures());
    console.log(
      [...Map.groupBy(
        ended.load.deferred,
        ({ stage, heard }) => `${stage}: ${last(heard).replace(/ \[ref .*/, "")}`,
      )]
        .map(([what, { length }]) => `${length} ${what}`),
    );
  }
  expect(faults).toEqual([]);
}

/** Nobody waited long, and nobody was told anything but to come again. */
function expectWell(limit: number): void {
  const { load } = scene!;
  expect(load.patient.filter(({ outcome }) => outcome === "acknowledged").length).toBeGreaterThan(0);
  for (const { heard } of load.patient) expect(last(heard)).not.toMatch(/^5|closed|silent/);
  expect(Math.max(...load.patient.map(duration).filter(Number.isFinite))).toBeLessThan(limit);
}

describe.skipIf(missing !== undefined)(`beside a sound Postfix${missing ? ` [${missing}]` : ""}`, () => {
  test(
    "a backend that accepts and says nothing costs the first ones a second, and nobody a 4yz",
    async () => {
      const { load } = await begin(await silentPeer());
      await sleep(3000);
      expectWell(12_000);
      await end("silent");
      expect(load.deferred).toEqual([]);
    },
    LIMIT,
  );

  test.skipIf(deafMissing() !== undefined)(
    `a backend whose host answers no SYN costs no more${deafMissing() ? ` [${deafMissing()}]` : ""}`,
    async () => {
      const { load } = await begin(await deafPeer());
      await sleep(3000);
      expectWell(12_000);
      await end("deaf");
      expect(load.deferred).toEqual([]);
    },
    LIMIT,
  );

  test(
    "a backend that talks nonsense: 451 for whom it hits, no 250 without a message, no message twice",
    async () => {
      const nonsense = await nonsensePeer();
      const { load } = await begin(nonsense);
      expect(await eventually(() => nonsense.visits() > 30, 20_000)).toBe(true);
      await sleep(1000);
      expectWell(12_000);
      await end("nonsense");
      for (const { heard } of load.deferred) expect(last(heard)).toMatch(/^451 4\.3\.0 /);
    },
    LIMIT,
  );

  test("a silent one, a deaf one and one of nonsense before it: mail comes through", async () => {
    const sick = [await silentPeer(), await nonsensePeer()];
    if (deafMissing() === undefined) sick.push(await deafPeer());
    const { load } = await begin(...sick);
    await sleep(5000);
    expectWell(20_000);
    await end("three of four");
    for (const { heard } of load.deferred) expect(last(heard)).toMatch(/^451 4\.3\.0 /);
  }, LIMIT);
});

const REFUSES = `
import { definePolicy } from ${JSON.stringify(MOD)};
export default definePolicy(({ hostname, listen, backends }) => ({
  hostname, listen, backends, whenDown: "refuse",
}));
`;

test.skipIf(missing !== undefined)(
  `all are down: 451 4.3.0 for the recipient, or 421 for the client; then back without a restart${
    missing ? ` [${missing}]` : ""
  }`,
  async () => {
    const policyFile = join(folder, "refuses.ts");
    writeFileSync(policyFile, REFUSES);
    const refusing = await startLiveProxy({ cwd: folder, policyFile, backend: `127.0.0.1:${sound!.port}` });
    try {
      const { load, port } = await begin();
      await sleep(1000);
      sound!.signal("SIGKILL");
      await eventually(() => sound!.dead, 5000);
      const dead = performance.now();
      expect(await eventually(async () => /^421 4\.3\.2 /.test(await recipient(refusing.port)), 20_000)).toBe(
        true,
      );
      expect(await recipient(port)).toMatch(/^451 4\.3\.0 /);
      await sleep(1500);
      const before = performance.now();
      await sound!.again();
      expect(await eventually(async () => /^250/.test(await recipient(refusing.port)), 40_000)).toBe(true);
      expect(await eventually(() => load.firstAfter(before) < Infinity, 40_000)).toBe(true);
      const back = performance.now();
      await sleep(1000);
      await end("all down");
      const meanwhile = load.patient.filter(({ began, ended }) => began > dead && ended < before);
      expect(meanwhile.length).toBeGreaterThan(0);
      for (const { heard } of meanwhile) expect(last(heard)).toMatch(/^451 4\.3\.0 /);
      const after = load.patient.filter(({ began }) => began > back);
      expect(after.filter(({ outcome }) => outcome !== "acknowledged")).toEqual([]);
    } finally {
      await refusing.process.stop();
    }
  },
  LIMIT,
);

/** What a recipient is told, or the client in place of a greeting. */
async function recipient(port: number): Promise<string> {
  const client = await RawClient.connect(port);
  try {
    let heard = await client.hear(20_000);
    for (
      const line of ["EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@backend.example>"]
    ) {
      if (!code(heard).startsWith("2")) break;
      heard = await client.ask(line, 20_000);
    }
    return told(heard);
  } finally {
    client.vanish();
  }
}
