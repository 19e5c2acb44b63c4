/**
 * Stalwart behind the proxy (stalw.art/docs/server/reverse-proxy/proxy-protocol, .../smtp/inbound/rcpt).
 */

export function stalwart(proxy: string): readonly string[] {
  const network = `${proxy}/${proxy.includes(":") ? 128 : 32}`;
  return [
    "# config.toml (to 0.15). Who the client is, by a PROXY header of either version, on a listener for the proxy",
    "# alone. From 0.16 on the same is overrideProxyTrustedNetworks of the NetworkListener.",
    "[server.listener.sallyport]",
    'bind = ["0.0.0.0:10025"]',
    'protocol = "smtp"',
    "proxy.override = true",
    `proxy.trusted-networks = ["${network}"]`,
    "# Relays for who authenticated only, never by address",
    "[session.rcpt]",
    'relay = [ { if = "!is_empty(authenticated_as)", then = true }, { else = false } ]',
  ];
}
