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
export function welcome(
  wire: Wire,
  { tls, accept, handshakeTimeout = HANDSHAKE_TIMEOUT }: ListenOptions,
): void {
  const service = currentTls(tls);
  if (service === undefined) {
    wire.owner = accept(wire);
    return;
  }
  const patience = setTimeout(() => wire.abort(), handshakeTimeout);
  wire.owner = { ...nobody, close: () => clearTimeout(patience) };
  wire.secure(service, () => {
    clearTimeout(patience);
    wire.owner = accept(wire);
  });
}
