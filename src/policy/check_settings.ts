/**
 * One check per setting. A policy is a program that no type checker may have seen, so each value is looked at as it
 * came. A mistake is a line: the setting, what was given, what is allowed.
 */
import {
  ADMIN_FORMS,
  DNS_FORMS,
  isAdminAddress,
  isDnsServer,
  isDomain,
  isListenEndpoint,
  isStoreAddress,
  LISTEN_FORMS,
  STORE_FORMS,
} from "./address.ts";
import { NETWORK_FORMS, readNetwork } from "./networks.ts";
import { backendMistakes } from "./backend_address.ts";
import { poolNameMistakes, routeMistakes } from "./check_routes.ts";
import { type Rule, ruleMistakes } from "./rule.ts";
import type { Settings } from "./settings.ts";
import { tlsMistakes } from "./tls_settings.ts";
import { PLAIN_UNITS, type Unit, UNITS } from "./units.ts";

/** Milliseconds that a timer can run: one that is set for longer fires at once. */
const LONGEST = 2_147_483_647;

type Check = (path: string, given: unknown) => string[];

/** The mistakes in settings that are complete, as far as names go, and may hold anything. */
export function settingsMistakes(settings: Settings): string[] {
  const single = Object.entries(CHECKS).flatMap(([name, check]) =>
    check(name, settings[name as keyof Settings])
  );
  return [...single, ...between(settings)];
}

/** Mistakes that no setting makes alone. What is no array has been named already. */
function between(settings: Settings): string[] {
  const { listen, backends, pools, routes, demo, tls, plugins, trusted } = settings;
  const mistakes = [...repeated(elements(plugins)), ...repeatedBackends(elements(backends))];
  for (const address of elements(listen)) {
    if (address?.proxy !== "required") continue;
    const takes = `listen: ${address.name} takes PROXY headers from trusted hosts only, and`;
    if ("path" in (address.endpoint ?? {})) {
      mistakes.push(`${takes} the other end of a unix socket has no address; listen on 127.0.0.1 or [::1]`);
    } else if (elements(trusted).length === 0) {
      mistakes.push(`${takes} there are none; set trusted (SALLYPORT_TRUSTED)`);
    }
  }
  mistakes.push(...routeMistakes(routes, {
    listeners: elements(listen).flatMap((address) => address?.name ?? []),
    pools: Object.keys(pools ?? {}),
  }));
  if (Array.isArray(backends) && backends.length === 0 && demo === undefined) {
    mistakes.push("backends: none is given; at least one is needed (SALLYPORT_BACKEND)");
  }
  if (elements(backends).length > 0 && demo !== undefined) {
    const names = elements(backends).map((backend) => backend?.name ?? "?").join(", ");
    mistakes.push(
      `demo: ${shown(demo)} was given beside backends ${names}; allowed is one of the two, ` +
        "since the demo would take the backends' mail",
    );
  }
  for (const address of tls === undefined ? elements(listen) : []) {
    if (address?.implicitTls !== true && address?.tlsRequired !== true) continue;
    mistakes.push(
      `listen: ${address.name} needs a certificate; set tls (SALLYPORT_TLS_CERT and SALLYPORT_TLS_KEY)`,
    );
  }
  return mistakes;
}

function elements<Element>(given: readonly Element[]): readonly Element[] {
  return Array.isArray(given) ? given : [];
}

/** A name is a plugin's metrics, its circuit and its place in the log. */
function repeated(rules: readonly Rule[]): string[] {
  const places = placesOf("plugins", rules);
  return places.flatMap(([place, name], i) => {
    const [first] = places.find(([, other]) => other === name)!;
    if (places[i]![0] === first || typeof name !== "string") return [];
    return [
      `${place} (${name}): is named as ${first} is; allowed is each name once (named("…", plugin) gives another)`,
    ];
  });
}

/** A backend is drained, counted and told of by its name. */
function repeatedBackends(backends: Settings["backends"]): string[] {
  const names = backends.map((backend) => backend?.name);
  return names.flatMap((name, i) => {
    const first = names.indexOf(name);
    if (first === i || name === undefined) return [];
    return [
      `backends[${i}]: ${name} is backends[${first}] too; allowed is each once (weight=2 doubles a share)`,
    ];
  });
}

/** Every plugin's place and name; what has no name is told elsewhere. */
function placesOf(place: string, rules: readonly Rule[]): (readonly [place: string, name: unknown])[] {
  return rules.flatMap((rule, i) => {
    const here = `${place}[${i}]`;
    const { group, rules: inner, name } = (rule ?? {}) as Record<string, unknown>;
    return group === undefined
      ? [[here, name] as const]
      : placesOf(`${here}.rules`, elements(inner as Rule[]));
  });
}

