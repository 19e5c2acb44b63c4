// bun only: real servers
// No server may see an end of data where the proxy saw none: after every look-alike of ../shared/vectors/smuggling, by DATA
// and by BDAT, each server has stored exactly as many messages as the proxy answered ends of data with 2yz.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import process from "node:process";
import { lookAlikes } from "../support/blackbox_smuggle.ts";
import { bytesOf } from "../support/blackbox_bytes.ts";
import { code, RawClient } from "../support/blackbox_client.ts";
import { eventually, inParallel, sleep } from "../support/blackbox_wait.ts";
import type { Peer } from "./peer.ts";
import { PEERS } from "./peers.ts";
import { recordPeer, writePeers } from "./results.ts";
import { type Lane, Stage } from "./stage.ts";

const LOOK_ALIKES = lookAlikes();
const VERBS = ["DATA", "BDAT"] as const;
/** A message without any of them, which must arrive. */
const CONTROL = { name: "(none)", bytes: bytesOf("\r\n") };
/** Milliseconds after the last expected message for one more to show itself. */
const SETTLING = 1000;

if (LOOK_ALIKES.length === 0) {
  const cases = 20 * VERBS.length * PEERS.length;
  test.skip(`what ${PEERS.length} servers store after look-alikes [../shared/vectors/smuggling is absent: ${cases} cases]`, () => {});
} else describe("what a server stores is what the proxy said 2yz to", servers);

function servers(): void {
  let stage: Stage;
  const outcomes = new Map<Peer, Promise<Outcome[]>>();
  beforeAll(async () => {
    const peers = PEERS.filter(({ missing }) => missing === undefined);
    stage = await Stage.open(peers);
    // All at once: most of the time is spent waiting for what must not come.
    for (const peer of peers) outcomes.set(peer, stage.lane(peer).then(compare));
    await Promise.allSettled(outcomes.values());
  }, 120_000);
  afterAll(async () => {
    await stage?.close();
    writePeers("smuggling.json");
  });

  for (const peer of PEERS) {
    const { name, missing } = peer;
    const cases = LOOK_ALIKES.length * VERBS.length;
    if (missing !== undefined) test.skip(`${name}, ${cases} cases [${missing}]`, () => {});
    else {
      test(`${name}: ${cases} cases`, async () => {
        const found = await outcomes.get(peer)!;
        expect(found.filter(({ stored, acknowledged }) => stored !== acknowledged)).toEqual([]);
        const controls = found.filter((each) => each.lookAlike === CONTROL.name);
        expect(controls.map(({ stored }) => stored)).toEqual([1, 1]);
        recordPeer("smuggling.json", peer, `${cases} cases`);
      });
    }
  }
}

interface Outcome {
  readonly lookAlike: string;
  readonly verb: "DATA" | "BDAT";
  readonly token: string;
  readonly acknowledged: number;
  stored: number;
}

async function compare(lane: Lane): Promise<Outcome[]> {
  try {
    return await compared(lane);
  } catch (error) {
    throw new Error(
      `${error instanceof Error ? error.message : error}\nThe proxy:\n${lane.proxy.process.log}`,
    );
  }
}

async function compared({ proxy, running }: Lane): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const jobs = [CONTROL, ...LOOK_ALIKES].flatMap((each) => VERBS.map((verb) => ({ ...each, verb })));
  await inParallel(jobs, 4, async ({ name, bytes, verb }) => {
    const token = nextToken();
    const acknowledged = await (verb === "DATA" ? byData : byChunks)(proxy.port, token, bytes);
    outcomes.push({ lookAlike: name, verb, token, acknowledged, stored: 0 });
  });
  const count = () => outcomes.forEach((each) => each.stored = running.stored(each.token).length);
  await eventually(() => (count(), outcomes.every((each) => each.stored >= each.acknowledged)), 20_000);
  await sleep(SETTLING);
  count();
  return outcomes;
}

let serial = 0;
const nextToken = () => `smuggle${process.pid}x${++serial}x`;

/** Two messages with this between them: one, if it does not end data. */
function stream(token: string, lookAlike: Buffer): { before: Buffer; after: Buffer } {
  const message = (subject: string) => `From: ${token}@client.example\r\nSubject: ${subject}\r\n\r\n${token}`;
  const envelope = `MAIL FROM:<${token}@client.example>\r\nRCPT TO:<you@live.example>\r\nDATA\r\n`;
  return {
    before: Buffer.concat([bytesOf(message("first")), lookAlike]),
    after: bytesOf(`${envelope}${message("second")}\r\n`),
  };
}

async function opened(port: number, token: string): Promise<RawClient> {
  const client = await RawClient.greeted(port);
  await client.command(`MAIL FROM:<${token}@client.example>`, "250");
  await client.command("RCPT TO:<you@live.example>", "250");
  return client;
}

/** How many ends of data were answered with 2yz. */
async function byData(port: number, token: string, lookAlike: Buffer): Promise<number> {
  const client = await opened(port, token);
  await client.command("DATA", "354");
  const { before, after } = stream(token, lookAlike);
  await client.write(Buffer.concat([before, after, bytesOf(".\r\nQUIT\r\n")]));
  let acknowledged = 0;
  let within = true;
  for (;;) {
    const heard = code(await client.hear(15_000));
    if (within && heard.startsWith("2")) acknowledged++;
    within = heard === "354";
    if (["221", "421", "closed", "silent"].includes(heard)) break;
  }
  client.vanish();
  return acknowledged;
}

/** The same octets in two chunks, the second of which begins in the middle of the look-alike. */
async function byChunks(port: number, token: string, lookAlike: Buffer): Promise<number> {
  const client = await opened(port, token);
  const { before, after } = stream(token, lookAlike);
  const cut = before.length - Math.ceil(lookAlike.length / 2);
  const first = before.subarray(0, cut);
  const last = Buffer.concat([before.subarray(cut), after]);
  await client.write(Buffer.concat([bytesOf(`BDAT ${first.length}\r\n`), first]));
  await client.hear(15_000);
  await client.write(Buffer.concat([bytesOf(`BDAT ${last.length} LAST\r\n`), last]));
  const heard = code(await client.hear(15_000));
  client.vanish();
  return heard.startsWith("2") ? 1 : 0;
}
