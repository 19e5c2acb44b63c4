/**
 * A test that could not mean anything does not compile. See handlers.ts.
 */
import { definePlugin, SPF } from "sallyport";
import { ask, dnsOf, factsAt, fetchOf, path, transcript } from "sallyport/testing";

const plugin = definePlugin("none", () => ({ onError: "pass" }))();

factsAt("helo", { helo: "client.example", client: { host: "192.0.2.1", port: 1 } });
// @ts-expect-error 2353: the client has not greeted
factsAt("connect", { helo: "client.example" });
// @ts-expect-error 2345: the stage is rcpt
factsAt("recpt");
// @ts-expect-error 2739: other facts
ask(plugin, "rcpt", factsAt("mail", { reversePath: path("a@b.example") }));
// @ts-expect-error 2353: its name is effects
ask(plugin, "mail", factsAt("mail"), { io: {} });

dnsOf({ "x.example": { A: ["192.0.2.1"], MX: [{ exchange: "x.example", priority: 10 }], TXT: "ESERVFAIL" } });
// @ts-expect-error 2322: an exchange has a priority
dnsOf({ "x.example": { MX: ["x.example"] } });
// @ts-expect-error 2322: no such error
dnsOf({ "x.example": { A: "EBROKEN" } });

fetchOf({ "https://a.example/": { status: 503 }, "https://b.example/": "refused" });
// @ts-expect-error 2322: no such trouble
fetchOf({ "https://a.example/": "broken" });

const played = await transcript(plugin, { dns: {}, now: "2026-03-02" }, "S: 220 …");
played.finding(SPF)?.result.startsWith("p");
// @ts-expect-error 2353: there is no such option
transcript(plugin, { clock: 3 }, "S: 220 …");
// @ts-expect-error 2554: nothing is played
transcript(plugin);
// @ts-expect-error 2345: a factory makes a plugin, and is none
transcript(definePlugin("none", () => ({ onError: "pass" })), "S: 220 …");
