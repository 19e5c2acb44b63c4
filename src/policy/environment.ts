/**
 * The environment that the shipped policies read, so that they run unedited.
 */
import { hostname } from "node:os";
import { isIP } from "node:net";
import process from "node:process";
import type { Endpoint } from "../net/wire.ts";
import { SettingsError } from "./policy.ts";
import type { BackendAddress, ListenAddress, TlsFiles } from "./settings.ts";

/** What the variables say. Undefined where one is not set and has no default. */
export interface Environment {
  readonly hostname: string;
  readonly listen: readonly ListenAddress[];
  readonly backends: readonly BackendAddress[];
  readonly tls: TlsFiles | undefined;
  readonly relayDomains: readonly string[] | undefined;
  /** Lines about variables that are set and have no effect. */
  readonly notices: readonly string[];
}

type Variables = Readonly<Record<string, string | undefined>>;
type Note = (variable: string, given: string, allowed: string) => void;

const ADDRESS = "host:port or [IPv6]:port";

/**
 * Reads the SALLYPORT_ variables.
 * @throws SettingsError naming every variable that cannot be used
 */
export function environment(variables: Variables = process.env): Environment {
  const mistakes: string[] = [];
  const note: Note = (variable, given, allowed) =>
    mistakes.push(`${variable}: ${JSON.stringify(given)} was given; allowed is ${allowed}`);
  const listen = listenAddresses(variables["SALLYPORT_LISTEN"], note);
  const read: Environment = {
    hostname: ownName(variables["SALLYPORT_HOSTNAME"], note),
    listen,
    backends: backendAddresses(variables["SALLYPORT_BACKEND"], note),
    tls: tlsFiles(variables["SALLYPORT_TLS_CERT"], variables["SALLYPORT_TLS_KEY"], mistakes),
    relayDomains: domains(variables["SALLYPORT_RELAY_DOMAINS"], note),
    notices: notices(variables, note),
  };
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return read;
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/[\s,]+/).filter((word) => word !== "");
}

function listenAddresses(given: string | undefined, note: Note): ListenAddress[] {
  const names = words(given);
  const addresses: ListenAddress[] = [];
  for (const name of names.length === 0 ? ["127.0.0.1:2525"] : names) {
    const implicitTls = name.startsWith("tls://");
    const endpoint = endpointOf(implicitTls ? name.slice(6) : name, 0);
    if (endpoint === undefined) {
      note(
        "SALLYPORT_LISTEN",
        name,
        `${ADDRESS}, with tls:// before it for implicit TLS, unix:PATH or fd:NUMBER; several with commas`,
      );
    } else addresses.push({ name, endpoint, implicitTls });
  }
  return addresses;
}

function backendAddresses(given: string | undefined, note: Note): BackendAddress[] {
  const addresses: BackendAddress[] = [];
  for (const name of words(given)) {
    const endpoint = name.startsWith("fd:") ? undefined : endpointOf(name, 1);
    if (endpoint === undefined) {
      note(
        "SALLYPORT_BACKEND",
        name,
        `${ADDRESS} or unix:PATH; several with commas (lmtp:// and smtps:// are not there yet)`,
      );
    } else addresses.push({ name, endpoint });
  }
  return addresses;
}

function endpointOf(text: string, lowestPort: number): Endpoint | undefined {
  if (text.startsWith("unix:")) return text.length > 5 ? { path: text.slice(5) } : undefined;
  const descriptor = /^fd:(\d{1,4})$/.exec(text);
  if (descriptor) return { fd: Number(descriptor[1]) };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+|\*)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const host = match[1] ?? (match[2] === "*" ? "0.0.0.0" : match[2]!);
  const port = Number(match[3]);
  if (port < lowestPort || port > 65_535) return undefined;
  if (match[1] !== undefined && isIP(host) !== 6) return undefined;
  // Digits and dots that are no IPv4 address would be looked up as a name, or read as another address.
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) return undefined;
  return { host, port };
}

function ownName(given: string | undefined, note: Note): string {
  if (given === undefined || given === "") return isDomain(hostname()) ? hostname() : "localhost";
  if (!isDomain(given)) note("SALLYPORT_HOSTNAME", given, "a domain name");
  return given;
}

function isDomain(text: string): boolean {
  return text.length <= 253 &&
    text.split(".").every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}$/.test(label) && !label.endsWith("-"));
}

function tlsFiles(
  cert: string | undefined,
  key: string | undefined,
  mistakes: string[],
): TlsFiles | undefined {
  if (!cert && !key) return undefined;
  if (cert && key) return { cert, key };
  const [set, missing] = cert ? ["CERT", "KEY"] : ["KEY", "CERT"];
  mistakes.push(
    `SALLYPORT_TLS_${missing}: is not set, though SALLYPORT_TLS_${set} is; a certificate needs both`,
  );
  return undefined;
}

function domains(given: string | undefined, note: Note): string[] | undefined {
  if (given === undefined) return undefined;
  const names = words(given);
  for (const name of names) {
    if (!isDomain(name)) note("SALLYPORT_RELAY_DOMAINS", name, "domain names with commas");
  }
  if (names.length === 0) note("SALLYPORT_RELAY_DOMAINS", given, "domain names with commas");
  return names.map((name) => name.toLowerCase());
}

interface Later {
  readonly form: RegExp;
  readonly allowed: string;
  /** Values that ask for nothing. */
  readonly quiet?: RegExp;
}

/** Variables of parts that are still to come: checked, so that a mistake does not wait for that day. */
const LATER: ReadonlyMap<string, Later> = new Map([
  ["SALLYPORT_STORE", {
    form: /^(memory:|sqlite:.+|rediss?:\/\/.+|redis-(cluster|sentinel):\/\/.+)$/,
    allowed: "memory:, sqlite:PATH, redis://, rediss://, redis-cluster:// or redis-sentinel://",
    quiet: /^memory:$/,
  }],
  ["SALLYPORT_DNS", { form: /^[\w.:[\]-]+(,[\w.:[\]-]+)*$/, allowed: "host:port, several with commas" }],
  ["SALLYPORT_DNSBL", { form: /\S/, allowed: "zones in postscreen's syntax" }],
  ["SALLYPORT_USERS", { form: /\S/, allowed: "a file" }],
  ["SALLYPORT_TRUSTED", {
    form: /^[0-9A-Fa-f:.]+(\/\d{1,3})?([\s,]+[0-9A-Fa-f:.]+(\/\d{1,3})?)*$/,
    allowed: "networks like 192.0.2.0/24, several with commas",
  }],
  ["SALLYPORT_ADMIN", { form: /^(off|.+:\d{1,5})$/, allowed: "off or host:port", quiet: /^off$/ }],
  ["SALLYPORT_WORKERS", {
    form: /^(auto|[1-9]\d{0,2})$/,
    allowed: "auto or a number from 1 to 999",
    quiet: /^1$/,
  }],
]);

const READ = ["LISTEN", "BACKEND", "HOSTNAME", "TLS_CERT", "TLS_KEY", "RELAY_DOMAINS"].map((name) =>
  `SALLYPORT_${name}`
);

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
