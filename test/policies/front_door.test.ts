/** `policies/front_door.ts` as it ships, played: what strangers hear, and what the backend gets. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import process from "node:process";
import type { Policy } from "../../src/mod.ts";
import { delivery, transcript } from "../../src/testing.ts";

const VARIABLES = {
  SALLYPORT_HOSTNAME: "mx.example",
  SALLYPORT_RELAY_DOMAINS: "mx.example",
  SALLYPORT_BACKEND: "127.0.0.1:10025",
};
const before = { ...process.env };
let policy: Policy;
beforeAll(async () => {
  Object.assign(process.env, VARIABLES);
  // A module of its own: a policy reads its environment once, and another test may have loaded it with its own.
  const url = new URL("../../policies/front_door.ts?played", import.meta.url);
  policy = (await import(url.href)).default;
});
afterAll(() => {
  for (const name of Object.keys(VARIABLES)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
});

/** A client with a name that points back to it, and a policy that lets it send. */
const DNS = {
  "7.113.0.203.in-addr.arpa": { PTR: ["client.example"] },
  "client.example": { A: ["203.0.113.7"], TXT: [["v=spf1 ip4:203.0.113.7 -all"]] },
};

const HELD = `
  S: 220-mx.example ESMTP
  (3 seconds pass)
  S: 220 mx.example …
  C: EHLO client.example
  S: 250-mx.example …
`;

test("a stranger with a good name has to come again, and is then let in", async () => {
  const { mails, verdicts } = await transcript(
    policy,
    { dns: DNS },
    `${HELD}
    C: MAIL FROM:<a@client.example>
    S: 250 …
    C: RCPT TO:<b@mx.example>
    S: 450 4.7.1 Greylisted, try again in 300 seconds
    C: RCPT TO:<b@elsewhere.example>
    S: 550 5.7.1 …
    C: QUIT
    S: 221 …
    S: <close>
    (6 minutes pass)
    (a client connects)
    ${HELD}${delivery()}`,
  );
  expect(mails.map(({ from, to, message }) => ({ from, to, message }))).toEqual([
    { from: "a@client.example", to: ["b@mx.example"], message: "Subject: a mail\r\n\r\nHello\r\n" },
  ]);
  expect(mails[0]?.added).toContain("Received-SPF: pass ");
  expect(verdicts).toContain("greylist@rcpt:state=matured");
});

test("who speaks before the greeting is refused at RCPT, where the log knows for whom", async () => {
  const { mails } = await transcript(
    policy,
    { dns: DNS },
    `
    S: 220-mx.example ESMTP
    C: EHLO client.example
    S: 220 mx.example …
    S: 250-mx.example …
    C: MAIL FROM:<a@client.example>
    S: 250 …
    C: RCPT TO:<b@mx.example>
    S: 554 5.5.1 Protocol error: you spoke before you were greeted`,
  );
  expect(mails).toEqual([]);
});

test("postmaster hears every stranger at once, and the null sender too, whose mail waits at DATA otherwise", async () => {
  const { mails } = await transcript(
    policy,
    { dns: DNS },
    `${HELD}
    C: MAIL FROM:<>
    S: 250 …
    C: RCPT TO:<b@mx.example>
    S: 250 …
    C: RCPT TO:<postmaster@mx.example>
    S: 250 …
    C: DATA
    S: 450 4.7.1 Greylisted, try again in 300 seconds
    C: RSET
    S: 250 …
    ${delivery("", "postmaster@mx.example")}`,
  );
  expect(mails.map(({ from, to }) => ({ from, to }))).toEqual([{ from: "", to: ["postmaster@mx.example"] }]);
});
