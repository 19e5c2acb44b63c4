/**
 * The claim: a session with all envelope checks (three DNS lists, forward-confirmed reverse DNS, HELO, the sender's
 * domain, SPF, greylist, rates) costs Sallyport no more than 250 µs of CPU, with NSD and Redis on loopback. The
 * clients come from public addresses, since every contender spares those of loopback: so all of it runs in a network
 * of its own (root), this file once more inside it. CPU of NSD and Redis is nobody's; what is cached is: Sallyport
 * keeps DNS answers, postscreen keeps verdicts, Haraka asks every time.
 */
import { mkdirSync } from "node:fs";
import { pause } from "./support/child.ts";
import { type Contender, type Field, openField, reason, type Run } from "./support/field.ts";
import { clientNetwork, envelopes, intruders, type Sources, zones } from "./support/front_door_scene.ts";
import { load } from "./support/load.ts";
import { startNsd } from "./support/nsd.ts";
import { inOwnNetwork, nameServer } from "./support/own_network.ts";
import type { Peer } from "./support/peer.ts";
import { harakaFrontDoor } from "./support/peers/haraka_front_door.ts";
import { postfixFrontDoor } from "./support/peers/postfix_front_door.ts";
import { sallyport } from "./support/peers/sallyport.ts";
import { sallyportFrontDoor } from "./support/peers/sallyport_front_door.ts";
import { cpuSeconds, readCpu, readMemory } from "./support/proc.ts";
import { startRedis } from "./support/redis.ts";
import { refusal } from "./support/refusal.ts";
import { inRounds } from "./support/rounds.ts";
import { type Sample, sessionTable } from "./support/session_table.ts";
import type { Table } from "./support/table.ts";

const cases = [20, 200];
const size = 4000;
const sessions = 4000;
/** Sessions before the first round, besides those that bring the triplets past the greylist: JITs are at work that long. */
const warming = 12_000;
/** Sessions before each round: who stood idle while others were measured has thrown compiled code away. */
const warmingAgain = 1000;
const triplets = envelopes();
const unchecked: Peer = { ...sallyport, name: "sallyport_pass", title: "Sallyport, pass.ts: no checks" };

/** What the script inside is told. */
interface Order {
  readonly directory: string;
  readonly peers: readonly string[];
  /** Why a peer cannot take part, by its name. */
  readonly unable: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** Until no further round may begin. */
  readonly seconds: number;
  readonly profile?: string;
}

export async function frontDoor(run: Run): Promise<Table[]> {
  const directory = `${run.directory}/own_network`;
  mkdirSync(directory);
  const names = run.peers.map((peer) => peer.name);
  const order: Order = {
    directory,
    peers: names,
    unable: await prepare(names),
    rounds: run.rounds,
    seconds: (run.deadline - performance.now()) / 1000,
    ...(run.profile === undefined ? {} : { profile: run.profile }),
  };
  const network = { directory, clients: clientNetwork, seconds: order.seconds + 300 };
  return JSON.parse(await inOwnNetwork(import.meta.path, JSON.stringify(order), network)) as Table[];
}

/** Fetches what peers need, since inside there is no network. */
async function prepare(names: readonly string[]): Promise<Record<string, string>> {
  const unable: Record<string, string> = {};
  for (const peer of contenders({ nameServer: "", redis: 0 }, names)) {
    await peer.prepare?.().catch((error) => unable[peer.name] = `cannot start: ${reason(error)}`);
  }
  return unable;
}

/** The part inside. */
async function inside(order: Order): Promise<Table[]> {
  const names = await startNsd(`${order.directory}/nsd`, zones(), { host: nameServer, port: 53 });
  const redis = await startRedis(`${order.directory}/redis`);
  const sources = { nameServer: `${names.host}:${names.port}`, redis: redis.port };
  const run: Run = {
    ...order,
    peers: contenders(sources, order.peers).map((peer) => {
      const why = order.unable[peer.name];
      return why === undefined ? peer : { ...peer, unable: { front_door: why } };
    }),
    deadline: performance.now() + order.seconds * 1000,
    progress: (line) => console.error(`… ${line}`),
  };
  const field = await openField("front_door", run);
  try {
    return await measured(field, run);
  } finally {
    await field.close();
    await Promise.all([names.stop(), redis.stop()]);
  }
}

/** Those named in `--peers`; Sallyport takes part without checks as well, to show what they cost. */
function contenders(sources: Sources, names: readonly string[]): Peer[] {
  return [sallyportFrontDoor(sources), unchecked, postfixFrontDoor, harakaFrontDoor(sources)]
    .filter(({ name }) => names.some((given) => name.startsWith(given)));
}

async function measured(field: Field, run: Run): Promise<Table[]> {
  const tables: Table[] = [];
  for (const parallel of cases) {
    const title = `Front door, all envelope checks, S=${parallel}`;
    run.progress(title);
    const outcomes = await inRounds(
      field.entries,
      run,
      (contender) => tables.length === 0 ? introduce(contender) : Promise.resolve(),
      (contender) => measure(contender, parallel),
    );
    const note = `${sessions} messages of ${size} bytes, a connection each, ${parallel} at a time, ` +
      `${triplets.length} known triplets of client, sender and recipient in turn; direct is without checks.`;
    tables.push(sessionTable(title, note, "session", outcomes));
  }
  return tables;
}

async function measure(contender: Contender, parallel: number): Promise<Sample> {
  await send(contender, warmingAgain, parallel);
  const before = readCpu(contender.processes);
  const seconds = await send(contender, sessions, parallel);
  const cpu = cpuSeconds(before, readCpu(contender.processes));
  const resident = readMemory(contender.processes).resident;
  return { seconds, cpu: cpu / sessions * 1e6, resident: resident / 1024 };
}

async function send({ port }: Contender, count: number, parallel: number): Promise<number> {
  const order = { port, sessions: count, parallel, size, envelopes: triplets, refusals: true };
  const { seconds, refused } = await load(order);
  // An answer of the DNS that is lost costs a message, here and there; more would be another load.
  if (refused > count / 100) throw new Error(`${refused} of ${count} messages were refused`);
  return seconds;
}

/** Makes the clients known to a front door, sees that it refuses whom it must, and warms it up. */
async function introduce(contender: Contender): Promise<void> {
  if (isGuarded(contender)) {
    await passGreylist(contender.port);
    await seeRefusals(contender.port);
  }
  await send(contender, warming, 20);
}

/** Straight to the sink, and through `pass.ts`, there is nobody to defer or to refuse. */
function isGuarded({ title }: Contender): boolean {
  return title !== "direct" && title !== unchecked.title;
}

async function passGreylist(port: number): Promise<void> {
  const once = { port, sessions: triplets.length, parallel: 20, size, envelopes: triplets, refusals: true };
  let { refused } = await load(once);
  if (refused === 0) throw new Error("its greylist defers nobody");
  for (let attempt = 0; attempt < 3 && refused > 0; attempt++) {
    await pause(2500);
    ({ refused } = await load(once));
  }
  if (refused === 0) return;
  throw new Error(`${refused} of ${triplets.length} triplets are still refused at the fourth attempt`);
}

/** A front door whose checks are not in force would be measured in vain. */
async function seeRefusals(port: number): Promise<void> {
  for (const intruder of intruders()) {
    const reply = await refusal(port, intruder);
    if (!reply?.startsWith("5")) throw new Error(`it answers ${reply ?? "250"} to ${intruder.why}`);
  }
}

if (import.meta.main) console.log(JSON.stringify(await inside(JSON.parse(process.argv[2]!) as Order)));
