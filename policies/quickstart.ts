/**
 * For a first look: a proxy on 127.0.0.1:2525 and, unless SALLYPORT_BACKEND names a mail server, a small receiver
 * behind it that puts what arrives into the Maildir `./mail`.
 */
import { definePolicy } from "sallyport";
import { relayGate } from "../plugins/relay_gate/mod.ts";

export default definePolicy(({ hostname, listen, backends, tls, relayDomains: domains, notices }) => ({
  hostname,
  listen,
  backends,
  tls,
  demo: backends.length === 0 ? "mail" : undefined,
  plugins: domains === undefined ? [] : [relayGate({ domains })],
  notices,
}));
