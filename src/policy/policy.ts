/**
 * `definePolicy`: settings as an operator writes them, completed by the defaults, with every mistake named at once.
 */
import process from "node:process";
import { adminAddress, dnsServer, listener, type ListenGiven } from "./address.ts";
import { type BackendGiven, completeBackend } from "./backend_address.ts";
import { settingsMistakes } from "./check_settings.ts";
import { type Environment, readEnvironment, type Variables } from "./environment.ts";
import {
  type AdminAddress,
  DEFAULTS,
  type DnsServer,
  type ListenAddress,
  type Settings,
} from "./settings.ts";
import { SettingsError } from "./settings_error.ts";
import { isTlsSettings, type TlsGiven, tlsSettings } from "./tls_settings.ts";
import { UNITS } from "./units.ts";

export { SettingsError } from "./settings_error.ts";

/** Some of them; undefined stands for the default. */
type Some<Group> = { readonly [Name in keyof Group]?: Group[Name] | undefined };
type Special =
  | "hostname"
  | "tls"
  | "listen"
  | "backends"
  | "pools"
  | "limits"
  | "times"
  | "reuse"
  | "health"
  | "deadlines"
  | "dns"
  | "admin";

/** What a policy file gives. What is left out or undefined has its default; groups may be given in part. */
export interface PolicyOptions extends Some<Omit<Settings, Special>> {
  /** A domain name. */
  readonly hostname: string;
  /** As text: `"0.0.0.0:25"`, `"tls://[::]:465"`, `"unix:/run/smtp"`, `"fd:3"`; `{ address, tls: "required" }` says more. */
  readonly listen: readonly (string | ListenGiven | ListenAddress)[];
  /** As text: `"127.0.0.1:10025"`, `"10.0.0.1:25?weight=3&backup"`, `"unix:/run/backend"`. */
  readonly backends?: readonly (string | BackendGiven)[] | undefined;
  /** More backends, in pools that `routes` and plugins name; `backends` is the pool "default". */
  readonly pools?: Readonly<Record<string, readonly (string | BackendGiven)[]>> | undefined;
  /** Certificates: `{ cert, key }`, an array of such pairs, or `{ certificates, clientCertificates, clientCa }`. */
  readonly tls?: TlsGiven | undefined;
  readonly limits?: Some<Settings["limits"]> | undefined;
  readonly times?: Some<Settings["times"]> | undefined;
  readonly reuse?: Some<Settings["reuse"]> | undefined;
  readonly health?: Some<Settings["health"]> | undefined;
  readonly deadlines?: Some<Settings["deadlines"]> | undefined;
  /** As text: `"127.0.0.1:53"`, `"[::1]:53"`, `"192.0.2.53"`. */
  readonly dns?: readonly (string | DnsServer)[] | undefined;
  /** As text: `"127.0.0.1:8025"`. */
  readonly admin?: string | AdminAddress | undefined;
}

/** What a policy file exports as its default. */
export interface Policy {
  readonly settings: Settings;
}

/**
 * Makes a policy.
 * @param given the settings, or a function that makes them from the environment: mistakes in the variables and in the
 *   settings are then named together, and so are those of a SettingsError that it throws
 * @param variables what such a function's environment is read from
 * @throws SettingsError
 */
export function definePolicy(
  given: PolicyOptions | ((environment: Environment) => PolicyOptions),
  variables: Variables = process.env,
): Policy {
  if (typeof given !== "function") return completed(given, []);
  const { environment, mistakes, untaken } = readEnvironment(variables);
  let options: PolicyOptions;
  try {
    options = given(environment);
  } catch (cause) {
    if (!(cause instanceof SettingsError)) throw cause;
    throw new SettingsError([...mistakes, ...cause.mistakes], cause.files ?? tlsSettings(environment.tls));
  }
  const { settings } = completed(options, mistakes);
  return { settings: { ...settings, notices: [...settings.notices, ...untaken()] } };
}

function completed(options: PolicyOptions, earlier: readonly string[]): Policy {
  if (typeof options !== "object" || options === null) {
    throw new SettingsError([
      ...earlier,
      `Cannot make a policy: ${String(options)} was given; allowed is an object with settings`,
    ]);
  }
  const names = unknownNames(options);
  const settings = complete(options);
  const mistakes = [...earlier, ...names, ...settingsMistakes(settings)];
  if (mistakes.length > 0) {
    throw new SettingsError(mistakes, isTlsSettings(settings.tls) ? settings.tls : undefined);
  }
  return { settings: { ...settings, notices: [...settings.notices, ...notices(settings)] } };
}

