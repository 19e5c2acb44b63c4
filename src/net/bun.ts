/**
 * The network on Bun's native sockets. One handlers object per listener and one for all outgoing
 * connections; what belongs to a connection is in its `BunWire`, which is the socket's `data`.
 */

import { endpointError, endpointName, plainHost } from "./address.ts";
import { bun, type BunHandlers, type BunListener } from "./bun_socket.ts";
import { BunWire, NO_SOCKET, wireHandlers } from "./bun_wire.ts";
import { nobody } from "./ordered.ts";
import { HANDSHAKE_TIMEOUT, requireIdentity } from "./tls.ts";
import type {
  Address,
  Connecting,
  ConnectOwner,
  Endpoint,
  Listener,
  ListenOptions,
  Network,
} from "./wire.ts";

/** Bun's sockets. */
export const bunNetwork: Network = {
  listen: (options) => new Promise((bound) => bound(listen(options))),

  connect(endpoint: Endpoint, owner: ConnectOwner): Connecting {
    const wire = new BunWire(NO_SOCKET, endpoint);
    wire.owner = owner;
    try {
      bun.connect<BunWire>({ ...place(endpoint), socket: connectHandlers, allowHalfOpen: true, data: wire })
        .catch(ignore); // told by connectError
    } catch (cause) {
      wire.refused(cause);
    }
    return wire;
  },
};

function ignore(): void {}

/** @throws as `Network.listen` rejects */
function listen(options: ListenOptions): Listener {
  const { endpoint, tls, reusePort = false } = options;
  try {
    if (tls !== undefined) requireIdentity(tls);
    const listener = bun.listen<BunWire>({
      ...place(endpoint),
      socket: tls === undefined ? plainHandlers(options) : tlsHandlers(options),
      allowHalfOpen: true,
      reusePort,
      ...(tls && { tls: { cert: tls.cert, key: tls.key } }),
    });
    return { address: boundAddress(endpoint, listener), close: () => listener.stop(false) };
  } catch (cause) {
    throw endpointError("listen on", endpoint, cause);
  }
}

function place(endpoint: Endpoint): { hostname: string; port: number } | { unix: string } | { fd: number } {
  if ("path" in endpoint) return { unix: endpoint.path };
  if ("fd" in endpoint) return { fd: endpoint.fd };
  return { hostname: endpoint.host, port: endpoint.port };
}

function boundAddress(endpoint: Endpoint, listener: BunListener): Address {
  if ("path" in endpoint) return { host: endpoint.path, port: 0 };
  return { host: plainHost(listener.hostname ?? endpointName(endpoint)), port: listener.port ?? 0 };
}

/** Plain: accepted as soon as it is open. */
function plainHandlers({ endpoint, accept }: ListenOptions): BunHandlers<BunWire> {
  return {
    ...wireHandlers,
    open(socket) {
      const wire = new BunWire(socket, endpoint);
      socket.data = wire;
      wire.owner = accept(wire);
    },
  };
}

/** Implicit TLS: accepted after the handshake, dropped when that takes too long. */
function tlsHandlers(
  { endpoint, accept, handshakeTimeout = HANDSHAKE_TIMEOUT }: ListenOptions,
): BunHandlers<BunWire> {
  return {
    ...wireHandlers,
    open(socket) {
      const wire = new BunWire(socket, endpoint);
      socket.data = wire;
      const patience = setTimeout(() => wire.abort(), handshakeTimeout);
      wire.expectHandshake(() => {
        clearTimeout(patience);
        wire.owner = accept(wire);
      });
      wire.owner = { ...nobody, close: () => clearTimeout(patience) };
    },
  };
}

const connectHandlers: BunHandlers<BunWire> = {
  ...wireHandlers,
  open: (socket) => socket.data.connected(socket),
  connectError: (socket, error) => socket.data.refused(error),
};
