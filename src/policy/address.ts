/**
 * Addresses and names as an operator writes them, in the environment and in a policy alike.
 */
import { isIP } from "node:net";
import type { Endpoint } from "../net/wire.ts";
import type { AdminAddress, DnsServer, ListenAddress, ProxyProtocol } from "./settings.ts";

/** Where a host and a port are, in words. */
export const ADDRESS_FORM = "host:port or [IPv6]:port";

/** What `listenAddress` reads, in words. `*` for the host is every IPv4 address, `[::]` every address. */
export const LISTEN_FORMS =
  `${ADDRESS_FORM}, unix:PATH or fd:NUMBER; before it tls:// for implicit TLS, proxy:// where a PROXY header comes first, proxy+tls:// for both`;

/** Reads `tls://0.0.0.0:465`; undefined where it has none of `LISTEN_FORMS`. */
export function listenAddress(name: string): ListenAddress | undefined {
  const scheme = /^(?:(tls|proxy|proxy\+tls):\/\/)?/.exec(name)!;
  const endpoint = endpointOf(name.slice(scheme[0].length));
  if (endpoint === undefined || !isListenEndpoint(endpoint)) return undefined;
  const [proxy, implicitTls] = [/^proxy/, /tls$/].map((part) => part.test(scheme[1] ?? ""));
  return { name, endpoint, implicitTls: implicitTls!, ...(proxy && { proxy: "required" }) };
}

/** A listener about which more is said than where it is. */
export interface ListenGiven {
  /** One of `LISTEN_FORMS`. */
  readonly address: string;
  /** `required`: 530 to everything but greetings before STARTTLS. Default `offered`, where there is a certificate. */
  readonly tls?: "offered" | "required" | undefined;
  /** Whether a PROXY header comes first. Default `optional`, from trusted hosts. */
  readonly proxy?: ProxyProtocol | undefined;
}

/** Reads a listener in any form; what cannot be read stays as it is, for the check to name. */
export function listener(given: string | ListenGiven | ListenAddress): ListenAddress {
  if (typeof given === "string") return listenAddress(given) ?? (given as unknown as ListenAddress);
  if (typeof given !== "object" || given === null || !("address" in given)) return given;
  const { address, tls = "offered", proxy, ...more } = given;
  const read = typeof address === "string" ? listenAddress(address) : undefined;
  const isClear = Object.keys(more).length === 0 && (tls === "offered" || tls === "required");
  return read === undefined || !isClear ? (given as unknown as ListenAddress) : {
    ...read,
    ...(tls === "required" && { tlsRequired: true }),
    ...(proxy !== undefined && { proxy }),
  };
}

/** What `dnsServer` reads, in words. */
export const DNS_FORMS = "an IP address with or without a port, as in 127.0.0.1:53, [::1]:53 or 192.0.2.53";

/** Reads `127.0.0.1:53`; undefined where it has none of `DNS_FORMS`. */
export function dnsServer(text: string): DnsServer | undefined {
  if (isIP(text) !== 0) return { host: text, port: 53 };
  const endpoint = endpointOf(text);
  return isDnsServer(endpoint) ? endpoint : undefined;
}

/** Whether one can ask there. */
export function isDnsServer(given: unknown): given is DnsServer {
  const { host, port } = (given ?? {}) as Record<string, unknown>;
  return typeof host === "string" && isIP(host) !== 0 && isWhole(port, 1, 65_535);
}

/** What `adminAddress` reads, in words. */
export const ADMIN_FORMS = `${ADDRESS_FORM}; nothing but metrics is there`;

/** Reads `127.0.0.1:8025`. */
export function adminAddress(text: string): AdminAddress | undefined {
  const endpoint = endpointOf(text);
  return isAdminAddress(endpoint) ? endpoint : undefined;
}

export function isAdminAddress(given: unknown): given is AdminAddress {
  return isListenEndpoint(given) && "host" in given;
}

/** What a store's address may be, in words. */
export const STORE_FORMS =
  "memory:, sqlite:PATH, redis://HOST, rediss://HOST, redis-cluster://HOST,… or redis-sentinel://HOST,…/NAME";

/** Whether this has the form of a store's address; the store itself looks closer. */
export function isStoreAddress(given: unknown): boolean {
  return typeof given === "string" &&
    /^(memory:|sqlite:.+|rediss?:\/\/.+|redis-(cluster|sentinel):\/\/.+)$/.test(given);
}

/** Whether one can listen there; port 0 is a free one. */
export function isListenEndpoint(given: unknown): given is Endpoint {
  const { host, port, path, fd } = (given ?? {}) as Record<string, unknown>;
  if (typeof host === "string") return isHost(host) && isWhole(port, 0, 65_535);
  return (typeof path === "string" && path !== "") || isWhole(fd, 0, 9999);
}

/** Whether one can connect there. */
export function isBackendEndpoint(given: unknown): given is Endpoint {
  const { port, fd } = (given ?? {}) as Record<string, unknown>;
  return isListenEndpoint(given) && port !== 0 && fd === undefined;
}

/** Whether this is a domain name: labels of letters, digits, "-" and "_". */
export function isDomain(given: unknown): given is string {
  return typeof given === "string" && given.length <= 253 &&
    given.split(".").every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}$/.test(label) && !label.endsWith("-"));
}

/** Where one can listen or connect, as text; undefined where it has no such form. */
export function endpointOf(text: string): Endpoint | undefined {
  if (text.startsWith("unix:")) return { path: text.slice(5) };
  const descriptor = /^fd:(\d{1,4})$/.exec(text);
  if (descriptor) return { fd: Number(descriptor[1]) };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+|\*)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  if (match[1] !== undefined && isIP(match[1]) !== 6) return undefined;
  const host = match[1] ?? (match[2] === "*" ? "0.0.0.0" : match[2]!);
  return { host, port: Number(match[3]) };
}

function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  // Digits and dots that are no IPv4 address would be looked up as a name, or read as another address.
  return /^[A-Za-z0-9_.-]+$/.test(text) && !/^[\d.]+$/.test(text);
}

function isWhole(given: unknown, least: number, most: number): boolean {
  return Number.isInteger(given) && (given as number) >= least && (given as number) <= most;
}
