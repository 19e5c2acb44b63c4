/** The rule in a policy; `npx sallyport check policy.ts` says whether it is a good one. */
import { definePolicy } from "sallyport";
import { heloRule } from "./mod.ts";

export default definePolicy(({ hostname, listen, backends, tls }) => ({
  hostname,
  listen,
  backends,
  tls,
  plugins: [heloRule({ reserved: [hostname] })],
}));
