/**
 * The door before a mail server: who comes from where, what it calls itself, for whom it speaks, how often. Strangers are
 * checked and made to wait; mail goes on to the server behind, which has the last word on every recipient.
 */
import {
  atRcpt,
  definePolicy,
  isAllowed,
  isPostmaster,
  parallel,
  SettingsError,
  threshold,
  unless,
} from "sallyport";
import { dnsbl } from "../plugins/dnsbl/mod.ts";
import { earlyTalker } from "../plugins/early_talker/mod.ts";
import { fcrdns } from "../plugins/fcrdns/mod.ts";
import { greylist } from "../plugins/greylist/mod.ts";
import { helo } from "../plugins/helo/mod.ts";
import { spf } from "../plugins/mail_authentication/spf.ts";
import { rateLimit } from "../plugins/rate_limit/mod.ts";
import { relayGate } from "../plugins/relay_gate/mod.ts";
import { tarpit } from "../plugins/tarpit/mod.ts";

export default definePolicy(({ relayDomains, dnsbl: sites, store = "memory:", notices, ...environment }) => {
  if (relayDomains === undefined) {
    throw new SettingsError([
      "SALLYPORT_RELAY_DOMAINS: is not set; the front door must know the domains that it takes mail for",
    ]);
  }
  return {
    ...environment,
    store,
    notices: store === "memory:"
      ? [
        ...notices,
        "Greylist and limits are kept in memory and forgotten at the next start: set SALLYPORT_STORE",
      ]
      : notices,
    plugins: [
      // Lists of your own come first: access({ files: [{ path: "/etc/sallyport/friends", list: "allow", of: "clients" }] }),
      rateLimit({
        limits: [
          { name: "connections", per: "client", of: "connections", rate: "600/min burst 120" },
          // Points, not a refusal: one customer of a large sender must not lock out all others.
          { name: "errors", per: "client", of: "errors", rate: "60/hour burst 60", action: "score" },
          { name: "recipients", per: "client", of: "recipients", rate: "6000/hour burst 1000" },
        ],
        concurrency: [{ per: "client", most: 50 }],
      }),
      atRcpt(
        unless(
          isAllowed,
          parallel(earlyTalker(), fcrdns(), ...(sites === undefined ? [] : [dnsbl({ sites })])),
          parallel(helo(), spf()),
        ),
      ),
      relayGate({ domains: relayDomains }),
      unless(isAllowed, tarpit()),
      unless((session) => isAllowed(session) || isPostmaster(session), threshold({ reject: 8 }), greylist()),
    ],
  };
});
