/**
 * How TLS is done towards each backend, as the settings say. One object a backend, kept: sessions are resumed by it.
 */
import type { TlsClientOptions } from "../net/wire.ts";
import type { BackendAddress } from "../policy/settings.ts";
import { tlsMode } from "../policy/backend_security.ts";

/** @param files what is in the files that the addresses name (`ca`, `cert`, `key`), by their names */
export function backendTls(
  files: ReadonlyMap<string, string> = new Map(),
): (address: BackendAddress) => TlsClientOptions {
  // Weak: pools made on demand come and go.
  const known = new WeakMap<BackendAddress, TlsClientOptions>();
  return (address) => {
    let options = known.get(address);
    if (options === undefined) known.set(address, options = optionsOf(address, files));
    return options;
  };
}

function optionsOf(address: BackendAddress, files: ReadonlyMap<string, string>): TlsClientOptions {
  const { endpoint, serverName, verify, pins, ca, cert, key } = address;
  const content = (name: string | undefined) => name === undefined ? undefined : files.get(name);
  const host = "host" in endpoint ? endpoint.host : undefined;
  // Better encrypted to somebody than in the clear to everybody (RFC 7435).
  const checked = tlsMode(address) === "opportunistic" ? "none" : verify;
  return {
    serverName: serverName ?? host,
    verify: checked,
    ca: content(ca),
    pins: pins.length === 0 ? undefined : pins,
    cert: content(cert),
    key: content(key),
  };
}
