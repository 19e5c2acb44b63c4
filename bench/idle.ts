/**
 * The claim: 15,000 sessions that have said EHLO and wait cost Sallyport no more than 100 MB.
 * Every proxy is started afresh, since what a load left behind would hide what sessions need.
 */
import { mkdirSync } from "node:fs";
import { type Child, lastLines, pause, startChild, stopProcess } from "./support/child.ts";
import { enter, reason, type Run } from "./support/field.ts";
import type { IdleOrder, IdleReport } from "./support/idle_client.ts";
import type { Peer, RunningPeer } from "./support/peer.ts";
import { descriptorLimit, readMemory } from "./support/proc.ts";
import { startSink } from "./support/sink.ts";
import { send } from "./support/source.ts";
import { number, type Row, type Table } from "./support/table.ts";

const wanted = 15_000;
const client = new URL("support/idle_client.ts", import.meta.url).pathname;

export async function idle(run: Run): Promise<Table[]> {
  const directory = `${run.directory}/idle`;
  mkdirSync(directory);
  const sink = await startSink(directory);
  try {
    const rows: Row[] = [];
    for (const peer of run.peers) {
      run.progress(`Idle sessions, ${peer.title}`);
      rows.push({ title: peer.title, ...await one(peer, `${directory}/${peer.name}`, sink.port) });
    }
    return [table(rows)];
  } finally {
    await sink.stop();
  }
}

async function one(
  peer: Peer,
  directory: string,
  backend: number,
): Promise<{ cells: string[] } | { absent: string }> {
  const running = await enter(peer, "idle", { directory, backend });
  if ("absent" in running) return running;
  try {
    // Its descriptors are the bound: some are its own, and each session takes one or two.
    const sessions = Math.min(
      wanted,
      Math.floor((descriptorLimit() - 500) / peer.descriptorsPerSession),
    );
    return { cells: await measure(running, sessions, directory) };
  } catch (error) {
    return { absent: reason(error) };
  } finally {
    await running.stop();
  }
}

async function measure(
  { port, processes }: RunningPeer,
  sessions: number,
  directory: string,
): Promise<string[]> {
  await send(port, { parallel: 100, messages: 1000, size: 4000 });
  await pause(1000);
  const before = readMemory(processes).resident;
  const log = `${directory}/client`;
  const order: IdleOrder = { port, sessions, parallel: 200 };
  const child = startChild([process.execPath, client, JSON.stringify(order)], log);
  try {
    const report = await untilHeld(child);
    await pause(2000);
    const after = readMemory(processes).resident;
    return [
      `${sessions}`,
      number(report.seconds, 1),
      number(before / 1024, 1),
      number(after / 1024, 1),
      number((after - before) / sessions, 2),
    ];
  } finally {
    await stopProcess(child.pid);
  }
}

/** Waits for the client's line that says that all its sessions are open. */
async function untilHeld(child: Child): Promise<IdleReport> {
  for (let waited = 0; waited < 60_000 && child.alive(); waited += 100) {
    const words = child.lastWords();
    if (words.startsWith("{")) return JSON.parse(words) as IdleReport;
    await pause(100);
  }
  throw new Error(`not all sessions could be opened: ${lastLines(child.lastWords())}`);
}

function table(rows: readonly Row[]): Table {
  return {
    title: "Idle sessions",
    note: `${wanted} sessions after EHLO, or as many as the descriptors of one process allow.`,
    columns: ["through", "sessions", "opened in, s", "before, MB", "with them, MB", "kB/session"],
    rows,
  };
}
