/**
 * For a first look: a proxy on 127.0.0.1:2525 and, unless SALLYPORT_BACKEND names a mail server, a small receiver
 * behind it that puts what arrives into the Maildir `./mail`.
 */
import { definePolicy } from "sallyport";
import { relayGate } from "../plugins/relay_gate/mod.ts";

export default definePolicy(({ relayDomains: domains, store, dnsbl: _, ...environment }) => ({
  ...environment,
  store: store ?? "sqlite:sallyport.db",
  demo: environment.backends.length === 0 ? "mail" : undefined,
  plugins: domains === undefined ? [] : [relayGate({ domains })],
}));
