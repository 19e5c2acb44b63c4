/**
 * Whom a connection to a backend speaks for, and how that is said: by a PROXY header before all else, by XCLIENT, or
 * by XFORWARD for the log alone.
 */
import {
  AUTHORITY_LIMIT,
  hostOctets,
  isHostText,
  isPlainText,
  proxyLocal,
  proxyV1,
  type ProxyV2,
  proxyV2,
} from "../net/proxy_protocol.ts";
import type { Address, TlsFacts, Wire } from "../net/wire.ts";
import type { ClientFacts, ClientName } from "../smtp/client_facts.ts";
import type { Extensions } from "../smtp/extensions.ts";
import { xclientLines } from "../smtp/xclient_lines.ts";
import { xforwardLines } from "../smtp/xforward.ts";

/** What is told of a client. */
export interface Identity {
  readonly remote: Address;
  readonly local: Address;
  /** Its address is not known: `remote` is that of a trusted host. */
  readonly unknown: boolean;
  /** Its host name, as far as somebody has looked. */
  readonly name: ClientName;
  readonly helo: string;
  readonly verb: "HELO" | "EHLO";
  readonly user: string | undefined;
  readonly tls: TlsFacts | undefined;
  /** It may still want another transaction as the one that this says it is. */
  present?(): boolean;
}

/** What makes two clients different in a backend's eyes. */
export function identityKey({ remote, local, name, helo, verb, user, tls }: Identity): string {
  return JSON.stringify([remote, local, name, helo, verb, user, tls?.version, tls?.cipher]);
}

/**
 * The octets before all others; a connection of our own says so. Undefined where no header can tell of the client: whoever
 * has no address is told of by UNKNOWN, LOCAL or UNSPEC, and to all three a server takes the proxy itself for the client.
 */
export function proxyHeader(
  version: 1 | 2,
  client: Identity | undefined,
  wire: Pick<Wire, "local" | "remote">,
): Uint8Array | undefined {
  // Version 1 has no LOCAL, and its UNKNOWN is refused by many.
  if (client === undefined) return version === 1 ? proxyV1(wire.local, wire.remote) : proxyLocal(2);
  const ends = endsOf(client);
  if (ends === undefined) return undefined;
  return version === 1 ? proxyV1(ends.source, ends.destination) : proxyV2({ ...ends, ...tlsOf(client) });
}

/** Both ends of the client's connection in one family: only so does a header name the client as what it is. */
function endsOf({ remote, local, unknown }: Identity): Pick<ProxyV2, "source" | "destination"> | undefined {
  const octets = hostOctets(remote.host);
  if (unknown || octets === undefined) return undefined;
  if (hostOctets(local.host)?.length === octets.length) return { source: remote, destination: local };
  return { source: remote, destination: { host: octets.length === 4 ? "0.0.0.0" : "::", port: local.port } };
}

/** What a client asks for by SNI is its own invention: what cannot be written is left out. */
function tlsOf({ tls }: Identity): Pick<ProxyV2, "tls" | "authority"> {
  if (tls === undefined) return {};
  const { version, cipher, serverName } = tls;
  const told = {
    ...(isPlainText(version) && { version }),
    ...(isPlainText(cipher) && { cipher }),
  };
  const fits = serverName !== undefined && isHostText(serverName) &&
    Buffer.byteLength(serverName) <= AUTHORITY_LIMIT;
  return { tls: told, ...(fits && { authority: serverName }) };
}

/** The commands that tell a backend of a client, by what it has offered. */
export function namingLines(client: Identity, offered: Extensions): string[] {
  return xclientLines(factsOf(client), attributesOf("XCLIENT", offered));
}

/** Whether XCLIENT can say there who the client is. Some only offer less (smtp-sink: NAME and HELO). */
export function takesAddresses(offered: Extensions): boolean {
  return attributesOf("XCLIENT", offered).has("ADDR");
}

/** Whether XCLIENT can say there anything that matters. */
export function takesNames(offered: Extensions): boolean {
  return takesAddresses(offered) || attributesOf("XCLIENT", offered).has("LOGIN");
}

/** The commands that tell a backend's log of a client; once a transaction. */
export function forwardLines(client: Identity, ident: string, offered: Extensions): string[] {
  const attributes = attributesOf("XFORWARD", offered);
  if (attributes.size === 0) return [];
  return xforwardLines({ ...loggedFacts(client), ident }, attributes);
}

type Naming = "XCLIENT" | "XFORWARD";

/** What was read of an offer: it is asked for at every transaction. */
const read = new WeakMap<Extensions, Map<Naming, ReadonlySet<string>>>();

function attributesOf(keyword: Naming, offered: Extensions): ReadonlySet<string> {
  let known = read.get(offered);
  if (known === undefined) read.set(offered, known = new Map());
  let attributes = known.get(keyword);
  if (attributes === undefined) known.set(keyword, attributes = readAttributes(offered.get(keyword) ?? ""));
  return attributes;
}

function readAttributes(parameters: string): ReadonlySet<string> {
  return new Set(parameters.toUpperCase().split(" ").filter((each) => each !== ""));
}

function factsOf(client: Identity): ClientFacts {
  const { name, user, local } = client;
  return {
    ...loggedFacts(client),
    reverseName: name,
    login: user ?? null,
    destAddr: local.host,
    destPort: local.port,
  };
}

/** Those that XFORWARD knows. */
function loggedFacts({ remote, unknown, name, helo, verb }: Identity) {
  return {
    name,
    addr: unknown ? null : remote.host,
    port: unknown ? null : remote.port,
    proto: verb === "EHLO" ? "ESMTP" : "SMTP",
    helo,
  } as const;
}
