/**
 * Who a session's client is: the other end of its connection, or whom a trusted host there has said to speak for
 * (PROXY protocol, XCLIENT). A trusted host that speaks for itself is nobody's client: it is never judged by its
 * address, counted or banned, and being trusted gives it no right to relay.
 */
import type { ProxyHeader, ProxyTls } from "../net/proxy_protocol.ts";
import type { Address, TlsFacts, Wire } from "../net/wire.ts";
import type { NetworkSet } from "../policy/networks.ts";
import type { ClientFacts } from "../smtp/client_facts.ts";

export interface Caller {
  readonly remote: Address;
  readonly local: Address;
  /** The trusted host that said so; undefined where the connection itself does. */
  readonly via: string | undefined;
  /** It is a trusted host, or someone whose address the trusted host does not tell. */
  readonly trusted: boolean;
  /** It is believed when it says with XCLIENT for whom it speaks. */
  readonly mayName: boolean;
  /** The client's TLS connection to `via`. */
  readonly tls: TlsFacts | undefined;
  /** Whom it authenticated as at `via`. */
  readonly user: string | undefined;
}

/**
 * A client of whom a trusted host tells no address. It has none of its own, and least of all that of the host: what is
 * allowed to the host by its address is not allowed to whoever it speaks for.
 */
const NOBODY: Address = { host: "unknown", port: 0 };

/** The other end of a connection. Most idle sessions never need to know where it came in. */
class Peer implements Caller {
  readonly trusted: boolean;
  readonly #wire: Wire;

  constructor(wire: Wire, trusted: boolean) {
    this.#wire = wire;
    this.trusted = trusted;
  }

  get remote(): Address {
    return this.#wire.remote;
  }

  get local(): Address {
    return this.#wire.local;
  }

  get mayName(): boolean {
    return this.trusted;
  }

  get via(): undefined {
    return undefined;
  }

  get tls(): undefined {
    return undefined;
  }

  get user(): undefined {
    return undefined;
  }
}

/** The other end of a connection. */
export function callerOf(wire: Wire, trusted: NetworkSet): Caller {
  return new Peer(wire, trusted.has(wire.remote.host));
}

function known(
  remote: Address,
  local: Address,
  networks: NetworkSet,
  told: Pick<Caller, "via" | "tls" | "user">,
): Caller {
  const trusted = networks.has(remote.host);
  return { remote, local, trusted, mayName: trusted, ...told };
}

/** Whom a PROXY header names. */
export function proxied(caller: Caller, header: ProxyHeader, networks: NetworkSet): Caller {
  if (header.command === "local") return caller;
  const via = caller.remote.host;
  const tls = header.tls === undefined ? undefined : tlsOf(header.tls, header.authority);
  if (header.command === "unknown") {
    return { remote: NOBODY, local: caller.local, via, tls, user: undefined, trusted: true, mayName: false };
  }
  return known(header.source, header.destination, networks, { via, tls, user: undefined });
}

function tlsOf({ version, cipher }: ProxyTls, authority: string | undefined): TlsFacts {
  return { version: version ?? "TLS", cipher: cipher ?? "unknown", serverName: authority };
}

/**
 * Whom XCLIENT names. A user is only known if this very command tells one. Once it has told an address, the next
 * command may come from the client itself, through a host that has stopped reading what it passes on (nginx does).
 */
export function named(caller: Caller, facts: ClientFacts, networks: NetworkSet): Caller {
  const told = {
    via: caller.via ?? caller.remote.host,
    tls: caller.tls,
    user: facts.login ?? undefined,
  };
  const local = destination(caller.local, facts);
  const { remote, trusted, mayName } = caller;
  if (facts.addr === undefined) return { remote, local, trusted, mayName, ...told };
  if (facts.addr === null) {
    return { remote: NOBODY, local, ...told, trusted: true, mayName: false };
  }
  return known({ host: facts.addr, port: facts.port ?? 0 }, local, networks, told);
}

function destination(local: Address, { destAddr, destPort }: ClientFacts): Address {
  if (destAddr === undefined || destAddr === null) return local;
  return { host: destAddr, port: destPort ?? local.port };
}
