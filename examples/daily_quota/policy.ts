/** The quota in a policy, counted in a Redis that several proxies may share. */
import { definePolicy } from "sallyport";
import { relayGate } from "sallyport/plugins/relay_gate/mod.ts";
import { dailyQuota } from "./mod.ts";

export default definePolicy(({ relayDomains: domains = ["example.org"], dnsbl: _, ...environment }) => ({
  ...environment,
  store: environment.store ?? "redis://127.0.0.1:6379",
  plugins: [relayGate({ domains }), dailyQuota({ recipients: 200 })],
}));
