import { expect, test } from "bun:test";
import { ask, factsAt, GREETED, transcript } from "sallyport/testing";
import { heloRule } from "./mod.ts";

const rule = heloRule({ reserved: ["mx.example", "[192.0.2.25]"] });

test("a client that greets with our name is refused, and may greet again with its own", async () => {
  await transcript(
    rule,
    `
    S: 220 mx.example …
    C: EHLO MX.example
    S: 550 5.7.1 That is our own name, not yours
    C: MAIL FROM:<a@client.example>
    S: 503 5.5.1 …
    C: EHLO client.example
    S: 250-mx.example …
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    `,
  );
});

test("our address is a name of ours too", async () => {
  const { verdict } = await ask(rule, "helo", factsAt("helo", { helo: "[192.0.2.25]" }));
  expect(verdict?.kind).toBe("reject");
});

test("everybody else is let in", async () => {
  const { verdicts } = await transcript(rule, GREETED);
  expect(verdicts).toEqual([]);
});
