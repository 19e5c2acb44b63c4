/**
 * A client that goes, at every step: before the end of data nothing is delivered, after it the backend's answer is
 * still waited for (rule 2). And one that only stops speaking: it hears all it is owed.
 */
import { describe, expect } from "bun:test";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { ADDRESSED, CHUNKED, CONNECTED, GREETED, MAILED, RESET, WITHIN } from "../support/dialogue_parts.ts";

const outcome = (delivered: number, ambiguous = 0, unacknowledged = 0): DialogueOptions => ({
  after: ({ counters, over }) => {
    expect([counters.delivered, counters.ambiguous, counters.unacknowledged]).toEqual([
      delivered,
      ambiguous,
      unacknowledged,
    ]);
    expect(over).toBe(true);
  },
});

const LOSSES = ["close", "reset"] as const;
/** What the proxy does about a peer's FIN when it has nothing more to say; a reset leaves nothing to do. */
const ends = (loss: string) => (loss === "close" ? "S: <close>" : "");

describe("a client that goes before the end of data takes its message with it:", () => {
  for (const loss of LOSSES) {
    const steps: readonly (readonly [name: string, before: string, after: string])[] = [
      ["behind the greeting", CONNECTED, ""],
      ["behind EHLO", GREETED, ""],
      ["behind half a command", `${GREETED}C: MAIL FR¬\n`, ""],
      ["behind MAIL", MAILED, RESET],
      ["behind RCPT", ADDRESSED, RESET],
      ["behind 354", WITHIN, "> <abort>"],
      ["within the message", `${WITHIN}C: x\n> x\n`, "> <abort>"],
      [
        "behind a dot that is not an end yet",
        `${WITHIN}C: x\n> x\n(then)\nC: .¬\n(then)\nC: ␍¬\n`,
        "> <abort>",
      ],
      ["behind a bad octet", `${WITHIN}C: ␊¬\n> <abort>\n`, ""],
      ["within a chunk", `${ADDRESSED}C: BDAT 9\nC: x\n> BDAT 8\n> x\n`, "> <abort>"],
      ["within the last chunk", `${ADDRESSED}C: BDAT 9 LAST\nC: x\n> BDAT 8\n> x\n`, "> <abort>"],
      ["between chunks", CHUNKED, "> <abort>"],
      ["within a chunk that was refused", `${GREETED}C: BDAT 9 LAST\nC: x\n`, ""],
    ];
    for (const [name, before, after] of steps) {
      dialogue(
        `${name} (${loss})`,
        outcome(0),
        `${before}
        C: <${loss}>
        ${ends(loss)}
        ${after}`,
      );
    }
  }
});

describe("a client that breaks off while the backend is asked:", () => {
  const asked: readonly (readonly [name: string, before: string, after: string])[] = [
    ["MAIL", `${GREETED}C: MAIL FROM:<a@client.example>\n> MAIL FROM:<a@client.example>\n`, "> <abort>"],
    ["RCPT", `${MAILED}C: RCPT TO:<b@mx.example>\n> RCPT TO:<b@mx.example>\n`, "> <abort>"],
    ["DATA", `${ADDRESSED}C: DATA\n> DATA\n`, "> <abort>"],
    ["a chunk", `${ADDRESSED}C: BDAT 2\nC:\n> BDAT 1\n> ␍¬\n`, "> <abort>"],
    ["the last chunk but its end", `${ADDRESSED}C: BDAT 2 LAST\nC:\n> BDAT 1\n> ␍¬\n`, "> <abort>"],
  ];
  for (const [name, before, after] of asked) {
    dialogue(
      `${name}: the connection is broken off`,
      outcome(0),
      `${before}
      C: <reset>
      ${after}`,
    );
  }
});

/** Sent to its end, and not answered. */
const ENDS: readonly (readonly [name: string, script: string])[] = [
  ["the dot", `${WITHIN}C: x\nC: .\n> x\n> .\n`],
  ["the last chunk", `${ADDRESSED}C: BDAT 0 LAST\n> BDAT 0 LAST\n`],
];

for (const [name, script] of ENDS) {
  describe(`a client that breaks off behind ${name}:`, () => {
    dialogue(
      "its message is committed and not acknowledged",
      outcome(1, 0, 1),
      `${script}
      C: <reset>
         < 250 2.0.0 Kept`,
    );
    dialogue(
      "a refusal is a refusal",
      outcome(0),
      `${script}
      C: <reset>
         < 554 5.6.0 no`,
    );
    for (const loss of ["< <close>", "< <reset>", "< so?\n> <abort>"]) {
      dialogue(
        `${JSON.stringify(loss)}: nobody knows`,
        outcome(0, 1),
        `${script}
        C: <reset>
        (then)
        ${loss}`,
      );
    }
    dialogue(
      "the answer is waited for, ten minutes",
      outcome(1, 0, 1),
      `${script}
      C: <reset>
      (9 minutes pass)
         < 250 2.0.0 Kept`,
    );
    dialogue(
      "and no longer",
      outcome(0, 1),
      `${script}
      C: <reset>
      (10 minutes pass)
         > <abort>`,
    );
  });
}

describe("whether a client heard that its message was taken:", () => {
  dialogue(
    "one that is lost later heard it",
    outcome(1),
    `${WITHIN}
    C: .
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
    C: <reset>`,
  );
  dialogue(
    "one that had closed did not",
    outcome(1, 0, 1),
    `${WITHIN}
    C: .
       > .
    C: <close>
       < 250 2.0.0 Kept
    S: <close>`,
  );
});

describe("a client that says no more hears all it is owed:", () => {
  dialogue(
    "at once",
    { after: ({ over }) => expect(over).toBe(true) },
    `${CONNECTED}
    C: NOOP
    S: 250 2.0.0 Ok
    C: <half-close>
    S: <close>`,
  );
  dialogue(
    "with all it had said before",
    {},
    `${GREETED}
    C: NOOP
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
    S: 250 2.0.0 Ok
    C: <half-close>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    S: <close>
    ${RESET}`,
  );
  dialogue(
    "its message that was complete is delivered and acknowledged",
    outcome(1),
    `${WITHIN}
    C: x
    C: .
       > x
       > .
    C: <half-close>
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
    S: <close>`,
  );
  dialogue(
    "its message that was not complete is not delivered",
    outcome(0),
    `${WITHIN}
    C: x
       > x
    C: <half-close>
       > <abort>
    S: <close>`,
  );
  dialogue(
    "commands behind the dot too",
    outcome(1),
    `${WITHIN}
    C: x
    C: .
    C: MAIL FROM:<c@client.example>
    C: NOOP
       > x
       > .
    C: <half-close>
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
       > MAIL FROM:<c@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    S: 250 2.0.0 Ok
    S: <close>
    ${RESET}`,
  );
});
