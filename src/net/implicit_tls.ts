/**
 * Implicit TLS: a plain listener whose connections start TLS at once. So both kinds of TLS share one path, and the next
 * connection already gets a certificate that was exchanged while the listener stood.
 */

import { nobody } from "./ordered.ts";
import { HANDSHAKE_TIMEOUT, serverTls } from "./tls_server.ts";
import type { ListenOptions, TlsService, Wire } from "./wire.ts";

/** What is served now. */
export function currentTls(tls: ListenOptions["tls"]): TlsService | undefined {
  return typeof tls === "function" ? tls() : tls;
}

/** @throws Error in words when the listener could not shake a single hand */
export function requireTls({ tls }: ListenOptions): void {
  const service = currentTls(tls);
  if (service !== undefined) serverTls(service);
}

/** Gives a new connection its owner: at once, or after the handshake, which is dropped when it takes too long. */
export function welcome(wire: Wire, options: ListenOptions): void {
  const { tls, accept, handshakeTimeout = HANDSHAKE_TIMEOUT } = options;
  const service = currentTls(tls);
  if (service === undefined) {
    wire.owner = accept(wire);
    return;
  }
  // Asked now: some systems forget it with the connection.
  const { remote } = wire;
  const refused = (error: Error) => options.refused?.(remote, error);
  const patience = setTimeout(() => {
    refused(new Error(`Cannot speak TLS with the client: no handshake within ${handshakeTimeout} ms`));
    wire.abort();
  }, handshakeTimeout);
  wire.owner = {
    ...nobody,
    close: (error) => {
      clearTimeout(patience);
      if (error !== undefined) refused(error);
    },
  };
  wire.secure(service, () => {
    clearTimeout(patience);
    wire.owner = accept(wire);
  });
}
