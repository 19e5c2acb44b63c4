/** Every time-out, of the client (RFC 5321 §4.5.3.2.7 and below) and of the backend (§4.5.3.2): just before, and at it. */
import { describe, expect } from "bun:test";
import { DEFAULTS } from "../../src/policy/settings.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CONNECTED,
  DELIVERED,
  GREETED,
  MAILED,
  OPENED,
  RECIPIENT,
  RESET,
  WITHIN,
} from "../support/dialogue_parts.ts";

/** Connections live for ever. */
const KEPT = { age: Infinity, idle: Infinity, check: Infinity };
const GONE = "S: 421 4.4.2 That took too long [ref]\nS: <close>";
const FAILED = "S: 451 4.3.0 The mail server behind this one failed, try again later [ref]";

describe("commandTime: five minutes for the next command:", () => {
  const phases: readonly (readonly [string, string, string])[] = [
    ["behind the greeting", CONNECTED, ""],
    ["behind EHLO", GREETED, ""],
    ["behind MAIL", MAILED, RESET],
    ["behind RCPT", ADDRESSED, RESET],
  ];
  for (const [name, before, after] of phases) {
    dialogue(
      name,
      {},
      `${before}
      (299 seconds pass)
      C: NOOP
      S: 250 2.0.0 Ok
      (299 seconds pass)
      (1 second passes)
      ${GONE}
      ${after}`,
    );
  }
  dialogue(
    "octets that are no whole command do not count",
    {},
    `${GREETED}
    ${"(50 seconds pass)\nC: x¬\n".repeat(5)}
    (50 seconds pass)
    ${GONE}`,
  );
  dialogue(
    "nor do those of a line that is too long",
    { limits: { commandLine: 30 } },
    `${GREETED}
    C: ${"x".repeat(40)}¬
    S: 500 5.5.2 …
    ${"(50 seconds pass)\nC: x¬\n".repeat(5)}
    (50 seconds pass)
    ${GONE}`,
  );
  dialogue(
    "the time the backend takes is not the client's",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
    (299 seconds pass)
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    (299 seconds pass)
    C: NOOP
    S: 250 2.0.0 Ok`,
  );
});

describe("dataTime: three minutes between two reads of a message:", () => {
  const fast: DialogueOptions = { limits: { dataRateGrace: Infinity } };
  dialogue(
    "in DATA",
    fast,
    `${WITHIN}
    (179 seconds pass)
    C: x¬
       > x¬
    (179 seconds pass)
    C: y¬
       > y¬
    (180 seconds pass)
       > <abort>
    ${GONE}`,
  );
  dialogue(
    "in a chunk",
    fast,
    `${ADDRESSED}
    C: BDAT 9
       > BDAT 8
    (179 seconds pass)
    C: x¬
       > x¬
    (180 seconds pass)
       > <abort>
    ${GONE}`,
  );
  dialogue(
    "in a chunk that was refused",
    fast,
    `${GREETED}
    C: BDAT 9
    (179 seconds pass)
    C: x¬
    (180 seconds pass)
    ${GONE}`,
  );
});

describe("dataRate: whoever sends a message octet by octet is not waited for:", () => {
  const limits = { dataRate: 10, dataRateGrace: 60_000 };
  dialogue(
    "sixty seconds are given",
    { limits },
    `${WITHIN}
    (59 seconds pass)
    C: ${"x".repeat(100)}
       > ${"x".repeat(100)}
    (1 second passes)
       > <abort>
    ${GONE}`,
  );
  dialogue(
    "from then on the average counts",
    { limits },
    `${WITHIN}
    (59 seconds pass)
    C: ${"x".repeat(998)}
       > ${"x".repeat(998)}
    (40 seconds pass)
    C: ${"x".repeat(198)}
       > ${"x".repeat(198)}
    (20 seconds pass)
    C: x¬
       > x¬
    (2 seconds pass)
       > <abort>
    ${GONE}`,
  );
  dialogue(
    "octets count that are read, not those that are taken: a bad message is refused for good",
    { limits },
    `${WITHIN}
    C: ␊¬
       > <abort>
    (50 seconds pass)
    C: ${"x".repeat(2000)}
    (50 seconds pass)
    C: .
    S: 550 5.6.0 Message holds a bare LF: only CR LF ends a line [ref]`,
  );
  dialogue(
    "so do those of a refused chunk",
    { limits },
    `${GREETED}
    C: BDAT 2001
    (50 seconds pass)
    C: ${"x".repeat(2000)}¬
    (50 seconds pass)
    C: x¬
    S: 503 5.5.1 Send MAIL first [ref]`,
  );
  dialogue(
    "each message has its own time",
    { limits, reuse: KEPT },
    `${WITHIN}
    (50 seconds pass)
    ${DELIVERED + ANOTHER.replace(DELIVERED, "")}
    (50 seconds pass)
    ${DELIVERED}
    C: BDAT 1
    (50 seconds pass)
    C: x¬
    S: 503 5.5.1 Send MAIL first [ref]`,
  );
  dialogue(
    "the time between chunks is counted with it",
    { limits },
    `${ADDRESSED}
    C: BDAT 4
       > BDAT 3
    (50 seconds pass)
    C: ab
       > ab␍¬
       < 250 2.0.0 Got it
    S: 250 2.0.0 4 octets received
    (9 seconds pass)
    (1 second passes)
    S: 421 4.4.2 That took too long [ref]
    S: <close>
       > <abort>`,
  );
});

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

describe("a client that does not hear:", () => {
  dialogue(
    "its replies wait, nothing more is read from it, and after three minutes it is given up",
    {},
    `${GREETED}
    (the client stops reading)
    C: NOOP
    (the client is not read)
    (179 seconds pass)
    (the client is not read)
    (1 second passes)
    S: <abort>`,
  );
  dialogue(
    "one that hears again gets them",
    {},
    `${GREETED}
    (the client stops reading)
    C: NOOP
    (the client is not read)
    C: NOOP
    (100 seconds pass)
    (the client reads again)
    S: 250 2.0.0 Ok
    S: 250 2.0.0 Ok
    (the client is read)`,
  );
  dialogue(
    "its last reply is waited for a few seconds",
    {},
    `${GREETED}
    (the client stops reading)
    C: QUIT
    S: <close>
    (5 seconds pass)
    S: <abort>`,
  );
});
