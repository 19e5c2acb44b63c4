/**
 * For tests of plugins and policies, without a network. `ask` asks one plugin as the proxy would.
 * @module
 *
 * @example
 * const { verdict } = await ask(heloName({ reserved: ["mx.example"] }), "helo", factsAt("helo", { helo: "mx.example" }));
 * expect(verdict).toEqual(reject("5.7.1", "That is our name"));
 */
export { type Answer, ask, type AskOptions, atOnce, factsAt, findingsOf, path } from "./testing/ask.ts";
export { type DnsMap, dnsOf, type FakeDns } from "./testing/dns.ts";
export type { After } from "./policy/engine.ts";
