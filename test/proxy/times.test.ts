/** Every time-out of the client (RFC 5321 §4.5.3.2.7): just before it, and at it. */
import { describe } from "bun:test";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CONNECTED,
  DELIVERED,
  GREETED,
  MAILED,
  RESET,
  WITHIN,
} from "../support/dialogue_parts.ts";

/** Connections live for ever. */
const KEPT = { age: Infinity, idle: Infinity, check: Infinity };
const GONE = "S: 421 4.4.2 That took too long [ref]\nS: <close>";

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
