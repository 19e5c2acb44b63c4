/**
 * The claim: a message of 4 kB costs no more through Sallyport than through a relay that only moves
 * bytes. Many short sessions, a connection per message, 20 and 200 at a time; then kept connections.
 */
import { type Contender, openField, type Run } from "./support/field.ts";
import { cpuSeconds, readCpu, readMemory } from "./support/proc.ts";
import { inRounds } from "./support/rounds.ts";
import { type Sample, sessionTable } from "./support/session_table.ts";
import { type Load, send } from "./support/source.ts";
import type { Table } from "./support/table.ts";

const cases: readonly { readonly title: string; readonly load: Load }[] = [
  {
    title: "Pass-through, a connection per message, S=20",
    load: { parallel: 20, messages: 4000, size: 4000 },
  },
  {
    title: "Pass-through, a connection per message, S=200",
    load: { parallel: 200, messages: 4000, size: 4000 },
  },
  {
    title: "Pass-through, kept connections, S=20",
    load: { parallel: 20, messages: 4000, size: 4000, kept: true },
  },
];

export async function passThrough(run: Run): Promise<Table[]> {
  const field = await openField("pass_through", run);
  try {
    const tables: Table[] = [];
    for (const { title, load } of cases) {
      run.progress(title);
      const warm = { ...load, messages: 1000, parallel: 100 };
      const outcomes = await inRounds(
        field.entries,
        run,
        (contender) => send(contender.port, tables.length === 0 ? warm : { ...warm, messages: 200 }),
        (contender) => measure(contender, load),
      );
      const unit = load.kept ? "message" : "session";
      const note = `${load.messages} messages of ${load.size} bytes, ${load.parallel} at a time.`;
      tables.push(sessionTable(title, note, unit, outcomes));
    }
    return tables;
  } finally {
    await field.close();
  }
}

async function measure(contender: Contender, load: Load): Promise<Sample> {
  const before = readCpu(contender.processes);
  const seconds = await send(contender.port, load);
  const cpu = cpuSeconds(before, readCpu(contender.processes));
  const resident = readMemory(contender.processes).resident;
  return { seconds, cpu: cpu / load.messages * 1e6, resident: resident / 1024 };
}
