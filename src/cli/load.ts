/**
 * Loads a policy file. Whatever is wrong with it ends in a SettingsError with a line a mistake.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { readBackendFiles } from "./backend_files.ts";
import { importAdvice } from "./import_advice.ts";
import { importFault } from "./import_fault.ts";
import type { TlsServerOptions } from "../net/wire.ts";
import { type Policy, SettingsError } from "../policy/policy.ts";
import type { Settings } from "../policy/settings.ts";
import type { TlsSettings } from "../policy/tls_settings.ts";
import { readTls, tlsMark } from "./tls_files.ts";

/** A policy ready to run. */
interface Loaded {
  readonly settings: Settings;
  readonly tls: LoadedTls | undefined;
  /** What is in the files that backends' addresses name. */
  readonly files: ReadonlyMap<string, string>;
}

/** What is served, and how the files were before it was read. */
interface LoadedTls {
  readonly settings: TlsSettings;
  readonly service: TlsServerOptions;
  readonly mark: string;
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
  const mark = await tlsMark(settings.tls);
  const { service, mistakes, warnings } = await readTls(settings.tls);
  if (service === undefined || ofBackends.length > 0) throw new SettingsError([...mistakes, ...ofBackends]);
  return {
    settings: { ...settings, notices: [...settings.notices, ...warnings] },
    tls: { settings: settings.tls, service, mark },
    files,
  };
}

async function importPolicy(path: string): Promise<Policy> {
  const file = resolve(path);
  let module: { default?: unknown };
  try {
    module = await import(pathToFileURL(file).href);
  } catch (cause) {
    if (cause instanceof SettingsError) throw await withFiles(cause);
    const fault = importFault(cause, file);
    throw new SettingsError([`Cannot load the policy ${path}: ${fault}${importAdvice(fault, cause, file)}`]);
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
async function withFiles({ mistakes, files }: SettingsError): Promise<SettingsError> {
  return new SettingsError(
    files === undefined ? mistakes : [...mistakes, ...(await readTls(files)).mistakes],
  );
}
