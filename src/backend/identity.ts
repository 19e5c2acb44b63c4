/**
 * Whom a connection to a backend speaks for, and how that is said: by a PROXY header before all else, by XCLIENT, or
 * by XFORWARD for the log alone.
 */
import { proxyLocal, proxyV1, proxyV2 } from "../net/proxy_protocol.ts";
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
}

/** What makes two clients different in a backend's eyes. */
export function identityKey({ remote, local, name, helo, verb, user, tls }: Identity): string {
  return JSON.stringify([remote, local, name, helo, verb, user, tls?.version, tls?.cipher]);
}

/** The octets before all others; a connection of our own says so. */
export function proxyHeader(version: 1 | 2, client: Identity | undefined, wire: Wire): Uint8Array {
  if (client === undefined || client.unknown) {
    // Version 1 has no LOCAL, and its UNKNOWN is refused by many.
    return version === 1 ? proxyV1(wire.local, wire.remote) : proxyLocal(2);
  }
  const { remote: source, local: destination, tls } = client;
  if (version === 1) return proxyV1(source, destination);
  if (tls === undefined) return proxyV2({ source, destination });
  const authority = tls.serverName === undefined ? {} : { authority: tls.serverName };
  return proxyV2({ source, destination, tls: { version: tls.version, cipher: tls.cipher }, ...authority });
}

/** The commands that tell a backend of a client, by what it has offered. */
export function namingLines(client: Identity, offered: Extensions): string[] {
  return xclientLines(factsOf(client), attributesOf("XCLIENT", offered));
}

/** Whether XCLIENT can say there who the client is. Some only offer less (smtp-sink: NAME and HELO). */
export function takesAddresses(offered: Extensions): boolean {
  return attributesOf("XCLIENT", offered).has("ADDR");
}

/** The commands that tell a backend's log of a client; once a transaction. */
export function forwardLines(client: Identity, ident: string, offered: Extensions): string[] {
  const attributes = attributesOf("XFORWARD", offered);
  if (attributes.size === 0) return [];
  const { name, addr, port, helo } = factsOf(client);
  const proto = `${client.verb === "EHLO" ? "ESMTP" : "SMTP"}`;
  return xforwardLines({ name, addr, port, helo, proto, ident }, attributes);
}

function attributesOf(keyword: string, offered: Extensions): ReadonlySet<string> {
  return new Set((offered.get(keyword) ?? "").toUpperCase().split(" ").filter((each) => each !== ""));
}

function factsOf({ remote, local, unknown, name, helo, verb, user }: Identity): ClientFacts {
  return {
    name,
    reverseName: name,
    addr: unknown ? null : remote.host,
    port: unknown ? null : remote.port,
    proto: verb === "EHLO" ? "ESMTP" : "SMTP",
    helo,
    login: user ?? null,
    destAddr: local.host,
    destPort: local.port,
  };
}
