/**
 * The test suite of RFC 7208 through the plugin, twice: with the DNS given as data, and with a real NSD behind the
 * project's own resolver; what no server can be made to say (nothing at all) is given as data there too.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spf } from "../../plugins/mail_authentication/spf.ts";
import { Resolver } from "../../src/dns/resolver.ts";
import { type Dns, SPF } from "../../src/mod.ts";
import { ask, dnsOf, type FakeDns } from "../../src/testing.ts";
import { type Nsd, nsdMissing, startNsd, zoneHead } from "../support/live_nsd.ts";
import {
  CASES,
  factsOf,
  readSuite,
  type SuiteCase,
  suiteMissing,
  type SuiteSection,
} from "../support/spf_suite.ts";

const sections = suiteMissing === undefined ? readSuite() : [];

/** Cases that ask for a name of `unservable`: seven meet a silent server, one a name with spaces. */
const UNSERVABLE = 8;

/**
 * The suite has the digits of `%{i}` in upper case. RFC 7208 §7.4 has them in lower case, and names have none.
 */
const LOWER_CASE = "v-macro-ip6";

async function holds(given: SuiteCase, dns: Dns): Promise<void> {
  const plugin = spf({ fail: "reject", privateAddresses: "check" });
  const { findings, verdict, failed } = await ask(plugin, "mail", factsOf(given), { effects: { dns } });
  expect(failed).toBe(false);
  expect(given.results).toContain(findings.get(SPF)?.result ?? "nothing");
  expect(verdict?.kind === "reject").toBe(findings.get(SPF)?.result === "fail");
  if (given.explanation === undefined) return;
  const text = verdict?.kind === "reject" ? verdict.text : "";
  const [, explanation = "DEFAULT"] = /The domain explains: (.*)$/.exec(text) ?? [];
  const expected = given.name === LOWER_CASE ? given.explanation.toLowerCase() : given.explanation;
  expect(given.name === LOWER_CASE ? explanation.toLowerCase() : explanation).toBe(expected);
}

const skipped = suiteMissing === undefined ? "" : `: skipped, ${suiteMissing}`;
describe.skipIf(suiteMissing !== undefined)(`the suite of RFC 7208, DNS as data${skipped}`, () => {
  test("it has all of its cases", () => {
    expect(sections.flatMap(({ cases }) => cases).length).toBe(CASES);
  });

  for (const { name, cases, zone } of sections) {
    describe(name, () => {
      for (const each of cases) test(each.name, () => holds(each, dnsOf(zone.map)));
    });
  }
});

const without = suiteMissing ?? nsdMissing();
const left = without === undefined ? "" : `: skipped, ${without}`;
describe.skipIf(without !== undefined)(`the suite of RFC 7208, answers of NSD${left}`, () => {
  let real = 0;
  let data = 0;

  for (const section of sections) {
    describe(section.name, () => {
      let server: Nsd;
      let resolver: Resolver;
      beforeAll(async () => {
        server = await startNsd({ zones: section.zone.zoneFiles(zoneHead()) });
        resolver = new Resolver({ servers: [{ host: "127.0.0.1", port: server.port }] });
      });
      afterAll(async () => {
        resolver?.close();
        await server?.stop();
      });

      for (const each of section.cases) {
        test(each.name, async () => {
          const dns = new Answers(section, resolver);
          await holds(each, dns);
          if (dns.usedData) data++;
          else real++;
        });
      }
    });
  }

  test(`all but ${UNSERVABLE} cases had every answer from NSD`, () => {
    expect({ real, data }).toEqual({ real: CASES - UNSERVABLE, data: UNSERVABLE });
  });
});

/** The real server's answers, but for names that it cannot be asked about. */
class Answers implements Dns {
  usedData = false;
  readonly #section: SuiteSection;
  readonly #data: FakeDns;
  readonly #server: Dns;

  constructor(section: SuiteSection, server: Dns) {
    this.#section = section;
    this.#data = dnsOf(section.zone.map);
    this.#server = server;
  }

  resolve: Dns["resolve"] = (name, type) => {
    if (!this.#section.zone.unservable.has(name.toLowerCase())) return this.#server.resolve(name, type);
    this.usedData = true;
    return this.#data.resolve(name, type);
  };
}
