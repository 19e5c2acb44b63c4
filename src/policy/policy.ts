/**
 * `definePolicy`: settings as an operator writes them, completed by the defaults, with every mistake named at once.
 */
import type { Plugin } from "./plugin.ts";
import { DEFAULTS, type Settings } from "./settings.ts";

type Given = Partial<Omit<Settings, "limits" | "times" | "reuse" | "hostname" | "listen">>;

/** What a policy file gives. Groups of settings may be given in part. */
export interface PolicyOptions extends Given {
  readonly hostname: Settings["hostname"];
  readonly listen: Settings["listen"];
  readonly limits?: Partial<Settings["limits"]>;
  readonly times?: Partial<Settings["times"]>;
  readonly reuse?: Partial<Settings["reuse"]>;
}

/** What a policy file exports as its default. */
export interface Policy {
  readonly settings: Settings;
}

/** Settings that cannot be used: one line a mistake, each saying what was given and what is allowed. */
export class SettingsError extends Error {
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.name = "SettingsError";
    this.mistakes = mistakes;
  }
}

/**
 * Makes a policy.
 * @throws SettingsError
 */
export function definePolicy(options: PolicyOptions): Policy {
  const mistakes: string[] = [];
  const settings: Settings = {
    ...DEFAULTS,
    backends: [],
    ...options,
    limits: { ...DEFAULTS.limits, ...options.limits },
    times: { ...DEFAULTS.times, ...options.times },
    reuse: { ...DEFAULTS.reuse, ...options.reuse },
  };
  checkNames(options, mistakes);
  checkNumbers(settings, mistakes);
  checkChoices(settings, mistakes);
  settings.plugins.forEach((plugin, i) => checkPlugin(plugin, `plugins[${i}]`, mistakes));
  if (settings.listen.length === 0) mistakes.push("listen: no address is given; at least one is needed");
  if (settings.backends.length === 0 && settings.demo === undefined) {
    mistakes.push("backends: none is given; at least one is needed");
  }
  if (settings.tls === undefined) {
    for (const { name, implicitTls } of settings.listen) {
      if (implicitTls) {
        mistakes.push(
          `listen: ${name} needs a certificate; set tls (SALLYPORT_TLS_CERT and SALLYPORT_TLS_KEY)`,
        );
      }
    }
  }
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return { settings };
}

const GROUPS = ["limits", "times", "reuse"] as const;

function checkNames(options: PolicyOptions, mistakes: string[]): void {
  const known = new Set([...Object.keys(DEFAULTS), "hostname", "listen", "backends"]);
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      mistakes.push(`${name}: there is no such setting; allowed are ${[...known].sort().join(", ")}`);
    }
  }
  for (const group of GROUPS) {
    const names = Object.keys(DEFAULTS[group]);
    for (const name of Object.keys(options[group] ?? {})) {
      if (!names.includes(name)) {
        mistakes.push(`${group}.${name}: there is no such setting; allowed are ${names.join(", ")}`);
      }
    }
  }
}

function checkNumbers(settings: Settings, mistakes: string[]): void {
  const positive = (path: string, value: unknown) => {
    if (typeof value === "number" && value > 0) return;
    mistakes.push(`${path}: ${String(value)} was given; allowed is a number above 0, or Infinity`);
  };
  for (const group of GROUPS) {
    for (const [name, value] of Object.entries(settings[group])) positive(`${group}.${name}`, value);
  }
  for (const name of ["sessions", "sessionsPerClient", "drain"] as const) positive(name, settings[name]);
}

function checkChoices(settings: Settings, mistakes: string[]): void {
  const choice = (path: string, value: unknown, allowed: readonly string[]) => {
    if (!allowed.includes(value as string)) {
      mistakes.push(`${path}: ${JSON.stringify(value)} was given; allowed are ${allowed.join(", ")}`);
    }
  };
  choice("bareLineFeeds", settings.bareLineFeeds, ["reject", "normalize"]);
  choice("dial", settings.dial, ["mail", "rcpt"]);
  for (const verb of settings.relay) choice("relay", verb, ["VRFY", "EXPN", "ETRN"]);
}

function checkPlugin(plugin: Plugin, path: string, mistakes: string[]): void {
  if (typeof plugin?.name !== "string") {
    return void mistakes.push(`${path}: is no plugin; plugins are made with definePlugin`);
  }
  if (!["pass", "defer", "reject"].includes(plugin.onError)) {
    mistakes.push(
      `${path} (${plugin.name}): onError ${
        JSON.stringify(plugin.onError)
      } was given; allowed are pass, defer, reject`,
    );
  }
}
