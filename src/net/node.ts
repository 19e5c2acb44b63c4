/**
 * The network on node:net and node:tls, for Deno (and Node).
 */

import { createServer, type Server, Socket } from "node:net";
import { endpointError, plainHost } from "./address.ts";
import { requireTls, welcome } from "./implicit_tls.ts";
import { NodeWire } from "./node_wire.ts";
import type { Address, Connecting, ConnectOwner, Endpoint, ListenOptions, Network } from "./wire.ts";

/** node:net's sockets. */
export const nodeNetwork: Network = {
  listen: (options) =>
    new Promise((bound, failed) => {
      const { endpoint, reusePort = false } = options;
      const fail = (cause: unknown) => failed(endpointError("listen on", endpoint, cause));
      try {
        requireTls(options);
        const server = createServer({ allowHalfOpen: true }, (socket) => accepted(socket, options));
        server.on("error", fail);
        server.listen({ ...place(endpoint), ...(reusePort && { reusePort }) }, () =>
          bound({ address: boundAddress(endpoint, server), close: () => server.close() }));
      } catch (cause) {
        fail(cause);
      }
    }),

  connect(endpoint: Endpoint, owner: ConnectOwner): Connecting {
    const socket = new Socket({ allowHalfOpen: true });
    const wire = new NodeWire(socket, endpoint);
    wire.owner = owner;
    wire.expectConnect();
    try {
      socket.connect(place(endpoint) as { path: string });
      socket.setNoDelay(true);
    } catch (cause) {
      wire.refused(cause);
    }
    return wire;
  },
};

function place(endpoint: Endpoint): { host: string; port: number } | { path: string } | { fd: number } {
  if ("path" in endpoint) return { path: endpoint.path };
  if ("fd" in endpoint) return { fd: endpoint.fd };
  return { host: endpoint.host, port: endpoint.port };
}

function boundAddress(endpoint: Endpoint, server: Server): Address {
  if ("path" in endpoint) return { host: endpoint.path, port: 0 };
  const bound = server.address();
  if (bound === null || typeof bound === "string") return { host: bound ?? "", port: 0 };
  return { host: plainHost(bound.address), port: bound.port };
}

function accepted(socket: Socket, options: ListenOptions): void {
  socket.setNoDelay(true);
  welcome(new NodeWire(socket, options.endpoint), options);
}
