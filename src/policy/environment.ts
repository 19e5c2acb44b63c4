/**
 * The environment that the shipped policies read, so that they run unedited.
 */
import { hostname } from "node:os";
import process from "node:process";
import {
  ADMIN_FORMS,
  adminAddress,
  DNS_FORMS,
  dnsServer,
  isDomain,
  isStoreAddress,
  LISTEN_FORMS,
  listenAddress,
  STORE_FORMS,
} from "./address.ts";
import { isTrustedNetwork, NETWORK_FORMS, readNetwork, TRUSTED_FORMS } from "./networks.ts";
import { allowedBackend, BACKEND_DEFAULTS, backendAddress, withoutSecret } from "./backend_address.ts";
import type { AdminAddress, BackendAddress, DnsServer, ListenAddress } from "./settings.ts";
import { SettingsError } from "./settings_error.ts";
import { type TlsFiles, tlsSettings } from "./tls_settings.ts";

/** What the variables say. Undefined where one is not set and has no default. */
export interface Environment {
  readonly hostname: string;
  readonly listen: readonly ListenAddress[];
  readonly backends: readonly BackendAddress[];
  /** Pairs, in their order. */
  readonly tls: readonly TlsFiles[] | undefined;
  readonly relayDomains: readonly string[] | undefined;
  /** Networks whose PROXY header or XCLIENT is believed. */
  readonly trusted: readonly string[];
  readonly store: string | undefined;
  readonly dns: readonly DnsServer[];
  /** Zones in postscreen's syntax, as the `dnsbl` plugin reads them. */
  readonly dnsbl: string | undefined;
  readonly admin: AdminAddress | undefined;
  /** Lines about variables that are set and have no effect. */
  readonly notices: readonly string[];
}

/** What was read, and what is wrong with it. */
export interface ReadEnvironment {
  readonly environment: Environment;
  readonly mistakes: readonly string[];
  /** Lines about variables that are set and whose values nobody has looked at. */
  untaken(): readonly string[];
}

/** Names and values, as in `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>;
type Note = (variable: string, given: string, allowed: string) => void;

/**
 * Reads the SALLYPORT_ variables.
 * @throws SettingsError naming every variable that cannot be used
 */
export function environment(variables: Variables = process.env): Environment {
  const { environment, mistakes } = readEnvironment(variables);
  if (mistakes.length > 0) throw new SettingsError(mistakes, tlsSettings(environment.tls));
  return environment;
}

/** Reads them, and names the mistakes. In their places stand values that make no mistake of their own. */
export function readEnvironment(variables: Variables): ReadEnvironment {
  const mistakes: string[] = [];
  const note: Note = (variable, given, allowed) =>
    mistakes.push(`${variable}: ${JSON.stringify(given)} was given; allowed is ${allowed}`);
  const environment = {
    listen: listenAddresses(variables["SALLYPORT_LISTEN"], note),
    hostname: ownName(variables["SALLYPORT_HOSTNAME"], note),
    backends: backendAddresses(variables["SALLYPORT_BACKEND"], note),
    tls: tlsFiles(variables["SALLYPORT_TLS_CERT"], variables["SALLYPORT_TLS_KEY"], mistakes),
    relayDomains: domains(variables["SALLYPORT_RELAY_DOMAINS"], note),
    trusted: networks(variables["SALLYPORT_TRUSTED"], note),
    store: storeAddress(variables["SALLYPORT_STORE"], note),
    dns: dnsServers(variables["SALLYPORT_DNS"], note),
    dnsbl: variables["SALLYPORT_DNSBL"]?.trim() || undefined,
    admin: adminPlace(variables["SALLYPORT_ADMIN"], note),
    notices: notices(variables, note),
  };
  const taken = new Set<string | symbol>();
  return {
    environment: new Proxy<Environment>(environment, {
      get: (target, name) => (taken.add(name), Reflect.get(target, name)),
    }),
    mistakes,
    untaken: () => untaken(variables, taken),
  };
}

/** What the environment's values are made of. */
const VARIABLES: Readonly<Record<string, keyof Environment>> = {
  SALLYPORT_LISTEN: "listen",
  SALLYPORT_BACKEND: "backends",
  SALLYPORT_HOSTNAME: "hostname",
  SALLYPORT_TLS_CERT: "tls",
  SALLYPORT_RELAY_DOMAINS: "relayDomains",
  SALLYPORT_TRUSTED: "trusted",
  SALLYPORT_STORE: "store",
  SALLYPORT_DNS: "dns",
  SALLYPORT_DNSBL: "dnsbl",
  SALLYPORT_ADMIN: "admin",
};

/** Somebody who sets a variable relies on it. */
function untaken(variables: Variables, taken: ReadonlySet<string | symbol>): string[] {
  return Object.entries(VARIABLES).flatMap(([variable, name]) =>
    variables[variable] && !taken.has(name)
      ? [`${variable} is set, but this policy does not take it (${name})`]
      : []
  );
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/[\s,]+/).filter((word) => word !== "");
}

/** Stands where an address could not be read; it is never listened at nor dialled. */
const UNREADABLE = { host: "unreadable.invalid", port: 1 };

function listenAddresses(given: string | undefined, note: Note): ListenAddress[] {
  const names = words(given);
  return (names.length === 0 ? ["127.0.0.1:2525"] : names).map((name) => {
    const address = listenAddress(name);
    if (address === undefined) note("SALLYPORT_LISTEN", name, `${LISTEN_FORMS}; several with commas`);
    return address ?? { name, endpoint: UNREADABLE, implicitTls: false };
  });
}

