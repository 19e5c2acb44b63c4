/**
 * Reads /proc: which processes belong together, the CPU time they used and the memory they hold.
 * Linux only (proc(5)); everything here is a plain read and costs the measured processes nothing.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** CPU time of a family of processes at one moment. */
export interface CpuReading {
  /** User + system of the living and of their reaped children, in clock ticks. */
  readonly ticks: number;
  /** Nanoseconds on the CPU of every living thread, by "process/thread". */
  readonly threads: ReadonlyMap<string, number>;
}

/** Memory of a family of processes, in kB. */
export interface MemoryReading {
  /** VmRSS of a single process; the sum of Pss where several processes share their pages. */
  readonly resident: number;
  /** VmRSS by process id. */
  readonly current: ReadonlyMap<number, number>;
  /** VmHWM, the peak since the start or since `resetPeak`, by process id. */
  readonly peak: ReadonlyMap<number, number>;
}

/** The given processes and all their living descendants. */
export function processTree(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const parent = Number.isInteger(pid) ? statFields(pid)?.[1] : undefined;
    if (parent === undefined) continue;
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), pid]);
  }
  const found = new Set<number>();
  const visit = (pid: number) => {
    if (found.has(pid)) return;
    found.add(pid);
    for (const child of children.get(pid) ?? []) visit(child);
  };
  for (const root of roots) visit(root);
  return [...found];
}

/** True while the process runs (a zombie does not). */
export function isAlive(pid: number): boolean {
  const state = statFields(pid)?.[0];
  return state !== undefined && state !== "Z" && state !== "X";
}

export function readCpu(roots: readonly number[]): CpuReading {
  let ticks = 0;
  const threads = new Map<string, number>();
  for (const pid of processTree(roots)) {
    const fields = statFields(pid);
    // utime stime cutime cstime are fields 14 to 17 of the line, the state is field 3.
    for (const time of fields?.slice(11, 15) ?? []) ticks += Number(time);
    for (const thread of list(`/proc/${pid}/task`)) {
      const spent = read(`/proc/${pid}/task/${thread}/schedstat`)?.split(" ")[0];
      if (spent !== undefined) threads.set(`${pid}/${thread}`, Number(spent));
    }
  }
  return { ticks, threads };
}

/**
 * CPU seconds between two readings. The scheduler's nanoseconds serve while the same threads are
 * there; where threads came or went only the 10 ms ticks have the whole truth.
 */
export function cpuSeconds(before: CpuReading, after: CpuReading): number {
  const same = before.threads.size > 0 && before.threads.size === after.threads.size &&
    [...before.threads.keys()].every((thread) => after.threads.has(thread));
  if (!same) return (after.ticks - before.ticks) / ticksPerSecond();
  return (total(after.threads) - total(before.threads)) / 1e9;
}

export function readMemory(roots: readonly number[]): MemoryReading {
  const current = new Map<number, number>();
  const peak = new Map<number, number>();
  const family = processTree(roots);
  let shares = 0;
  for (const pid of family) {
    const status = read(`/proc/${pid}/status`) ?? "";
    current.set(pid, kilobytes(status, "VmRSS"));
    peak.set(pid, kilobytes(status, "VmHWM"));
    if (family.length > 1) shares += kilobytes(read(`/proc/${pid}/smaps_rollup`) ?? "", "Pss");
  }
  return { resident: family.length > 1 ? shares : total(current), current, peak };
}

/** Sets VmHWM of every process back to its VmRSS (proc(5), clear_refs 5). */
export function resetPeak(roots: readonly number[]): void {
  for (const pid of processTree(roots)) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
    } catch {
      // Not ours to write: the peak then counts from the start of the process.
    }
  }
}

/** How far the peaks of `after` rose above what the same processes held `before`, in kB. */
export function risen(before: MemoryReading, after: MemoryReading): number {
  let sum = 0;
  for (const [pid, peak] of after.peak) sum += Math.max(0, peak - (before.current.get(pid) ?? 0));
  return sum;
}

/** The most descriptors that one process may have here. */
export function descriptorLimit(): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(read("/proc/self/limits") ?? "")?.[1];
  return hard === undefined || hard === "unlimited" ? 1 << 20 : Number(hard);
}

let ticks: number | undefined;
function ticksPerSecond(): number {
  return ticks ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
}

/** The fields of /proc/PID/stat from the state on; the name before them may hold blanks itself. */
function statFields(pid: number): string[] | undefined {
  const line = read(`/proc/${pid}/stat`);
  return line?.slice(line.lastIndexOf(")") + 2).split(" ");
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

function total(values: ReadonlyMap<unknown, number>): number {
  let sum = 0;
  for (const value of values.values()) sum += value;
  return sum;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // The process ended meanwhile.
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
