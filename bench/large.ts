/**
 * The claim: a message of 25 MB flows through at the direct rate, and the proxy's memory does not
 * grow with it. One and four at a time.
 */
import { type Contender, openField, type Run } from "./support/field.ts";
import { cpuSeconds, type MemoryReading, readCpu, readMemory, resetPeak, risen } from "./support/proc.ts";
import { inRounds, median, type Outcome, ratio } from "./support/rounds.ts";
import { type Load, send } from "./support/source.ts";
import { number, type Row, type Table } from "./support/table.ts";

const size = 25 * 2 ** 20;
const messages = 8;

interface Sample {
  /** MB of message a second. */
  readonly rate: number;
  /** CPU milliseconds per message. */
  readonly cpu: number;
  /** MB of peak memory above what the proxy held before the first large message. */
  readonly growth: number;
}

export async function large(run: Run): Promise<Table[]> {
  const field = await openField("large", run);
  const small = new Map<Contender, MemoryReading>();
  try {
    const tables: Table[] = [];
    for (const parallel of [1, 4]) {
      const title = `25 MB messages, S=${parallel}`;
      run.progress(title);
      const load = { parallel, messages, size };
      const outcomes = await inRounds(
        field.entries,
        run,
        (contender) => warm(contender, small),
        (contender) => measure(contender, load, small.get(contender)!),
      );
      tables.push(table(title, outcomes));
    }
    return tables;
  } finally {
    await field.close();
  }
}

/** Small mail first: what a proxy needs for any load must not count as growth by large messages. */
async function warm(contender: Contender, small: Map<Contender, MemoryReading>): Promise<void> {
  if (small.has(contender)) return;
  await send(contender.port, { parallel: 20, messages: 1000, size: 4000 });
  small.set(contender, readMemory(contender.processes));
}

async function measure(
  { port, processes }: Contender,
  load: Load,
  small: MemoryReading,
): Promise<Sample> {
  resetPeak(processes);
  const cpu = readCpu(processes);
  const seconds = await send(port, load);
  return {
    rate: size * load.messages / seconds / 2 ** 20,
    cpu: cpuSeconds(cpu, readCpu(processes)) / load.messages * 1e3,
    growth: risen(small, readMemory(processes)) / 1024,
  };
}

function table(title: string, outcomes: readonly Outcome<Sample>[]): Table {
  const direct = outcomes[0];
  const row = (outcome: Outcome<Sample>): Row => {
    if (outcome.samples.length === 0) {
      return { title: outcome.title, absent: outcome.failure ?? "not measured" };
    }
    const rate = [
      number(median(outcome, (sample) => sample.rate), 0),
      `${number(ratio(outcome, direct, (sample) => sample.rate) * 100, 0)} %`,
    ];
    if (outcome === direct) return { title: outcome.title, cells: [...rate, "", ""] };
    return {
      title: outcome.title,
      cells: [
        ...rate,
        number(median(outcome, (sample) => sample.cpu), 1),
        `+ ${number(highest(outcome), 1)}`,
      ],
    };
  };
  return {
    title,
    note: `${messages} messages of 25 MB, a connection each. ` +
      "Memory is the highest peak above what the proxy held after 1,000 small messages.",
    columns: ["through", "MB/s", "of direct", "CPU, ms/message", "peak memory, MB"],
    rows: outcomes.map(row),
  };
}

function highest(outcome: Outcome<Sample>): number {
  return Math.max(...outcome.samples.map((sample) => sample.growth));
}
