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
import { isTrustedNetwork, TRUSTED_FORMS } from "./networks.ts";
import { backendMistakes } from "./backend_address.ts";
import { type Check, choice, isText, list, number, numbers, optional, shown, value } from "./check.ts";
import { poolNameMistakes } from "./check_routes.ts";
import { togetherMistakes } from "./check_together.ts";
import { ruleMistakes } from "./rule.ts";
import type { Settings } from "./settings.ts";
import { tlsMistakes } from "./tls_settings.ts";
import { PLAIN_UNITS, UNITS } from "./units.ts";

/** The mistakes in settings that are complete, as far as names go, and may hold anything. */
export function settingsMistakes(settings: Settings): string[] {
  const single = Object.entries(CHECKS).flatMap(([name, check]) =>
    check(name, settings[name as keyof Settings])
  );
  return [...single, ...togetherMistakes(settings)];
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
  trusted: list(value((given) => typeof given === "string" && isTrustedNetwork(given), TRUSTED_FORMS)),
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

function isListenAddress(given: unknown): boolean {
  const { name, endpoint, implicitTls, tlsRequired, proxy } = (given ?? {}) as Record<string, unknown>;
  return isText(name) && isListenEndpoint(endpoint) && typeof implicitTls === "boolean" &&
    (tlsRequired === undefined || typeof tlsRequired === "boolean") &&
    [undefined, "off", "optional", "required"].includes(proxy as undefined);
}
