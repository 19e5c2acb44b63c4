/**
 * `policies/front_door.ts` for a benchmark: the same plugins in the same order with the same defaults, but a greylist of
 * one second, so that triplets can be made known, and limits that are counted and never reached.
 */
import { atRcpt, definePolicy, isAllowed, isPostmaster, parallel, threshold, unless } from "sallyport";
import { dnsbl } from "../../plugins/dnsbl/mod.ts";
import { earlyTalker } from "../../plugins/early_talker/mod.ts";
import { fcrdns } from "../../plugins/fcrdns/mod.ts";
import { greylist } from "../../plugins/greylist/mod.ts";
import { helo } from "../../plugins/helo/mod.ts";
import { spf } from "../../plugins/mail_authentication/spf.ts";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { relayGate } from "../../plugins/relay_gate/mod.ts";
import { tarpit } from "../../plugins/tarpit/mod.ts";

const never = "1000000/min";

export default definePolicy(({ relayDomains, dnsbl: sites, ...environment }) => ({
  ...environment,
  plugins: [
    rateLimit({
      limits: [
        { name: "connections", per: "client", of: "connections", rate: never },
        { name: "errors", per: "client", of: "errors", rate: never, action: "score" },
        { name: "recipients", per: "client", of: "recipients", rate: never },
      ],
      concurrency: [{ per: "client", most: 1000 }],
    }),
    atRcpt(
      unless(
        isAllowed,
        parallel(earlyTalker(), fcrdns(), dnsbl({ sites: sites ?? [] })),
        parallel(helo(), spf()),
      ),
    ),
    relayGate({ domains: relayDomains ?? [] }),
    unless(isAllowed, tarpit()),
    unless(
      (session) => isAllowed(session) || isPostmaster(session),
      threshold({ reject: 8 }),
      greylist({ delay: 1000 }),
    ),
  ],
}));
