/**
 * Loads a policy file. Whatever is wrong with it ends in a SettingsError with a line a mistake.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { readBackendFiles } from "./backend_files.ts";
import { checkIdentity, identityWarning } from "../net/tls.ts";
import type { TlsIdentity } from "../net/wire.ts";
import { type Policy, SettingsError } from "../policy/policy.ts";
import type { Settings, TlsFiles } from "../policy/settings.ts";

/** A policy ready to run. */
interface Loaded {
  readonly settings: Settings;
  readonly tls: TlsIdentity | undefined;
  /** What is in the files that backends' addresses name. */
  readonly files: ReadonlyMap<string, string>;
}

/** @throws SettingsError with the mistakes of the environment, the policy and the files that they name */
export async function loadPolicy(path: string): Promise<Loaded> {
  const { settings } = await importPolicy(path);
  const { files, mistakes: ofBackends } = readBackendFiles([
    ...settings.backends,
    ...Object.values(settings.pools).flat(),
  ]);
  if (settings.tls === undefined) {
    if (ofBackends.length > 0) throw new SettingsError(ofBackends);
    return { settings, tls: undefined, files };
  }
  const { identity, mistakes } = readIdentity(settings.tls);
  mistakes.push(...ofBackends);
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  const warning = identityWarning(identity, new Date());
  const notices = warning === undefined ? settings.notices : [...settings.notices, warning];
  return { settings: { ...settings, notices }, tls: identity, files };
}

async function importPolicy(path: string): Promise<Policy> {
  let module: { default?: unknown };
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    if (cause instanceof SettingsError) throw withFiles(cause);
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

/** The mistakes in the files too, so that nobody repairs the settings only to hear of the next. */
function withFiles({ mistakes, files }: SettingsError): SettingsError {
  return new SettingsError(files === undefined ? mistakes : [...mistakes, ...readIdentity(files).mistakes]);
}

function readIdentity(files: TlsFiles): { readonly identity: TlsIdentity; readonly mistakes: string[] } {
  const mistakes: string[] = [];
  const read = (path: string, what: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch (cause) {
      mistakes.push(`Cannot read the ${what} ${path}: ${oneLine(cause)}`);
      return "";
    }
  };
  const identity = { cert: read(files.cert, "certificate"), key: read(files.key, "key") };
  const fault = mistakes.length === 0 ? checkIdentity(identity) : undefined;
  if (fault !== undefined) {
    mistakes.push(`Cannot use the certificate ${files.cert} with the key ${files.key}: ${fault}`);
  }
  return { identity, mistakes };
}

function oneLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!;
}
