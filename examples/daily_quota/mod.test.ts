import { expect, test } from "bun:test";
import { delivery, GREETED, transcript } from "sallyport/testing";
import { dailyQuota } from "./mod.ts";

const QUIT = `
  C: QUIT
  S: 221 …
  S: <close>
`;

const REFUSED = `
  C: MAIL FROM:<a@client.example>
  S: 250 …
  C: RCPT TO:<b@mx.example>
  S: 452 4.7.1 Enough for today: 2 recipients
`;

test("the third recipient of a day has to wait until tomorrow", async () => {
  await transcript(
    dailyQuota({ recipients: 2 }),
    { now: "2026-03-02T22:30:00Z" },
    `${GREETED}${delivery()}${delivery()}${REFUSED}${QUIT}
    (2 hours pass)
    (a client connects)
    ${GREETED}${delivery()}`,
  );
});

test("the recipients of one message count together", async () => {
  await transcript(
    dailyQuota({ recipients: 2 }),
    `${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 …
    C: RCPT TO:<b@mx.example>
    S: 250 …
    C: RCPT TO:<c@mx.example>
    S: 250 …
    C: RCPT TO:<d@mx.example>
    S: 452 4.7.1 …`,
  );
});

test("mail that the backend does not take costs nothing", async () => {
  const refusals = `
    C: MAIL FROM:<a@client.example>
    S: 250 …
    C: RCPT TO:<full@mx.example>
    S: 452 4.2.2 Full
    C: RSET
    S: 250 …`;
  const { store } = await transcript(
    dailyQuota({ recipients: 2 }),
    { backend: { "RCPT TO:<full@": "452 4.2.2 Full" } },
    `${GREETED}${refusals}${refusals}${refusals}${delivery()}`,
  );
  expect(await store.count("daily-quota 2026-03-02 sender a@client.example", 0, 1)).toBe(1);
});

test("who has authenticated has one quota, whatever sender they write", async () => {
  await transcript(
    dailyQuota({ recipients: 2 }),
    { user: "alice" },
    `${GREETED}${delivery("a@client.example")}${delivery("other@client.example")}${REFUSED}`,
  );
});

test("bounces are free", async () => {
  const { verdicts } = await transcript(dailyQuota({ recipients: 1 }), GREETED + delivery("") + delivery(""));
  expect(verdicts).toEqual([]);
});

test("while the store is away nobody is held up", async () => {
  const { metric } = await transcript(
    dailyQuota({ recipients: 1 }),
    `${GREETED}${delivery()}
    (the store is away)
    ${delivery()}`,
  );
  expect(metric("sallyport_plugin_failures_total", { plugin: "daily-quota", kind: "temporary" })).toBe(1);
});

test("options are checked", async () => {
  await expect(transcript(dailyQuota({ recipients: 0 }), GREETED)).rejects.toThrow(
    "options.recipients: 0 was given",
  );
});
