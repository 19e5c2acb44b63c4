/**
 * Postfix behind the proxy (postconf(5), XCLIENT_README, master(5)).
 */

export function postfix(proxy: string): readonly string[] {
  const address = proxy.includes(":") ? `[${proxy}]` : proxy;
  const isHere = /^127\.|^::1$/.test(proxy);
  return [
    "# master.cf: a listener for the proxy alone, so that nothing changes for the others",
    // Whoever is not the proxy should not even reach it.
    `${isHere ? `${address}:` : ""}10025 inet n - y - - smtpd`,
    "  # Who the client is. XCLIENT tells most: name, address, HELO, login.",
    `  -o smtpd_authorized_xclient_hosts=${address}`,
    "  # Or by a PROXY header, which is then demanded on every connection (this line instead of that):",
    "  #-o smtpd_upstream_proxy_protocol=haproxy",
    "  # Relays for nobody by address: the proxy is not one of our own.",
    "  -o mynetworks=",
    "  # Only CRLF.CRLF ends a message (3.9; 3.8.5, 3.7.10, 3.6.14, 3.5.24 and later). The exclusions are",
    "  # $mynetworks unless they are set, so that a proxy in there would be let off.",
    "  -o smtpd_forbid_bare_newline=normalize",
    "  -o smtpd_forbid_bare_newline_exclusions=",
    "  # All clients come from one address: its limits would be theirs together.",
    `  -o smtpd_client_event_limit_exceptions=${address}`,
    "# and `postfix reload`. No postscreen on this port: the proxy does its work.",
  ];
}
