/**
 * The network on Bun's native sockets. One handlers object per listener and one for all outgoing
 * connections; what belongs to a connection is in its `BunWire`, which is the socket's `data`.
 */

import { endpointError, endpointName, plainHost } from "./address.ts";
import { bun, type BunHandlers, type BunListener } from "./bun_socket.ts";
import { BunWire, NO_SOCKET, wireHandlers } from "./bun_wire.ts";
import { requireTls, welcome } from "./implicit_tls.ts";
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
  const { endpoint, reusePort = false } = options;
  try {
    requireTls(options);
    const listener = bun.listen<BunWire>({
      ...place(endpoint),
      socket: listenHandlers(options),
      allowHalfOpen: true,
      reusePort,
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

function listenHandlers(options: ListenOptions): BunHandlers<BunWire> {
  return {
    ...wireHandlers,
    open(socket) {
      const wire = new BunWire(socket, options.endpoint);
      socket.data = wire;
      welcome(wire, options);
    },
  };
}

const connectHandlers: BunHandlers<BunWire> = {
  ...wireHandlers,
  open: (socket) => socket.data.connected(socket),
  connectError: (socket, error) => socket.data.refused(error),
};
