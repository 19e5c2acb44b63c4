/**
 * For tests of plugins and policies, without a network and in no time, with any test runner.
 *
 * `transcript` plays what a client says and hears; `ask` asks one plugin at one stage as the proxy would.
 * @module
 *
 * @example
 * await transcript(heloName({ reserved: ["mx.example"] }), `
 *   S: 220 mx.example …
 *   C: EHLO mx.example
 *   S: 550 5.7.1 That is our name
 * `);
 * @example
 * const { verdict } = await ask(heloName({ reserved: ["mx.example"] }), "helo", factsAt("helo", { helo: "mx.example" }));
 * expect(verdict).toEqual(reject("5.7.1", "That is our name"));
 */
export { type Answer, ask, type AskOptions, atOnce, factsAt, findingsOf, path } from "./testing/ask.ts";
export { type DnsMap, dnsOf, type FakeDns } from "./testing/dns.ts";
export {
  type FakeFetch,
  type FakeResponse,
  type FetchAnswer,
  type FetchMap,
  fetchOf,
} from "./testing/fetch.ts";
export type { FileMap } from "./testing/files.ts";
export { delivery, GREETED } from "./testing/parts.ts";
export type { Played } from "./testing/played.ts";
export { prepare, type Prepared, type PrepareOptions } from "./testing/prepare.ts";
export type { Mail } from "./testing/receiver.ts";
export type { Replies } from "./testing/replies.ts";
export type { Entry } from "./testing/scene.ts";
export type { Backstage } from "./testing/theatre.ts";
export { type Given, transcript, type TranscriptOptions } from "./testing/transcript.ts";
export type { After, Asked, Effects } from "./policy/engine.ts";
export { type MemoryOptions, memoryStore } from "./store/memory.ts";