/** The settings with defaults and addresses read; what cannot be read stays, for the check to name. */
function complete(options: PolicyOptions): Settings {
  const { listen, backends, pools, tls, limits, times, reuse, health, deadlines, dns, admin, ...rest } =
    options;
  return {
    ...over(DEFAULTS, rest),
    hostname: options.hostname,
    listen: Array.isArray(listen) ? listen.map(listener) : listen as unknown as readonly ListenAddress[],
    tls: tlsSettings(tls),
    backends: completeBackends(backends ?? []),
    pools: pools === undefined ? {} : poolsOf(pools),
    limits: over(DEFAULTS.limits, limits ?? {}),
    times: over(DEFAULTS.times, times ?? {}),
    reuse: over(DEFAULTS.reuse, reuse ?? {}),
    health: over(DEFAULTS.health, health ?? {}),
    deadlines: over(DEFAULTS.deadlines, deadlines ?? {}),
    dns: addresses(dns ?? [], dnsServer),
    admin: typeof admin === "string" ? adminAddress(admin) ?? (admin as unknown as AdminAddress) : admin,
  };
}

function poolsOf(given: NonNullable<PolicyOptions["pools"]>): Settings["pools"] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return given as Settings["pools"];
  const pools = Object.entries(given).map(([name, backends]) => [name, completeBackends(backends)]);
  return Object.fromEntries(pools) as Settings["pools"];
}

/** `defaults` with what is given put over them; undefined is not given. */
function over<Group extends object>(defaults: Group, given: Some<Group>): Group {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(set) };
}

function addresses<Address>(
  given: readonly (string | Address)[],
  read: (text: string) => Address | undefined,
): readonly Address[] {
  if (!Array.isArray(given)) return given as readonly Address[];
  return given.map((each) => (typeof each === "string" ? read(each) ?? each : each) as Address);
}

function completeBackends(given: readonly (string | BackendGiven)[]): Settings["backends"] {
  return Array.isArray(given) ? given.map(completeBackend) : given as never;
}

function unknownNames(options: PolicyOptions): string[] {
  const known = [...Object.keys(DEFAULTS), "hostname", "listen", "backends"].sort();
  const groups = (Object.keys(UNITS) as (keyof typeof UNITS)[]).flatMap((group) => {
    const given = options[group] ?? {};
    return typeof given === "object"
      ? strangers(`${group}.`, given, Object.keys(UNITS[group]))
      : [`${group}: ${JSON.stringify(given)} was given; allowed is an object with settings`];
  });
  const own = strangers("", options, known).map((line) => ofVariable(line) ?? line);
  return [...own, ...groups];
}

/** What the environment has for plugins, and who spreads it leaves among the settings. */
function ofVariable(line: string): string | undefined {
  const [name = ""] = line.split(":");
  const variable = { relayDomains: "SALLYPORT_RELAY_DOMAINS", dnsbl: "SALLYPORT_DNSBL" }[name];
  if (variable === undefined) return undefined;
  return `${name}: is no setting, but what ${variable} says, for plugins; take it out of the settings, as in ` +
    `({ ${name}, ...environment }) => ({ ...environment, … })`;
}

function strangers(prefix: string, given: object, known: readonly string[]): string[] {
  return Object.keys(given).filter((name) => !known.includes(name)).map((name) =>
    `${prefix}${name}: there is no such setting; allowed are ${known.join(", ")}`
  );
}

/** What an operator should know of settings that are no mistake. */
function notices({ hostname, pools, routes, plugins }: Settings): string[] {
  const plain = hostname.includes(".") ? [] : [
    `The hostname ${hostname} has no dot, and many mail servers refuse such a name: set SALLYPORT_HOSTNAME`,
  ];
  const targets = routes.map(({ pool }) => pool);
  if (plugins.length > 0 || targets.some((pool) => typeof pool === "function")) return plain;
  const idle = Object.keys(pools).filter((name) => !targets.includes(name));
  return [...plain, ...idle.map((name) => `The pool ${name} is never used: no route names it`)];
}