function backendAddresses(given: string | undefined, note: Note): BackendAddress[] {
  return words(given).map((text, at, all) => {
    const address = backendAddress(text);
    if (address !== undefined) return address;
    // What follows a password with a comma in it may be the rest of the password.
    const hidden = all.slice(0, at).some((before) => /[?&]login=/i.test(before));
    const name = hidden ? "…" : withoutSecret(text);
    note(
      "SALLYPORT_BACKEND",
      name,
      hidden
        ? 'another backend, or the rest of a password with each "," and space in it written %2C and %20'
        : `${allowedBackend(text)}; several with commas`,
    );
    return { ...BACKEND_DEFAULTS, name, endpoint: UNREADABLE };
  });
}

function ownName(given: string | undefined, note: Note): string {
  const fallback = isDomain(hostname()) ? hostname() : "localhost";
  if (given === undefined || given === "") return fallback;
  if (isDomain(given)) return given;
  note("SALLYPORT_HOSTNAME", given, "a domain name");
  return fallback;
}

function tlsFiles(
  cert: string | undefined,
  key: string | undefined,
  mistakes: string[],
): TlsFiles[] | undefined {
  if (!cert && !key) return undefined;
  if (cert && key) return pairs(names(cert), names(key), mistakes);
  const [set, missing] = cert ? ["CERT", "KEY"] : ["KEY", "CERT"];
  mistakes.push(
    `SALLYPORT_TLS_${missing}: is not set, though SALLYPORT_TLS_${set} is; a certificate needs both`,
  );
  return undefined;
}

/** Names of files, with commas: they may hold spaces. */
function names(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

function pairs(
  certs: readonly string[],
  keys: readonly string[],
  mistakes: string[],
): TlsFiles[] | undefined {
  if (certs.length === keys.length && certs.length > 0) {
    return certs.map((cert, i) => ({ cert, key: keys[i]! }));
  }
  mistakes.push(
    `SALLYPORT_TLS_KEY: ${keys.length} files were given; allowed is one for each of the ${certs.length} of ` +
      "SALLYPORT_TLS_CERT, in the same order",
  );
  return undefined;
}

function domains(given: string | undefined, note: Note): string[] | undefined {
  if (given === undefined) return undefined;
  const read = (name: string) => {
    if (isDomain(name)) return name.toLowerCase();
    note("SALLYPORT_RELAY_DOMAINS", name, "domain names with commas");
    return UNREADABLE.host;
  };
  const names = words(given);
  return names.length > 0 ? names.map(read) : [read(given)];
}

function networks(given: string | undefined, note: Note): string[] {
  return words(given).map((text) => {
    if (isTrustedNetwork(text)) return text;
    const forms = readNetwork(text) === undefined ? NETWORK_FORMS : TRUSTED_FORMS;
    note("SALLYPORT_TRUSTED", text, `${forms}; several with commas`);
    return "127.0.0.1";
  });
}

function storeAddress(given: string | undefined, note: Note): string | undefined {
  if (given === undefined || given === "") return undefined;
  if (isStoreAddress(given)) return given;
  // It may hold a password, in whatever place.
  note(
    "SALLYPORT_STORE",
    given.includes("@") ? `${given.slice(0, given.indexOf(":") + 1)}…` : given,
    STORE_FORMS,
  );
  return undefined;
}

function dnsServers(given: string | undefined, note: Note): DnsServer[] {
  return words(given).flatMap((name) => {
    const server = dnsServer(name);
    if (server === undefined) note("SALLYPORT_DNS", name, `${DNS_FORMS}; several with commas`);
    return server ?? [];
  });
}

/** Metrics are on the machine itself, unless told otherwise. */
const ADMIN = "127.0.0.1:8025";

function adminPlace(given: string | undefined, note: Note): AdminAddress | undefined {
  if (given === "off") return undefined;
  const address = adminAddress(given || ADMIN);
  if (address === undefined) note("SALLYPORT_ADMIN", given!, `off, or ${ADMIN_FORMS}`);
  return address;
}

interface Later {
  readonly form: RegExp;
  readonly allowed: string;
  /** Values that ask for nothing. */
  readonly quiet?: RegExp;
}

/** Variables of parts that are still to come: checked, so that a mistake does not wait for that day. */
const LATER: ReadonlyMap<string, Later> = new Map([
  ["SALLYPORT_USERS", { form: /\S/, allowed: "a file" }],
  ["SALLYPORT_WORKERS", {
    form: /^(auto|[1-9]\d{0,2})$/,
    allowed: "auto or a number from 1 to 999",
    quiet: /^1$/,
  }],
]);

const READ = [
  "LISTEN",
  "BACKEND",
  "HOSTNAME",
  "TLS_CERT",
  "TLS_KEY",
  "RELAY_DOMAINS",
  "TRUSTED",
  "STORE",
  "DNS",
  "DNSBL",
  "ADMIN",
].map((name) => `SALLYPORT_${name}`);

function notices(variables: Variables, note: Note): string[] {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith("SALLYPORT_") || value === undefined || value === "" || READ.includes(name)) {
      continue;
    }
    const later = LATER.get(name);
    if (later === undefined) lines.push(`${name} is set, but there is no such variable`);
    else if (!later.form.test(value)) note(name, value, later.allowed);
    else if (!later.quiet?.test(value)) lines.push(`${name} is set, but has no effect in this version`);
  }
  return lines;
}
