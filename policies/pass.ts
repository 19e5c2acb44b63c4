/**
 * Transparent: every client is let in, every recipient is the backend's to judge. Routing, TLS and the protocol's
 * rules only.
 */
import { definePolicy } from "sallyport";
import { relayGate } from "../plugins/relay_gate/mod.ts";

export default definePolicy((
  { hostname, listen, backends, trusted, tls, admin, relayDomains: domains, notices },
) => ({
  hostname,
  listen,
  backends,
  trusted,
  tls,
  admin,
  // MAIL is answered by the backend itself, as if the client spoke to it.
  dial: "mail",
  // Who may connect how often is the backend's matter too, and before us may stand a load balancer.
  sessionsPerClient: Infinity,
  plugins: domains === undefined ? [] : [relayGate({ domains })],
  notices: domains === undefined
    ? [
      ...notices,
      "The backend sees this proxy's address: it must not relay for that address, or set SALLYPORT_RELAY_DOMAINS to the domains you take mail for",
    ]
    : notices,
}));
