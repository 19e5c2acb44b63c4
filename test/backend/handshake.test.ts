/** From the dial to EHLO (RFC 5321 §3.1, §3.2): who is greeted, what a backend that is not well does to a client. */
import { describe, expect, test } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import { ADDRESSED_LATE, DELIVERED, GREETED, OPENED } from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";
import type { FakeDial } from "../../src/testing/network.ts";

const UNREACHABLE = "S: 451 4.3.0 No mail server can be reached now, try again later [ref]";

describe("a backend is dialled for the first command that needs one:", () => {
  dialogue(
    "at MAIL",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > <connect backend>
       < 220 backend.example ESMTP
       > EHLO mx.example
       < 250-backend.example
       < 250 8BITMIME
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  dialogue(
    "at RCPT, so MAIL is the proxy's own to answer",
    { dial: "rcpt" },
    `${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@mx.example>
       > <connect backend>
       < 220 backend.example ESMTP
       > EHLO mx.example
       < 250 backend.example
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
       > RCPT TO:<b@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok`,
  );
  dialogue(
    "and then the reply to MAIL is that of the first recipient",
    { dial: "rcpt", pipelining: false },
    `${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@mx.example>
       > MAIL FROM:<a@client.example>
       < 550 5.7.1 not from there
       > QUIT
    S: 550 5.7.1 not from there
    (then)
    C: RCPT TO:<c@mx.example>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
       > RCPT TO:<c@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok
    ${OPENED + DELIVERED}`,
  );
  for (const reply of ["503 5.5.1 MAIL first", "550 5.1.1 who?", "451 4.3.0 not now", "250 2.1.5 Ok"]) {
    dialogue(
      `the same where RCPT went with it, and was answered ${reply}`,
      { dial: "rcpt" },
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 2.1.0 Ok
      C: RCPT TO:<b@mx.example>
         > MAIL FROM:<a@client.example>
         > RCPT TO:<b@mx.example>
         < 550 5.7.1 not from there
         < ${reply}
         > QUIT
      S: 550 5.7.1 not from there
      (then)
      C: RCPT TO:<c@mx.example>
         > MAIL FROM:<a@client.example>
         > RCPT TO:<c@mx.example>
         < 250 2.1.0 Ok
         < 250 2.1.5 Ok
      S: 250 2.1.5 Ok
      ${OPENED + DELIVERED}`,
    );
  }
});

describe("what a backend says of itself:", () => {
  dialogue(
    "a greeting of several lines",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > <connect>
       < 220-backend.example ESMTP
       < 220 and more
       > EHLO mx.example
       < 250 backend.example
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  for (const refusal of ["500 5.5.1 what?", "502 5.5.1 no", "550-not\n< 550 that", "450 4.0.0 not now"]) {
    dialogue(
      `EHLO refused with ${JSON.stringify(refusal)} becomes HELO`,
      {},
      `${GREETED}
      C: MAIL FROM:<a@client.example> SIZE=3
         > <connect>
         < 220 backend.example
         > EHLO mx.example
         < ${refusal}
         > HELO mx.example
         < 250 backend.example
         > MAIL FROM:<a@client.example>
         < 250 2.1.0 Ok
      S: 250 2.1.0 Ok`,
    );
  }
});

/** The handshakes that come to nothing: what the backend does, step by step. */
const FAILURES: readonly (readonly [name: string, script: string])[] = [
  ["the dial is refused", "< <refuse>"],
  ["it closes without a word", "< <close>"],
  ["it breaks off", "< <reset>"],
  ["it greets with 554", "< 554 5.3.2 no\n> <abort>"],
  ["it greets with 421", "< 421 4.3.2 busy\n> <abort>"],
  ["it greets with 450", "< 450 4.3.2 busy\n> <abort>"],
  ["it greets with 354", "< 354 Go ahead\n> <abort>"],
  ["it greets with garbage", "< HTTP/1.1 400 Bad Request\n> <abort>"],
  ["it greets in TLS", "< ␕␃␁␀␂␂(\n> <abort>"],
  ["its greeting is torn", "< 220 backend.exa¬\n< <close>"],
  ["it closes after EHLO", "< 220 backend.example\n> EHLO mx.example\n< <close>"],
  ["it says 421 to EHLO", "< 220 backend.example\n> EHLO mx.example\n< 421 4.3.2 busy\n> <abort>"],
  ["it says 354 to EHLO", "< 220 backend.example\n> EHLO mx.example\n< 354 Go ahead\n> <abort>"],
  ["its reply to EHLO is garbage", "< 220 backend.example\n> EHLO mx.example\n< 250-a\n< 550 b\n> <abort>"],
  ["it refuses HELO too", "< 220 x\n> EHLO mx.example\n< 500 no\n> HELO mx.example\n< 550 no\n> <abort>"],
];

describe("a backend that is no use is a 451 for the recipient, and the client's session goes on:", () => {
  for (const [name, script] of FAILURES) {
    dialogue(
      name,
      { dial: "rcpt" },
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 2.1.0 Ok
      C: RCPT TO:<b@mx.example>
         > <connect>
         ${script}
      ${UNREACHABLE}
      (then)
      C: RSET
      S: 250 2.0.0 Ok
      ${ADDRESSED_LATE + OPENED + DELIVERED}`,
    );
  }
  for (const [name, script] of FAILURES.slice(0, 4)) {
    dialogue(
      `${name}: MAIL is answered all the same, the recipient is told`,
      {
        after: (scene) => expect(scene.log.filter(({ event }) => event === "no backend").length).toBe(2),
      },
      `${GREETED}
      C: MAIL FROM:<a@client.example>
         > <connect>
         ${script}
      S: 250 2.1.0 Ok
      (then)
      C: RCPT TO:<b@mx.example>
         > <connect>
         ${script}
      ${UNREACHABLE}
      (then)
      C: RCPT TO:<b@mx.example>
         > MAIL FROM:<a@client.example>
         > RCPT TO:<b@mx.example>
         < 250 2.1.0 Ok
         < 250 2.1.5 Ok
      S: 250 2.1.5 Ok`,
    );
  }
});

describe("what backends offer is learnt before EHLO is answered, where it is not known:", () => {
  dialogue(
    "by a look at the backend",
    { unseen: true },
    `
    S: 220 mx.example ESMTP
    C: EHLO client.example
       > <connect backend>
       < 220 backend.example
       > EHLO mx.example
       < 250-backend.example
       < 250-SIZE 1000
       < 250-XVENDOR
       < 250 8BITMIME
       > QUIT
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-CHUNKING
    S: 250-8BITMIME
    S: 250 SIZE 1000`,
  );
  dialogue(
    "from a backend that is down nothing is learnt, and the least is offered",
    { unseen: true },
    `
    S: 220 mx.example ESMTP
    C: EHLO client.example
       > <connect backend>
       < <refuse>
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250 CHUNKING`,
  );
  dialogue(
    "HELO need not wait for it",
    { unseen: true },
    `
    S: 220 mx.example ESMTP
    C: HELO client.example
    S: 250 mx.example`,
  );
  dialogue(
    "a client that leaves while the look lasts is not answered",
    { unseen: true },
    `
    S: 220 mx.example ESMTP
    C: EHLO client.example
       > <connect backend>
       < <silence>
    C: <reset>`,
  );
  dialogue(
    "a backend that says nothing is not waited for without end",
    { unseen: true, times: { connect: 5000 } },
    `
    S: 220 mx.example ESMTP
    C: EHLO client.example
       > <connect backend>
       < <silence>
    (5 seconds pass)
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250 CHUNKING`,
  );
});

test("two clients that come at once make the proxy look once", async () => {
  const scene = new Scene({ unseen: true });
  const dials: FakeDial[] = [];
  scene.network.onDial = (dial) => void dials.push(dial);
  scene.send("EHLO one.example\r\n");
  let told = false;
  scene.pools.probe(() => (told = true));
  scene.settle();
  expect(dials.length).toBe(1);
  dials[0]!.refuse();
  await scene.rest();
  expect(told).toBe(true);
  expect(scene.take()).toContain("250 CHUNKING\r\n");
});

test("what a backend has changed is offered from the next EHLO on", async () => {
  const scene = new Scene({ extensions: ["8BITMIME"] });
  scene.onDial = (dial, name) => scene.accept(dial, name).greet(["DSN"]);
  scene.send("EHLO x\r\n");
  expect(scene.take()).toContain("8BITMIME\r\n");
  scene.send("MAIL FROM:<a@x.example>\r\nEHLO x\r\n");
  scene.connections[0]!.send("250 Ok\r\n");
  await scene.rest();
  const heard = scene.take();
  expect(heard).toContain("DSN\r\n");
  expect(heard).not.toContain("8BITMIME");
});

test("a dial that is not answered is given up with its client", () => {
  const scene = new Scene();
  const dials: FakeDial[] = [];
  scene.network.onDial = (dial) => void dials.push(dial);
  scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\n");
  expect(dials.map(({ cancelled }) => cancelled)).toEqual([false]);
  scene.wire.reset();
  scene.settle();
  expect(dials.map(({ cancelled }) => cancelled)).toEqual([true]);
});
