/**
 * What `helo` remembers of greetings, of whom, and for how long.
 */
import { describe, expect, test } from "bun:test";
import { HELO, helo } from "../../plugins/helo/mod.ts";
import { type HeloFacts, REVERSE } from "../../src/mod.ts";
import { type DnsMap, dnsOf, findingsOf } from "../../src/testing.ts";
import { changed, Visits } from "../support/visits.ts";

const NAME = "client.example";
const KNOWN: DnsMap = { [NAME]: { A: ["203.0.113.7"] } };

test("a greeting that comes again asks for nothing, and is told of as before", async () => {
  const dns = dnsOf({});
  const visits = new Visits(helo(), dns);
  for (let i = 0; i < 3; i++) {
    const { said, found } = await visits.at("helo");
    expect(said).toBe("pass helo@helo:faults=unresolvable");
    expect(found(HELO)).toEqual({ faults: ["unresolvable"], resolves: "no", matches: false });
  }
  expect(dns.questions).toEqual([`A ${NAME}`]);
  expect(visits.counted("helo_faults")).toEqual({ 'fault="unresolvable"': 3 });
});

test("what it costs, it costs each time", async () => {
  const visits = new Visits(helo({ judge: "helo", unresolvable: "reject" }), dnsOf({}));
  const first = await visits.at("helo");
  expect(first.said).toMatch(/^550 Your HELO is a name without an address/);
  expect((await visits.at("helo")).said).toBe(first.said);
});

describe("a greeting is another one", () => {
  interface Greeter {
    readonly given: Partial<HeloFacts>;
    readonly client?: string;
  }
  const known = { findings: findingsOf([REVERSE, { status: "pass", names: [NAME], name: NAME }]) };
  const cases: readonly (readonly [what: string, one: Greeter, other: Greeter])[] = [
    ["of another client", { given: {} }, { given: {}, client: "203.0.113.8" }],
    ["under another name", { given: {} }, { given: { helo: "other.example" } }],
    ["where our name is another", { given: {} }, { given: { hostname: NAME } }],
    ["where it reaches another address of ours", { given: { helo: "[192.0.2.25]" } }, {
      given: { helo: "[192.0.2.25]", local: { host: "192.0.2.26", port: 25 } },
    }],
    ["where the client's own name is known", { given: {}, client: "203.0.113.8" }, {
      given: known,
      client: "203.0.113.8",
    }],
  ];
  for (const [what, one, other] of cases) {
    test(what, async () => {
      const visits = new Visits(helo(), dnsOf(KNOWN));
      const found = async (at: Visits, { given, ...from }: Greeter) =>
        (await at.at("helo", given, from)).found(HELO);
      const first = await found(visits, one);
      const second = await found(visits, other);
      expect(second).not.toEqual(first);
      expect(second).toEqual(await found(new Visits(helo(), dnsOf(KNOWN)), other));
      expect(await found(visits, one)).toEqual(first);
    });
  }
});

test("it holds as long as the answer that holds shortest", async () => {
  // Neither A nor AAAA nor MX is there: three answers.
  const dns = dnsOf({ [NAME]: {} }, 1000);
  const visits = new Visits(helo(), dns);
  for (const ms of [999, 1, 0]) {
    await visits.at("helo");
    visits.wait(ms);
  }
  expect(dns.questions).toHaveLength(6);
});

test("what the DNS could not say is asked again", async () => {
  const dns = dnsOf({ [NAME]: { A: "ESERVFAIL" } });
  const visits = new Visits(helo(), dns);
  expect((await visits.at("helo")).found(HELO)?.resolves).toBe("temperror");
  await visits.at("helo");
  expect(dns.questions).toHaveLength(2);
});

test("an answer past its time is not kept", async () => {
  const dns = dnsOf(KNOWN);
  const visits = new Visits(helo(), changed(dns, { [NAME]: { stale: true, ttl: 30_000 } }));
  await visits.at("helo");
  expect((await visits.at("helo")).found(HELO)?.resolves).toBe("yes");
  expect(dns.questions).toHaveLength(2);
});
