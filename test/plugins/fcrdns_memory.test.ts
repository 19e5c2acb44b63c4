/**
 * What `fcrdns` remembers of clients that came before, and for how long.
 */
import { expect, test } from "bun:test";
import { fcrdns, GENERIC_NAME } from "../../plugins/fcrdns/mod.ts";
import { ALLOWED, REVERSE } from "../../src/mod.ts";
import { type DnsMap, dnsOf, findingsOf } from "../../src/testing.ts";
import { changed, Visits } from "../support/visits.ts";

const PTR = "7.113.0.203.in-addr.arpa";
const NAME = "client.example";
const NAMED: DnsMap = { [PTR]: { PTR: [NAME] }, [NAME]: { A: ["203.0.113.7"] } };
const PASSES = `pass fcrdns@connect:reverse=pass ${NAME}`;

test("who comes again is asked about no more, and is told of as before", async () => {
  const dns = dnsOf(NAMED);
  const visits = new Visits(fcrdns(), dns);
  for (let i = 0; i < 3; i++) {
    const { said, found } = await visits.at("connect");
    expect(said).toBe(PASSES);
    expect(found(REVERSE)).toEqual({ status: "pass", names: [NAME], name: NAME });
  }
  expect(dns.questions).toEqual([`PTR ${PTR}`, `A ${NAME}`]);
  expect(visits.counted("fcrdns_results")).toEqual({ 'result="pass"': 3 });
});

test("a generic name, and what it costs, are remembered with it", async () => {
  const name = "203-0-113-7.dsl.provider.example";
  const dns = dnsOf({ [PTR]: { PTR: [name] }, [name]: { A: ["203.0.113.7"] } });
  const visits = new Visits(fcrdns({ generic: "defer" }), dns);
  const first = await visits.at("connect");
  const second = await visits.at("connect");
  expect(first.said).toMatch(/^450 The name of your address looks like that of a dynamic one/);
  expect(second.said).toBe(first.said);
  expect([first, second].map(({ found }) => found(GENERIC_NAME))).toEqual([
    'it holds "dsl"',
    'it holds "dsl"',
  ]);
  expect(visits.counted("fcrdns_generic")).toEqual({ "": 2 });
  expect(dns.questions).toHaveLength(2);
});

test("an allowed client that comes again is spared, and who is not allowed any more is not", async () => {
  const visits = new Visits(fcrdns({ none: "reject" }), dnsOf({}));
  const allowed = { findings: findingsOf([ALLOWED, "a list"]) };
  const answers = [];
  for (const given of [{}, allowed, {}]) answers.push((await visits.at("connect", given)).said.slice(0, 4));
  expect(answers).toEqual(["550 ", "pass", "550 "]);
});

test("another client is another question", async () => {
  const visits = new Visits(fcrdns(), dnsOf(NAMED));
  expect((await visits.at("connect")).said).toBe(PASSES);
  expect((await visits.at("connect", {}, { client: "203.0.113.8" })).said).toBe(
    "pass fcrdns@connect:reverse=none",
  );
});

test("it holds as long as the answer that holds shortest", async () => {
  const dns = dnsOf(NAMED, 60_000);
  const visits = new Visits(fcrdns(), changed(dns, { [NAME]: { ttl: 1000 } }));
  await visits.at("connect");
  visits.wait(999);
  await visits.at("connect");
  expect(dns.questions).toHaveLength(2);
  visits.wait(1);
  await visits.at("connect");
  expect(dns.questions).toHaveLength(4);
});

test("that there is no name is remembered too", async () => {
  const dns = dnsOf({}, 60_000);
  const visits = new Visits(fcrdns(), dns);
  for (const ms of [59_999, 1, 0]) {
    await visits.at("connect");
    visits.wait(ms);
  }
  expect(dns.questions).toEqual([`PTR ${PTR}`, `PTR ${PTR}`]);
});

test("what the DNS could not say is asked again", async () => {
  const broken: readonly DnsMap[] = [
    { [PTR]: { PTR: "ESERVFAIL" } },
    { [PTR]: { PTR: [NAME] }, [NAME]: { A: "ETIMEOUT" } },
    // One name points back, but another one may do so as well.
    { [PTR]: { PTR: [NAME, "other.example"] }, [NAME]: NAMED[NAME]!, "other.example": { A: "EREFUSED" } },
  ];
  for (const map of broken) {
    const dns = dnsOf(map);
    const visits = new Visits(fcrdns(), dns);
    await visits.at("connect");
    const { length } = dns.questions;
    await visits.at("connect");
    expect(dns.questions).toHaveLength(2 * length);
  }
});

test("what came too late is asked again", async () => {
  const dns = dnsOf({ [PTR]: { PTR: [NAME] }, [NAME]: { A: "never" } });
  const visits = new Visits(fcrdns({ timeout: 500 }), dns);
  const late = `pass fcrdns@connect:reverse=temperror ${NAME}`;
  expect((await visits.at("connect", {}, { ms: 500 })).said).toBe(late);
  expect((await visits.at("connect", {}, { ms: 500 })).said).toBe(late);
  expect(dns.questions).toHaveLength(4);
});

test("an answer past its time is not kept", async () => {
  const dns = dnsOf(NAMED);
  const visits = new Visits(fcrdns(), changed(dns, { [NAME]: { stale: true, ttl: 30_000 } }));
  expect((await visits.at("connect")).said).toBe(PASSES);
  expect((await visits.at("connect")).said).toBe(PASSES);
  expect(dns.questions).toHaveLength(4);
});
