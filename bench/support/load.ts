/** Starts `smtp_load.ts` with an order and reads its report. */
import { lastLines, runChild } from "./child.ts";
import type { LoadOrder, LoadReport } from "./smtp_load.ts";

const generator = new URL("smtp_load.ts", import.meta.url).pathname;

export async function load(order: LoadOrder): Promise<LoadReport> {
  const command = [process.execPath, generator, JSON.stringify(order)];
  const { code, stdout, stderr } = await runChild(command, { seconds: 90 });
  if (code !== 0) throw new Error(`the load broke off: ${lastLines(stderr)}`);
  return JSON.parse(stdout) as LoadReport;
}
