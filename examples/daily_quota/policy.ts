/** The quota in a policy, counted in a Redis that several proxies may share. */
import { definePolicy } from "sallyport";
import { dailyQuota } from "./mod.ts";

export default definePolicy(({ hostname, listen, backends, tls, store }) => ({
  hostname,
  listen,
  backends,
  tls,
  store: store ?? "redis://127.0.0.1:6379",
  plugins: [dailyQuota({ recipients: 200 })],
}));