const CHECKS: Readonly<Record<keyof Settings, Check>> = {
  hostname: value(isDomain, "a domain name"),
  listen: (path, given) =>
    Array.isArray(given) && given.length === 0
      ? [`${path}: no address is given; at least one is needed`]
      : list(
        value(
          isListenAddress,
          `${LISTEN_FORMS}; or { address, tls: "offered" or "required", proxy: "off", "optional" or "required" }`,
        ),
      )(path, given),
  trusted: list(value(isNetwork, NETWORK_FORMS)),
  proxyUnknown: choice(["take", "refuse"]),
  backends: list(backendMistakes),
  pools: poolMistakes,
  // Each names pools and listeners, so they are looked at when those are known.
  routes: () => [],
  balance: choice(["round-robin", "least-busy"]),
  health: numbers(UNITS.health),
  whenDown: choice(["defer", "refuse"]),
  tls: optional(tlsMistakes),
  plugins: list(ruleMistakes),
  deadlines: numbers(UNITS.deadlines),
  store: value(isStoreAddress, STORE_FORMS),
  dns: list(value(isDnsServer, DNS_FORMS)),
  admin: optional(value(isAdminAddress, ADMIN_FORMS)),
  limits: numbers(UNITS.limits),
  sessions: number(PLAIN_UNITS.sessions),
  sessionsPerClient: number(PLAIN_UNITS.sessionsPerClient),
  times: numbers(UNITS.times),
  reuse: numbers(UNITS.reuse),
  bareLineFeeds: choice(["reject", "normalize"]),
  dial: choice(["mail", "rcpt"]),
  pipelining: choice([true, false]),
  relay: list(choice(["VRFY", "EXPN", "ETRN"])),
  drain: number(PLAIN_UNITS.drain),
  demo: optional(value(isText, "the name of a folder")),
  notices: list(value((given) => typeof given === "string", "text")),
};

function poolMistakes(path: string, given: unknown): string[] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return [
      `${path}: ${shown(given)} was given; allowed is an object of lists of backends, each under its name`,
    ];
  }
  const lists = Object.entries(given).flatMap(([name, backends]) =>
    Array.isArray(backends) && backends.length === 0
      ? [`${path}.${name}: no backend is given; at least one is needed`]
      : CHECKS.backends(`${path}.${name}`, backends)
  );
  return [...poolNameMistakes(Object.keys(given)), ...lists];
}

function value(isGood: (given: unknown) => boolean, allowed: string): Check {
  return (
    path,
    given,
  ) => (isGood(given) ? [] : [`${path}: ${shown(given)} was given; allowed is ${allowed}`]);
}

function optional(check: Check): Check {
  return (path, given) => (given === undefined ? [] : check(path, given));
}

function choice(allowed: readonly unknown[]): Check {
  return value((given) => allowed.includes(given), `one of ${allowed.join(", ")}`);
}

function list(check: Check): Check {
  return (path, given) => {
    if (!Array.isArray(given)) return [`${path}: ${shown(given)} was given; allowed is an array`];
    return given.flatMap((each, i) => check(`${path}[${i}]`, each));
  };
}

function numbers(units: Readonly<Record<string, Unit>>): Check {
  return (path, given) =>
    Object.entries(units).flatMap(([name, unit]) =>
      number(unit)(`${path}.${name}`, (given as Record<string, unknown>)[name])
    );
}

function number(unit: Unit): Check {
  return (path, given) => {
    const isTimer = path === "drain" || path === "limits.handshakeTime" || path.startsWith("deadlines.");
    const isWhole = unit === "" || unit === "octets";
    const isGood = typeof given === "number" && given > 0 && (!isTimer || given <= LONGEST) &&
      (!isWhole || given === Infinity || Number.isInteger(given));
    if (isGood) return [];
    const kind = isWhole ? "a whole number" : "a number";
    const upTo = isTimer ? ` up to ${LONGEST}` : ", or Infinity";
    return [
      `${path}: ${shown(given)} was given; allowed is ${kind}${unit && ` of ${unit}`} above 0${upTo}`,
    ];
  };
}

function isText(given: unknown): given is string {
  return typeof given === "string" && given !== "";
}

function isListenAddress(given: unknown): boolean {
  const { name, endpoint, implicitTls, tlsRequired, proxy } = (given ?? {}) as Record<string, unknown>;
  return isText(name) && isListenEndpoint(endpoint) && typeof implicitTls === "boolean" &&
    (tlsRequired === undefined || typeof tlsRequired === "boolean") &&
    [undefined, "off", "optional", "required"].includes(proxy as undefined);
}

function isNetwork(given: unknown): boolean {
  return typeof given === "string" && readNetwork(given) !== undefined;
}

/** A value in a line: numbers as they are (JSON has no Infinity), all else as JSON. */
function shown(given: unknown): string {
  return typeof given === "number" || typeof given === "function"
    ? String(given).split("\n")[0]!
    : JSON.stringify(given) ?? String(given);
}
