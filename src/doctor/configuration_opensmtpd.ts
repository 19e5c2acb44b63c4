/**
 * OpenSMTPD behind the proxy (smtpd.conf(5)).
 */

export function opensmtpd(proxy: string): readonly string[] {
  const local = /^127\.|^::1$/.test(proxy);
  return [
    "# smtpd.conf. Who the client is, by a PROXY header of version 2, on a listener for the proxy alone",
    `listen on ${local ? proxy : "0.0.0.0"} port 10025 proxy-v2`,
    ...(local ? [] : [`# and a packet filter that lets only ${proxy} in there: it believes every header`]),
    "# Relays for nobody by address",
    'match from any for domain "example.org" action "inbound"',
    `# no rule \`from src\` that holds ${proxy} may be \`for any\`. \`from local\` is every loopback address, and the`,
    "# proxy's where it is one: for mail of this machine's own programs take",
    'match from socket for any action "outbound"',
    "# What ends a message cannot be set: see what the doctor says with --to, and update where it is more than",
    "# CRLF.CRLF (6.8.0p2 takes six false ends).",
  ];
}
