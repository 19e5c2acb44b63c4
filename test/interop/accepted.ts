/** Which forms of a backend's address the program takes, told by its own `check`: a case waits for its form to come. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const known = new Map<string, string | undefined>();

/** Why a backend cannot be written so; undefined where it can. */
export function unaccepted(address: string): string | undefined {
  if (!known.has(address)) {
    known.set(address, check([address]) === undefined ? undefined : notYet(address));
  }
  return known.get(address);
}

/** Asks for many in one run, which names each that it does not take; what it does not name is asked for alone. */
export function askTogether(addresses: readonly string[]): void {
  const mistakes = check(addresses);
  for (const address of addresses) {
    if (mistakes === undefined) known.set(address, undefined);
    else if (mistakes.includes(JSON.stringify(address))) known.set(address, notYet(address));
  }
}

function notYet(address: string): string {
  return `the policy does not take ${address} as a backend yet`;
}

/** What `check` says is wrong; undefined where nothing is. */
function check(addresses: readonly string[]): string | undefined {
  const env = {
    PATH: process.env.PATH ?? "",
    SALLYPORT_ADMIN: "off",
    SALLYPORT_BACKEND: addresses.join(","),
  };
  const words = [path("src/main.ts"), "check", path("policies/pass.ts")];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    env,
    encoding: "utf8",
    timeout: 15_000,
  });
  return status === 0 ? undefined : `${stdout}${stderr}`;
}
