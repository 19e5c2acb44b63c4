/**
 * Exim behind the proxy (the specification's chapters "Main configuration" and "Proxies"; experimental-spec.txt).
 */

export function exim(proxy: string): readonly string[] {
  // A colon separates the entries of a list, unless another sign is named.
  const list = proxy.includes(":") ? `<; ${proxy}` : proxy;
  return [
    "# Main section. Who the client is, by a PROXY header of either version (built with SUPPORT_PROXY: `exim -bV`",
    '# lists "PROXY"). Exim then demands one on every connection from there.',
    `hosts_proxy = ${list}`,
    "# Or by XCLIENT (built with EXPERIMENTAL_XCLIENT), instead of the line above:",
    `# hosts_xclient = ${list}`,
    "# Relays for nobody by address: the list that the RCPT ACL accepts must not hold the proxy",
    "# (Debian: dc_relay_nets in /etc/exim4/update-exim4.conf.conf). Loopback stands there by default.",
    "hostlist relay_from_hosts = :",
    "# Only CRLF.CRLF ends a message: Exim 4.97.1 or later. Before that, these two as well:",
    "# pipelining_advertise_hosts = :",
    "# chunking_advertise_hosts = :",
    "# All clients come from one address: no limits per host for it.",
    "smtp_accept_max_per_host = 0",
  ];
}
