/**
 * Haraka with the plugins that check envelopes, as they come, but for what makes the contenders the same: the
 * DNS lists, SPF that refuses, one second of greylist, limits that are counted and never reached. early_talker
 * is left out: it would let every session wait, which costs Haraka wall time and no CPU.
 */
import { listZones, type Sources } from "../front_door_scene.ts";
import type { Peer } from "../peer.ts";
import { haraka, installed, startHaraka } from "./haraka.ts";

/** What limit and greylist are built on. As a plugin of its own it would publish every finding, 63 a session. */
const library = "haraka-plugin-redis@2.1.0";

/** Plugins that are packages of their own, in the order in which Haraka runs them. */
const plugins = [
  "haraka-plugin-limit@1.3.2",
  "haraka-plugin-relay@1.0.2",
  "haraka-plugin-dns-list@1.3.0",
  "haraka-plugin-fcrdns@1.2.1",
  "haraka-plugin-helo.checks@1.1.3",
  "haraka-plugin-mail_from.is_resolvable@1.3.0",
  "haraka-plugin-spf@1.3.0",
  "haraka-plugin-greylist@1.2.1",
] as const;

const packages = [library, ...plugins];

export function harakaFrontDoor({ redis }: Sources): Peer {
  const names = plugins.map((name) => name.replace(/^haraka-plugin-|@.*$/g, ""));
  const files = {
    "plugins": [...names, "rcpt_to.in_host_list", "queue/smtp_forward", ""].join("\n"),
    "redis.ini": `[server]\nhost=127.0.0.1\nport=${redis}\n`,
    "dns-list.ini":
      `${listZones.map((zone) => `zones[]=${zone}\n`).join("")}periodic_checks=30\nsearch=all\n` +
      "[stats]\nenable=false\n[ips.backscatterer.org]\nenable=false\n[list.dnswl.org]\nok_helo=false\nok_mail=false\n",
    "spf.ini": "[deny]\nhelo_fail=true\nmfrom_fail=true\n",
    "greylist.ini": `[redis]\nport=${redis}\ndb=11\n[period]\nblack=1\ngrey=90000\nwhite=3024000\n`,
    "limit.ini": limits(redis),
  };
  return {
    ...haraka,
    title: "Haraka, its plugins",
    prepare: () => installed(packages),
    start: ({ directory, backend }) => startHaraka(directory, backend, files, packages),
  };
}

function limits(redis: number): string {
  const rates = ["rate_conn", "rate_rcpt_host", "rate_rcpt_sender", "rate_rcpt"];
  return [
    `[redis]\nport=${redis}\ndatabase=4`,
    "[concurrency]\nenabled=true\nmax=1000",
    "[errors]\nenabled=true\nmax=10",
    "[recipients]\nenabled=true\nmax=100",
    "[unrecognized_commands]\nenabled=true\nmax=10",
    ...rates.map((rate) => `[${rate}]\nenabled=true\ndefault=1000000`),
    "",
  ].join("\n");
}
