/**
 * Sendmail behind the proxy (cf/README, RELEASE_NOTES of 8.18.1).
 */

export function sendmail(proxy: string): readonly string[] {
  const key = proxy.includes(":") ? `IPv6:${proxy}` : proxy;
  const local = /^127\.|^::1$/.test(proxy);
  return [
    "# Sendmail can be told of the client by nothing but the Received field that the proxy writes.",
    "# /etc/mail/relay-domains: the proxy's address must not stand there, nor may the access map say RELAY to it.",
    ...(local
      ? [
        "# It relays for 127.0.0.1 whatever the maps say: let the proxy come from another address of this",
        "# machine, or from another machine.",
      ]
      : []),
    "# sendmail.mc, where they are not there yet",
    "FEATURE(`access_db')dnl",
    "FEATURE(`ratecontrol', `nodelay', `terminate')dnl",
    "FEATURE(`conncontrol', `nodelay', `terminate')dnl",
    "# /etc/mail/access: the proxy's connections are those of all clients",
    `Connect:${key}\tOK`,
    `GreetPause:${key}\t0`,
    `ClientRate:${key}\t0`,
    `ClientConn:${key}\t0`,
    "# Only CRLF.CRLF ends a message: 8.18.1 or later, and no O, G or U in Srv_Features for the proxy.",
  ];
}
