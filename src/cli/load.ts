/**
 * Loads a policy file. Whatever is wrong with it ends in a SettingsError with a line a mistake.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checkIdentity } from "../net/tls.ts";
import type { TlsIdentity } from "../net/wire.ts";
import { type Policy, SettingsError } from "../policy/policy.ts";
import type { Settings, TlsFiles } from "../policy/settings.ts";

/** A policy ready to run. */
export interface Loaded {
  readonly settings: Settings;
  readonly tls: TlsIdentity | undefined;
}

/** @throws SettingsError */
export async function loadPolicy(path: string): Promise<Loaded> {
  const { settings } = await importPolicy(path);
  return { settings, tls: settings.tls && readIdentity(settings.tls) };
}

async function importPolicy(path: string): Promise<Policy> {
  let module: { default?: unknown };
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    if (cause instanceof SettingsError) throw cause;
    throw new SettingsError([`Cannot load the policy ${path}: ${oneLine(cause)}`]);
  }
  const policy = module.default as Policy | undefined;
  if (policy?.settings === undefined) {
    throw new SettingsError([
      `Cannot use the policy ${path}: its default export is not made by definePolicy`,
    ]);
  }
  return policy;
}

function readIdentity(files: TlsFiles): TlsIdentity {
  const identity = { cert: read(files.cert, "certificate"), key: read(files.key, "key") };
  const fault = checkIdentity(identity);
  if (fault !== undefined) {
    throw new SettingsError([`Cannot use the certificate ${files.cert} with the key ${files.key}: ${fault}`]);
  }
  return identity;
}

function read(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new SettingsError([`Cannot read the ${what} ${path}: ${oneLine(cause)}`]);
  }
}

function oneLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!;
}
