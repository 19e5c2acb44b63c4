/**
 * Sendmail behind the proxy (cf/README, RELEASE_NOTES of 8.15 and 8.18.1).
 */
import { hostOctets } from "../net/ip_octets.ts";

export function sendmail(proxy: string): readonly string[] {
  const key = keyOf(proxy);
  const local = /^127\.|^::1$/.test(proxy);
  return [
    "# Sendmail can be told of the client by nothing but the Received field that the proxy writes.",
    "# /etc/mail/relay-domains: the proxy's address must not stand there, nor may the access map say RELAY to it.",
    ...(local
      ? [
        "# It relays for 127.0.0.1 and ::1 whatever the maps say: let the proxy come from another address of this",
        "# machine, or from another machine.",
      ]
      : []),
    "# sendmail.mc, where it is not there yet",
    "FEATURE(`access_db')dnl",
    "# /etc/mail/access: the proxy's connections are those of all clients. The last three count where greet_pause,",
    "# ratecontrol and conncontrol are on.",
    `Connect:${key}\tOK`,
    `GreetPause:${key}\t0`,
    `ClientRate:${key}\t0`,
    `ClientConn:${key}\t0`,
    "# Only CRLF.CRLF ends a message: 8.18.1 or later, and no O, G or U in Srv_Features for the proxy.",
  ];
}

/** As maps have it: since 8.15 an IPv6 address with all its groups, unless UseCompressedIPv6Addresses is set. */
function keyOf(proxy: string): string {
  const octets = hostOctets(proxy);
  if (octets?.length !== 16) return proxy;
  const groups = Array.from(
    { length: 8 },
    (_, at) => (octets[2 * at]! << 8 | octets[2 * at + 1]!).toString(16),
  );
  return `IPv6:${groups.join(":")}`;
}
