/**
 * What is remembered for all sessions of a client, or of all clients, is shown to plugins that may want to change it: they
 * cannot.
 */
import { expect, test } from "bun:test";
import { dnsbl } from "../../plugins/dnsbl/mod.ts";
import { fcrdns } from "../../plugins/fcrdns/mod.ts";
import { DNSBL, REVERSE } from "../../src/mod.ts";
import { ask, type DnsMap, dnsOf, factsAt } from "../../src/testing.ts";

const PTR = "7.113.0.203.in-addr.arpa";
const ANSWERS: readonly (readonly [name: string, map: DnsMap])[] = [
  ["without a name", {}],
  ["whose name cannot be asked for", { [PTR]: { PTR: "ESERVFAIL" } }],
  ["with names", { [PTR]: { PTR: ["b.client.example", "a.client.example"] } }],
  ["with a name that points back", {
    [PTR]: { PTR: ["client.example"] },
    "client.example": { A: ["203.0.113.7"] },
  }],
];

test.each([...ANSWERS])("the reverse names of a client %s", async (_, map) => {
  const { findings } = await ask(fcrdns(), "connect", factsAt("connect"), { effects: { dns: dnsOf(map) } });
  const reverse = findings.get(REVERSE)!;
  expect(() => (reverse.names as string[]).push("changed.example")).toThrow(TypeError);
  expect(() => Object.assign(reverse, { status: "pass" })).toThrow(TypeError);
});

test("the lists of a client that no list knows", async () => {
  const plugin = dnsbl({ sites: "bl.example", selfTest: false });
  const { findings } = await ask(plugin, "connect", factsAt("connect"), { effects: { dns: dnsOf({}) } });
  const listed = findings.get(DNSBL)!;
  expect(() => (listed.lists as unknown[]).push({})).toThrow(TypeError);
  expect(() => Object.assign(listed, { score: 9 })).toThrow(TypeError);
});
