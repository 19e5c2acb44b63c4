/**
 * Ports 587 and 465: users send through here, and nobody else. (AUTH itself comes with a later version; until then the
 * gate is closed to all but the networks named below.)
 */
import { definePolicy } from "sallyport";
import { relayGate } from "../plugins/relay_gate/mod.ts";

export default definePolicy(({ notices, dnsbl: _, relayDomains: _domains, store, ...environment }) => ({
  ...environment,
  store: store ?? "memory:",
  // Machines that cannot authenticate, such as printers: networks: ["192.0.2.0/28"].
  plugins: [relayGate({ requireAuthentication: true, networks: [] })],
  notices: [...notices, "AUTH is not offered in this version: nobody can send through this policy yet"],
}));
