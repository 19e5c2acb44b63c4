// Starts processes that use one store at the same time.
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const WORKER = fileURLToPath(new URL("./store_worker.ts", import.meta.url));
const COMMAND = "Deno" in globalThis
  ? [process.execPath, "run", "--allow-all", "--no-check", WORKER]
  : [process.execPath, WORKER];

/** What each of two processes counted of `times` operations that both began at once. */
export async function together(url: string, job: string, times: number): Promise<number[]> {
  const workers = [0, 1].map(() => start(url, job, times));
  await Promise.all(workers.map(({ line }) => line(0)));
  for (const { go } of workers) go();
  return (await Promise.all(workers.map(({ line }) => line(1)))).map(Number);
}

function start(url: string, job: string, times: number) {
  const [program = "", ...words] = [...COMMAND, url, job, String(times)];
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
  let printed = "";
  let look = () => {};
  let ended = false;
  child.stdout.on("data", (bytes) => (printed += String(bytes), look()));
  child.on("close", () => (ended = true, look()));
  return {
    go: () => child.stdin.end("go\n"),
    /** Its line with this number, counted from 0. */
    line: (number: number) =>
      new Promise<string>((resolve, reject) => {
        look = () => {
          const lines = printed.split("\n");
          if (lines.length > number + 1) resolve(lines[number]!);
          else if (ended) reject(new Error(`a worker ended after it printed ${JSON.stringify(printed)}`));
        };
        look();
      }),
  };
}
