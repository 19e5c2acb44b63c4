/** The look-up in a policy: others may add to the score too, and `threshold` judges it. */
import { definePolicy, isAllowed, threshold, unless } from "sallyport";
import { httpLookup } from "./mod.ts";

export default definePolicy(({ hostname, listen, backends, tls }) => ({
  hostname,
  listen,
  backends,
  tls,
  plugins: [
    unless(isAllowed, httpLookup({ url: "https://reputation.example/v1" })),
    threshold({ reject: 10, defer: 6 }),
  ],
}));
