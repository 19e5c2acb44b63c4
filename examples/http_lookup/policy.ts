/** The look-up in a policy: others may add to the score too, and `threshold` judges it. */
import { definePolicy, isAllowed, threshold, unless } from "sallyport";
import { relayGate } from "sallyport/plugins/relay_gate/mod.ts";
import { httpLookup } from "./mod.ts";

export default definePolicy(({ relayDomains: domains = ["example.org"], dnsbl: _, ...environment }) => ({
  ...environment,
  plugins: [
    relayGate({ domains }),
    unless(isAllowed, httpLookup({ url: "https://reputation.example/v1" })),
    threshold({ reject: 10, defer: 6 }),
  ],
}));
