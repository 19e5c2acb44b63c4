/** Which forms of a backend's address the program takes, told by its own `check`: a case waits for its form to come. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const known = new Map<string, string | undefined>();

/** Why a backend cannot be written so; undefined where it can. */
export function unaccepted(address: string): string | undefined {
  if (!known.has(address)) known.set(address, ask(address));
  return known.get(address);
}

function ask(address: string): string | undefined {
  const env = { PATH: process.env.PATH ?? "", SALLYPORT_ADMIN: "off", SALLYPORT_BACKEND: address };
  const words = [path("src/main.ts"), "check", path("policies/pass.ts")];
  const { status } = spawnSync(process.execPath, words, { env, encoding: "utf8", timeout: 15_000 });
  return status === 0 ? undefined : `the policy does not take ${address} as a backend yet`;
}
