/**
 * Brings in what the interoperation tests run and no package of the machine or the project holds: Debian's mail servers,
 * unpacked, and Haraka. `bun test/interop/fetch.ts`; what is there already stays. Exit code 1 when something is missing.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { installed } from "../../bench/support/peers/haraka.ts";
import { unpack, UNPACKED, type UnpackedName } from "./unpacked.ts";

async function attempt(name: string, work: () => void | Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (fault) {
    process.exitCode = 1;
    console.log(`Cannot bring in ${name}: ${fault instanceof Error ? fault.message : fault}`);
  }
}

/** A machine that has installed nothing yet knows no packages. */
function refreshed(name: UnpackedName): void {
  try {
    unpack(name);
  } catch {
    if (!updated) spawnSync("apt-get", ["-qq", "update"], { stdio: "inherit", timeout: 50_000 });
    updated = true;
    unpack(name);
  }
}

let updated = false;
const haraka = attempt("Haraka", () => installed([]));
for (const name of Object.keys(UNPACKED) as UnpackedName[]) await attempt(name, () => refreshed(name));
await haraka;
