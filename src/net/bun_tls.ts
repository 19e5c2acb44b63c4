/** TLS on Bun's native sockets: both sides start with `upgradeTLS` on a plain socket, and tell what they agreed on. */

import { bunContext, type BunHandlers, type BunSocket } from "./bun_socket.ts";
import type { ClientTls } from "./tls_client.ts";
import type { ServerTls } from "./tls_server.ts";
import type { TlsFacts, TlsPeer } from "./wire.ts";

/** Plain half, which nobody may listen to any more, and secure half. */
type Halves<Data> = [plain: BunSocket<Data>, secure: BunSocket<Data>];

/**
 * Starts TLS as the server.
 * @param early ciphertext that was read already
 */
export function serveTls<Data>(
  socket: BunSocket<Data>,
  server: ServerTls,
  handlers: BunHandlers<Data>,
  early: Uint8Array | undefined,
): Halves<Data> {
  const { context, chooses, clientCertificates } = server;
  return socket.upgradeTLS({
    isServer: true,
    tls: {
      secureContext: bunContext(context),
      requestCert: clientCertificates !== "off",
      rejectUnauthorized: clientCertificates === "required",
    },
    data: socket.data,
    socket: chooses
      ? { ...handlers, serverName: (_data, name) => bunContext(server.choose(name)) }
      : handlers,
    initialData: early,
  });
}

/**
 * Starts TLS as the client. The runtime is told not to refuse anybody: the caller judges, once the handshake is done.
 * Our certificate and the CAs are in the context. Where there is no name an empty one says so: without one Bun sends
 * the address, which RFC 6066 §3 forbids.
 */
export function askTls<Data>(
  socket: BunSocket<Data>,
  client: ClientTls,
  handlers: BunHandlers<Data>,
): Halves<Data> {
  const { session, serverName, context } = client;
  return socket.upgradeTLS({
    isServer: false,
    tls: {
      secureContext: bunContext(context),
      serverName: serverName ?? "",
      requestCert: true,
      rejectUnauthorized: false,
    },
    data: socket.data,
    socket: {
      ...handlers,
      open: (secure) => session && secure.setSession(session),
      session: (_secure, offered) => client.offered(offered),
    },
  });
}

/**
 * What was agreed on.
 * @param asked the client was asked for a certificate
 */
export function tlsFacts<Data>(socket: BunSocket<Data>, peer: TlsPeer | undefined, asked = false): TlsFacts {
  return {
    version: socket.getTLSVersion(),
    cipher: socket.getCipher().name,
    serverName: socket.getServername() || undefined,
    peer,
    ...(asked && { peerAsked: true }),
  };
}
