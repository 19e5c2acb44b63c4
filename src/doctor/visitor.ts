/**
 * As whom the doctor comes: as itself, which is how the proxy is seen, or as a stranger that XCLIENT or a PROXY header
 * names. The stranger's addresses belong to nobody (RFC 5737, RFC 3849).
 */
import { proxyV1, proxyV2 } from "../net/proxy_protocol.ts";
import type { Address } from "../net/wire.ts";
import type { ClientFacts } from "../smtp/client_facts.ts";

export type ProxyVersion = 1 | 2;

/** `by` is how the stranger is named. */
export type Visitor = { readonly kind: "own" } | {
  readonly kind: "stranger";
  readonly by: "XCLIENT" | "PROXY v1" | "PROXY v2";
};

export const OWN: Visitor = { kind: "own" };

/** What the stranger says EHLO with. */
export const STRANGER_NAME = "stranger.example";
const STRANGERS = { 4: "192.0.2.99", 6: "2001:db8::99" } as const;
const ELSEWHERE = { 4: "198.51.100.1", 6: "2001:db8:1::1" } as const;
const PORT = 41234;

/** The stranger's address, of the family that the backend is reached by. */
export function strangerTo(remote: Address): string {
  return STRANGERS[familyOf(remote)];
}

function familyOf({ host }: Address): 4 | 6 {
  return host.includes(":") ? 6 : 4;
}

/** The PROXY header of a visitor. `own` tells the addresses of the connection itself. */
export function proxyHeader(
  version: ProxyVersion,
  visitor: Visitor,
  { local, remote }: { readonly local: Address; readonly remote: Address },
): Uint8Array {
  // A unix socket has no addresses that a header could tell.
  const isIp = /^[\d.]+$|:/.test(remote.host) && /^[\d.]+$|:/.test(local.host);
  const destination = isIp ? remote : { host: ELSEWHERE[4], port: 25 };
  const source = visitor.kind === "stranger" || !isIp ? { host: strangerTo(destination), port: PORT } : local;
  return version === 1 ? proxyV1(source, destination) : proxyV2({ source, destination });
}

/** What XCLIENT tells of the stranger. */
export function strangerFacts(remote: Address): ClientFacts {
  return {
    name: null,
    reverseName: null,
    addr: strangerTo(remote),
    port: PORT,
    proto: "ESMTP",
    helo: STRANGER_NAME,
  };
}
