/** Every time-out of a backend (RFC 5321 §4.5.3.2): just before it, and at it. */
import { describe, expect } from "bun:test";
import { DEFAULTS } from "../../src/policy/settings.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import {
  ADDRESSED,
  CHUNKED,
  DELIVERED,
  GREETED,
  MAILED,
  OPENED,
  RECIPIENT,
  WITHIN,
} from "../support/dialogue_parts.ts";

/** Connections live for ever. */
const KEPT = { age: Infinity, idle: Infinity, check: Infinity };
const FAILED = "S: 451 4.3.0 The mail server behind this one failed, try again later [ref]";

describe("a backend is waited for as long as the step allows, and its time-out is a 451:", () => {
  const after: DialogueOptions["after"] = ({ counters }) => expect(counters.delivered).toBe(0);
  const steps: readonly (readonly [name: keyof typeof DEFAULTS.times, before: string])[] = [
    ["mail", `${GREETED}C: MAIL FROM:<a@client.example>\n> MAIL FROM:<a@client.example>\n`],
    ["rcpt", `${MAILED}C: RCPT TO:<b@mx.example>\n> RCPT TO:<b@mx.example>\n`],
    ["data", `${ADDRESSED}C: DATA\n> DATA\n`],
    ["end", `${WITHIN}C: x\nC: .\n> x\n> .\n`],
    ["end", `${ADDRESSED}C: BDAT 2\nC:\n> BDAT 1\n> ␍¬\n`],
    ["end", `${ADDRESSED}C: BDAT 0 LAST\n> BDAT 0 LAST\n`],
  ];
  for (const [name, before] of steps) {
    const seconds = DEFAULTS.times[name] / 1000;
    dialogue(
      `${name}: ${seconds} s behind ${before.split("\n").findLast((line) => line.startsWith(">"))}`,
      { after },
      `${before}
      (${seconds - 1} seconds pass)
      (1 second passes)
         > <abort>
      ${FAILED}`,
    );
  }
  dialogue(
    "rset",
    {},
    `${ADDRESSED}
    C: RSET
    S: 250 2.0.0 Ok
       > RSET
    (19 seconds pass)
    (1 second passes)
       > <abort>`,
  );
  const opening: readonly (readonly [name: keyof typeof DEFAULTS.times, script: string, end: string])[] = [
    ["connect", "> <connect>\n< <silence>", ""],
    ["greeting", "> <connect>\n< 220-not¬\n", "> <abort>"],
    ["hello", "> <connect>\n< 220 x\n> EHLO mx.example\n", "> <abort>"],
    ["hello", "> <connect>\n< 220 x\n> EHLO mx.example\n< 500 no\n> HELO mx.example\n", "> <abort>"],
  ];
  for (const [name, script, end] of opening) {
    const seconds = DEFAULTS.times[name] / 1000;
    dialogue(
      `${name}: ${seconds} s behind ${script.trim().split("\n").at(-1)}`,
      { dial: "rcpt" },
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 2.1.0 Ok
      C: RCPT TO:<b@mx.example>
      ${script}
      (${seconds - 1} seconds pass)
      (1 second passes)
      ${end}
      S: 451 4.3.0 No mail server can be reached now, try again later [ref]`,
    );
  }
  dialogue(
    "the time starts anew with each reply",
    { reuse: KEPT },
    `${MAILED}
    ${`(250 seconds pass)${RECIPIENT}`.repeat(3)}
    (250 seconds pass)
    ${OPENED + DELIVERED}`,
  );
});

describe("block: a backend that reads no more:", () => {
  dialogue(
    "in DATA is given up after three minutes, and meanwhile nothing is read from the client",
    {},
    `${WITHIN}
    (the backend stops reading)
    C: x
    (the client is not read)
    (179 seconds pass)
    (1 second passes)
       > <abort>
    (the client is read)
    C: .
    ${FAILED}`,
  );
  dialogue(
    "in a chunk too",
    {},
    `${ADDRESSED}
    C: BDAT 9
       > BDAT 8
    (the backend stops reading)
    C: x
    (the client is not read)
    (179 seconds pass)
    (1 second passes)
       > <abort>
    (the client is read)
    C: ab¬
    C: cd¬
    C: ef¬
    ${FAILED}`,
  );
  dialogue(
    "one that reads again in time loses nothing",
    {},
    `${WITHIN}
    (the backend stops reading)
    C: x
    (the client is not read)
    (179 seconds pass)
    (the backend reads again)
       > x
    (the client is read)
    C: .
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
});

describe("a chunk's reply is due from its last octet, however long the client takes to send it:", () => {
  dialogue(
    "the client takes its time",
    { times: { end: 60_000 }, limits: { dataRateGrace: Infinity } },
    `${ADDRESSED}
    C: BDAT 6 LAST
       > BDAT 5
    (50 seconds pass)
    C: ab¬
       > ab¬
    (50 seconds pass)
    C: cdef¬
       > cde¬
    (50 seconds pass)
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > f¬
    (50 seconds pass)
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "with the second chunk too",
    { times: { end: 60_000 }, limits: { dataRateGrace: Infinity } },
    `${CHUNKED}
    C: BDAT 3 LAST
       > BDAT 3
       > ␊¬
    (50 seconds pass)
    C: a¬
       > a¬
    (50 seconds pass)
    C: bc¬
       > b¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > c¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "the backend does not",
    { times: { end: 60_000 }, limits: { dataRateGrace: Infinity } },
    `${ADDRESSED}
    C: BDAT 6
       > BDAT 5
    (50 seconds pass)
    C: abcdef¬
       > abcde¬
    (60 seconds pass)
       > <abort>
    ${FAILED}`,
  );
});
