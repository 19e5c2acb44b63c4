/**
 * The network on node:net and node:tls, for Deno (and Node). Implicit TLS is a plain listener whose
 * connections start TLS at once, so both kinds of TLS share one path.
 */

import { createServer, type Server, Socket } from "node:net";
import { endpointError, plainHost } from "./address.ts";
import { NodeWire } from "./node_wire.ts";
import { nobody } from "./ordered.ts";
import { HANDSHAKE_TIMEOUT, secureContext } from "./tls.ts";
import type {
  Address,
  Connecting,
  ConnectOwner,
  Endpoint,
  ListenOptions,
  Network,
  TlsIdentity,
  Wire,
} from "./wire.ts";

/** node:net's sockets. */
export const nodeNetwork: Network = {
  listen: (options) =>
    new Promise((bound, failed) => {
      const { endpoint, tls, reusePort = false } = options;
      const fail = (cause: unknown) => failed(endpointError("listen on", endpoint, cause));
      try {
        if (tls !== undefined) secureContext(tls);
        const server = createServer({ allowHalfOpen: true }, (socket) => welcome(socket, options));
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

function welcome(socket: Socket, { endpoint, tls, handshakeTimeout, accept }: ListenOptions): void {
  socket.setNoDelay(true);
  const wire = new NodeWire(socket, endpoint);
  if (tls === undefined) wire.owner = accept(wire);
  else shakeHands(wire, tls, handshakeTimeout ?? HANDSHAKE_TIMEOUT, () => wire.owner = accept(wire));
}

/** Implicit TLS: accepted after the handshake, dropped when that takes too long. */
function shakeHands(wire: Wire, tls: TlsIdentity, timeout: number, accepted: () => void): void {
  const patience = setTimeout(() => wire.abort(), timeout);
  wire.owner = { ...nobody, close: () => clearTimeout(patience) };
  wire.secure(tls, () => {
    clearTimeout(patience);
    accepted();
  });
}
