/**
 * Small things both networks say in the same words: how an address is written, and how a failure
 * to listen or connect is told.
 */

import type { Endpoint } from "./wire.ts";

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The host as `Address` gives it: IPv4-mapped IPv6 as IPv4, no zone. */
export function plainHost(host: string): string {
  const zone = host.indexOf("%");
  const bare = zone < 0 ? host : host.slice(0, zone);
  return MAPPED.exec(bare)?.[1] ?? bare;
}

/** An endpoint for people: `127.0.0.1:25`, `[::1]:25`, a path, `fd 3`. */
export function endpointName(endpoint: Endpoint): string {
  if ("path" in endpoint) return endpoint.path;
  if ("fd" in endpoint) return `fd ${endpoint.fd}`;
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/** An Error that says what could not be done to which endpoint; `code` is the system's, kept from the cause. */
export function endpointError(deed: "listen on" | "connect to", endpoint: Endpoint, cause: unknown): Error {
  const { code, message } = cause as { code?: string; message?: string };
  const error = new Error(`Cannot ${deed} ${endpointName(endpoint)}: ${code ?? message ?? cause}`, { cause });
  return Object.assign(error, { code: code ?? "EINVAL" });
}

/** An Error with a system-like code. */
export function codedError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
