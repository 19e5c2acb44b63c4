/** Connections kept between transactions: when one is used again, asked first, replaced, or given up. */
import { describe, expect, test } from "bun:test";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { ADDRESSED, ANOTHER, DELIVERED, GREETED, OPENED, RECIPIENT } from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";

/** One message, whose connection is kept. */
const FIRST = ADDRESSED + OPENED + DELIVERED;

/** The second transaction on a new connection. */
const FRESH = `
  C: MAIL FROM:<a@client.example>
     > <connect>
     > MAIL FROM:<a@client.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  ${RECIPIENT + OPENED + DELIVERED}`;

describe("a connection is used again:", () => {
  dialogue("at once, without a question", {}, FIRST + ANOTHER);
  dialogue(
    "after a while, when RSET shows that it lives",
    {},
    `${FIRST}
    (6 seconds pass)
    C: MAIL FROM:<a@client.example>
       > RSET
       < 250 2.0.0 Reset
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  dialogue(
    "not after its idle time: it takes its leave",
    {},
    `${FIRST}
    (31 seconds pass)
       > QUIT
    ${FRESH}`,
  );
  dialogue(
    "not past its age",
    { reuse: { age: 1000, idle: 60_000, check: 60_000 } },
    `${FIRST}
    (2 seconds pass)
       > QUIT
    ${FRESH}`,
  );
  dialogue(
    "not past its uses",
    { reuse: { uses: 2 } },
    `${FIRST + ANOTHER}
       > QUIT
    (then)
    ${FRESH}`,
  );
  dialogue(
    "not when it spoke in between",
    {},
    `${FIRST}
    (meanwhile)
       < 250 and another thing
       > <abort>
    (then)
    ${FRESH}`,
  );
  dialogue(
    "not when it said 421 in between",
    {},
    `${FIRST}
    (meanwhile)
       < 421 4.4.2 idle
       > <abort>
    (then)
    ${FRESH}`,
  );
  dialogue(
    "not when it was closed in between",
    {},
    `${FIRST}
       < <close>
    (then)
    ${FRESH}`,
  );
  dialogue(
    "not when its RSET is refused",
    {},
    `${FIRST}
    (6 seconds pass)
    C: MAIL FROM:<a@client.example>
       > RSET
       < 500 5.5.1 what?
       > <abort>
       > <connect>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  dialogue(
    "not when its RSET is not answered",
    { times: { rset: 1000 } },
    `${FIRST}
    (6 seconds pass)
    C: MAIL FROM:<a@client.example>
       > RSET
    (1 second passes)
       > <abort>
       > <connect>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
});

describe("a connection that turns out dead at its first command is replaced, once, by a new one:", () => {
  for (
    const [name, loss] of [["closed", "< <close>"], ["broken off", "< <reset>"], [
      "421",
      "< 421 4.4.2 idle\n> <abort>",
    ]]
  ) {
    dialogue(
      `${name}, at MAIL`,
      {},
      `${FIRST}
      C: MAIL FROM:<a@client.example>
         > MAIL FROM:<a@client.example>
         ${loss}
         > <connect>
         > MAIL FROM:<a@client.example>
         < 250 2.1.0 Ok
      S: 250 2.1.0 Ok
      ${RECIPIENT + OPENED + DELIVERED}`,
    );
    dialogue(
      `${name}, and the new one too: 451`,
      {},
      `${FIRST}
      C: MAIL FROM:<a@client.example>
         > MAIL FROM:<a@client.example>
         ${loss}
         > <connect>
         > MAIL FROM:<a@client.example>
         ${loss}
      S: 451 4.3.0 The mail server behind this one failed, try again later [ref]`,
    );
    dialogue(
      `${name}, after it had answered: no second try at the only backend`,
      {},
      `${FIRST}
      C: MAIL FROM:<a@client.example>
         > MAIL FROM:<a@client.example>
         < 250 2.1.0 Ok
      S: 250 2.1.0 Ok
      C: RCPT TO:<b@mx.example>
         > RCPT TO:<b@mx.example>
         ${loss}
      S: 451 4.3.0 The mail server behind this one failed, try again later [ref]`,
    );
  }
});

describe("a transaction that was given up leaves a clean connection or none:", () => {
  dialogue(
    "RSET, and only when it is answered the connection is free",
    {},
    `${ADDRESSED}
    C: RSET
    S: 250 2.0.0 Ok
       > RSET
    C: MAIL FROM:<a@client.example>
       > <connect>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  for (
    const [name, answer] of [["a refusal of RSET", "< 421 4.3.0 no"], ["a refusal", "< 502 5.5.1 no"], [
      "garbage",
      "< so?",
    ], ["two replies", "< 250 Ok\n< 250 Ok"]]
  ) {
    dialogue(
      `${name} ends it`,
      {},
      `${ADDRESSED}
      C: RSET
      S: 250 2.0.0 Ok
         > RSET
         ${answer}
         > <abort>
      (then)
      ${FRESH}`,
    );
  }
  dialogue(
    "a message not finished",
    {},
    `${ADDRESSED + OPENED}
    C: x
       > x
    C: <reset>
       > <abort>`,
  );
  dialogue(
    "a command not answered",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
    C: <reset>
       > <abort>`,
  );
  dialogue(
    "a dial not answered",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > <connect>
       < <silence>
    C: <reset>`,
  );
});

/** A session that has delivered one message over a connection that is kept. */
function delivered(options: DialogueOptions): Scene {
  const scene = new Scene(options);
  const answer = (octets: string) => {
    scene.connections.at(-1)!.send(octets);
    scene.settle();
  };
  scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n.\r\n");
  for (const reply of ["250 a\r\n", "250 b\r\n", "354 c\r\n", "250 d\r\n"]) answer(reply);
  return scene;
}

describe("the pool keeps count of its connections", () => {
  test("a kept one is one, and none is left when it took its leave", async () => {
    const scene = delivered({});
    expect(scene.counters.delivered).toBe(1);
    expect(scene.connections.map(({ wire }) => wire.ended)).toEqual([undefined]);
    await scene.pass(31_000);
    expect(scene.connections.map(({ wire }) => wire.ended)).toEqual(["close"]);
    expect(scene.connections[0]!.seen.endsWith("QUIT\r\n")).toBe(true);
  });
  test("draining, kept connections take their leave at once", () => {
    const scene = delivered({});
    scene.drain();
    scene.settle();
    expect(scene.connections[0]!.wire.ended).toBe("close");
  });
});
