/** Which of several backends is dialled: in turn, the next one at once where a dial comes to nothing, the lame ones last. */
import { describe } from "bun:test";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { GREETED } from "../support/dialogue_parts.ts";

const AB: DialogueOptions = { backends: ["a", "b"] };

describe("a dial that comes to nothing:", () => {
  const failures = [
    "< <refuse>",
    "< <close>",
    "< 554 5.3.2 no\n> <abort>",
    "< 220 x\n> EHLO mx.example\n< <reset>",
  ];
  for (const failure of failures) {
    dialogue(
      `${JSON.stringify(failure)}: the other backend is dialled at once`,
      AB,
      `${GREETED}
      C: MAIL FROM:<a@client.example>
         > <connect a>
         ${failure}
         > <connect b>
         > MAIL FROM:<a@client.example>
         < 250 2.1.0 Ok
      S: 250 2.1.0 Ok`,
    );
  }
  dialogue(
    "a backend that is silent is given up after its time",
    { ...AB, times: { connect: 2000 } },
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > <connect a>
       < <silence>
    (2 seconds pass)
       > <connect b>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
});

describe("backends take turns:", () => {
  dialogue(
    "one transaction each, while all are well",
    { ...AB, reuse: { uses: 1 } },
    `${GREETED}
    ${
      ["a", "b", "a"].map((name) => `
      C: MAIL FROM:<${name}@client.example>
         > <connect ${name}>
         > MAIL FROM:<${name}@client.example>
         < 250 2.1.0 Ok
      S: 250 2.1.0 Ok
      C: RSET
      S: 250 2.0.0 Ok
         > QUIT
      (then)`).join("")
    }`,
  );
  dialogue(
    "one that could not be reached is asked last until it greets again",
    { ...AB, reuse: { uses: 1 }, health: { pause: 3000 } },
    `${GREETED}
    C: MAIL FROM:<1@client.example>
       > <connect a>
       < <refuse>
       > <connect b>
       > MAIL FROM:<1@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: RSET
    S: 250 2.0.0 Ok
       > QUIT
    (then)
    C: MAIL FROM:<2@client.example>
       > <connect b>
       > MAIL FROM:<2@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: RSET
    S: 250 2.0.0 Ok
       > QUIT
    (3 seconds pass)
       > <connect a>
       > QUIT
    (then)
    C: MAIL FROM:<3@client.example>
       > <connect b>
       > MAIL FROM:<3@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: RSET
    S: 250 2.0.0 Ok
       > QUIT
    (then)
    C: MAIL FROM:<4@client.example>
       > <connect a>
       > MAIL FROM:<4@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
});
