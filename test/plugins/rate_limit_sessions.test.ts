/**
 * Limits in whole sessions, as a client hears them.
 */
import { test } from "bun:test";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { definePlugin, reject } from "../../src/mod.ts";
import { delivery, GREETED, transcript } from "../../src/testing.ts";

const two = rateLimit({ limits: [{ name: "messages", per: "client", of: "messages", rate: "2/hour" }] });

test("messages that another plugin or the backend refuses, or that are given up, do not count", async () => {
  const picky = definePlugin("picky", () => ({
    onError: "pass",
    mail: ({ reversePath }) => (reversePath.localPart === "bad" ? reject("5.7.1", "No") : undefined),
  }))();
  const backend = { "RCPT TO:<gone@mx.example>": "550 5.1.1 No such user" };
  await transcript(
    [two, picky],
    { backend },
    `
    ${GREETED}
    C: MAIL FROM:<bad@client.example>
    S: 550 5.7.1 No
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RSET
    S: 250 2.0.0 Ok
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<gone@mx.example>
    S: 550 5.1.1 No such user
    C: RSET
    S: 250 2.0.0 Ok
    (then)
    ${delivery()}
    (then)
    ${delivery()}
    (then)
    C: MAIL FROM:<a@client.example>
    S: 450 4.7.1 Too many messages, try again in 1800 seconds
  `,
  );
});

test("a client that has too many sessions hears so, and comes in when one has ended", async () => {
  await transcript(
    rateLimit({ concurrency: [{ per: "client", most: 1 }] }),
    `
    ${GREETED}
    (a client connects)
    S: 421 4.7.0 Too many connections at the same time, try again later
    S: <close>
    (on the first client)
    C: QUIT
    S: 221 2.0.0 …
    S: <close>
    (a client connects)
    ${GREETED}
  `,
  );
});

test("a client that guesses at recipients may not come again for a while", async () => {
  const errors = rateLimit({ limits: [{ name: "errors", per: "client", of: "errors", rate: "2/hour" }] });
  await transcript(
    errors,
    { backend: { RCPT: "550 5.1.1 No such user" } },
    `
    ${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@mx.example>
    S: 550 5.1.1 No such user
    C: RCPT TO:<c@mx.example>
    S: 550 5.1.1 No such user
    C: QUIT
    S: 221 2.0.0 …
    S: <close>
    (a client connects)
    S: 421 4.7.0 Too many errors, try again in 1800 seconds
    S: <close>
  `,
  );
});
