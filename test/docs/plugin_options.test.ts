/** Every plugin's page has a table with its options: all that it takes, and no others. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { access } from "../../plugins/access/mod.ts";
import { authHttp } from "../../plugins/auth_http/mod.ts";
import { dnsbl } from "../../plugins/dnsbl/mod.ts";
import { earlyTalker } from "../../plugins/early_talker/mod.ts";
import { fcrdns } from "../../plugins/fcrdns/mod.ts";
import { geo } from "../../plugins/geo/mod.ts";
import { greylist } from "../../plugins/greylist/mod.ts";
import { helo } from "../../plugins/helo/mod.ts";
import { spf } from "../../plugins/mail_authentication/spf.ts";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { relayGate } from "../../plugins/relay_gate/mod.ts";
import { tarpit } from "../../plugins/tarpit/mod.ts";
import type { Plugin } from "../../src/mod.ts";
import { ROOT } from "../support/scratch.ts";

const PLUGINS: Readonly<Record<string, (options: never) => Plugin>> = {
  access,
  "auth-http": authHttp,
  dnsbl,
  "early-talker": earlyTalker,
  fcrdns,
  geo,
  greylist,
  helo,
  "rate-limit": rateLimit,
  "relay-gate": relayGate,
  spf,
  tarpit,
};

/** What it says that it takes, when it is given what it does not. */
function options(make: (options: never) => Plugin): readonly string[] {
  const mistake = make({ unheardOf: 1 } as never).mistakes?.find((line) =>
    line.includes("no option unheardOf")
  );
  return mistake?.split("; allowed are ")[1]?.split(", ").toSorted() ?? [];
}

/** The first cells of all tables of a page that stand before its second heading, and what of them is code. */
function rows(page: string): readonly string[] {
  const [top = ""] = readFileSync(join(ROOT, "docs/plugins", page), "utf8").split(/^## (?!Options)/m);
  return [...top.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)(?:: [^`]*)?`/g)].map(([, name]) => name!)
  );
}

for (const [name, make] of Object.entries(PLUGINS)) {
  test(name, () => {
    const listed = rows(`${name}.md`);
    expect(options(make).length).toBeGreaterThan(2);
    expect(listed.toSorted()).toEqual([...options(make)]);
  });
}
