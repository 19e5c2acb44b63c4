/** The rule in a policy; `npx sallyport check policy.ts` says whether it is a good one. */
import { definePolicy } from "sallyport";
import { relayGate } from "sallyport/plugins/relay_gate/mod.ts";
import { heloRule } from "./mod.ts";

export default definePolicy(({ relayDomains: domains = ["example.org"], dnsbl: _, ...environment }) => ({
  ...environment,
  plugins: [relayGate({ domains }), heloRule({ reserved: [environment.hostname] })],
}));
