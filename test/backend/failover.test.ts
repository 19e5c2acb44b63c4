/**
 * Two backends, one of which is lost: another takes over before the first octet of a message has gone, and never after
 * (rules 1, 2 and 10 of the data path).
 */
import { describe, expect } from "bun:test";
import { DEFAULTS } from "../../src/policy/settings.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { GREETED, leg } from "../support/dialogue_parts.ts";

const AB: DialogueOptions = { backends: ["a", "b"] };
const ONE_BY_ONE: DialogueOptions = { ...AB, pipelining: false };
const FAILED = "S: 451 4.3.0 The mail server behind this one failed, try again later [ref]";

/** The transaction on backend a, up to two recipients. */
const ON_A = `${GREETED}
  C: MAIL FROM:<a@client.example>
     > <connect a>
     > MAIL FROM:<a@client.example>
     < 250 2.1.0 a takes it
  S: 250 2.1.0 a takes it
  C: RCPT TO:<b@mx.example>
     > RCPT TO:<b@mx.example>
     < 250 2.1.5 a takes him
  S: 250 2.1.5 a takes him
  C: RCPT TO:<c@mx.example> NOTIFY=NEVER
     > RCPT TO:<c@mx.example> NOTIFY=NEVER
     < 251 2.1.5 a takes her
  S: 251 2.1.5 a takes her`;

/** The envelope so far, said again to b, and what else is asked. */
function againOnB(together: boolean, ...more: [command: string, reply: string][]): string {
  return "     > <connect b>\n" + leg(together, [
    ["MAIL FROM:<a@client.example>", "250 2.1.0 Ok"],
    ["RCPT TO:<b@mx.example>", "250 2.1.5 Ok"],
    ["RCPT TO:<c@mx.example> NOTIFY=NEVER", "250 2.1.5 Ok"],
    ...more,
  ]);
}

const MESSAGE = `
  C: x
  C: .
     > x
     > .
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept`;

/** How a backend is lost. */
const LOSSES = [["it closes", "< <close>"], ["it breaks off", "< <reset>"], [
  "it says 421",
  "< 421 4.3.2 down\n> <abort>",
]] as const;

for (const [name, loss] of LOSSES) {
  describe(`${name}:`, () => {
    dialogue(
      "at MAIL, the other one is asked",
      AB,
      `${GREETED}
      C: MAIL FROM:<a@client.example>
         > <connect a>
         > MAIL FROM:<a@client.example>
         ${loss}
         > <connect b>
         > MAIL FROM:<a@client.example>
         < 250 2.1.0 b takes it
      S: 250 2.1.0 b takes it`,
    );
    for (const [together, options] of [[true, AB], [false, ONE_BY_ONE]] as const) {
      const how = together ? "in one write" : "command by command";
      dialogue(
        `at RCPT, the other one gets the envelope so far, ${how}`,
        options,
        `${ON_A}
      C: RCPT TO:<d@mx.example>
         > RCPT TO:<d@mx.example>
         ${loss}
         ${againOnB(together, ["RCPT TO:<d@mx.example>", "550 5.1.1 b does not know him"])}
      S: 550 5.1.1 b does not know him
      C: DATA
         > DATA
         < 354 Go ahead
      S: 354 Go ahead
      ${MESSAGE}`,
      );
      dialogue(
        `at DATA, the same, ${how}`,
        options,
        `${ON_A}
      C: DATA
         > DATA
         ${loss}
         ${againOnB(together)}
         > DATA
         < 354 Go ahead
      S: 354 Go ahead
      ${MESSAGE}`,
      );
      dialogue(
        `between two commands, the same, ${how}`,
        options,
        `${ON_A}
      (meanwhile)
         ${loss}
      (then)
      C: DATA
         ${againOnB(together)}
         > DATA
         < 354 Go ahead
      S: 354 Go ahead
      ${MESSAGE}`,
      );
    }
    dialogue(
      "at the first chunk, command by command: it could not be told later that a reply was one too many",
      AB,
      `${ON_A}
      (meanwhile)
         ${loss}
      (then)
      C: BDAT 2 LAST
      C:
         ${againOnB(false)}
         > BDAT 1
         > ␍¬
         < 250 2.0.0 Got it
         > BDAT 1 LAST
         > ␊¬
         < 250 2.0.0 Kept
      S: 250 2.0.0 Kept`,
    );
    dialogue(
      "behind the first octet of the message: nobody else gets it, and its end is answered 451",
      AB,
      `${ON_A}
      C: DATA
         > DATA
         < 354 Go ahead
      S: 354 Go ahead
      C: x
         > x
      (meanwhile)
         ${loss}
      (then)
      C: y
      C: .
      ${FAILED}`,
    );
    dialogue(
      "behind 354, before the first octet: the same",
      AB,
      `${ON_A}
      C: DATA
         > DATA
         < 354 Go ahead
      S: 354 Go ahead
      (meanwhile)
         ${loss}
      (then)
      C: .
      ${FAILED}`,
    );
    dialogue(
      "behind a chunk: the same, and the rest of the chunks is dropped",
      AB,
      `${ON_A}
      C: BDAT 3
      C: abc¬
         > BDAT 2
         > ab¬
         < 250 2.0.0 Got it
      S: 250 2.0.0 3 octets received
      (meanwhile)
         ${loss}
      (then)
      C: BDAT 6
      C: QUIT
      ${FAILED}
      C: BDAT 6 LAST
      C: QUIT
      S: 503 5.5.1 Send MAIL first [ref]`,
    );
    dialogue(
      "at both, one after the other: 451, and the session goes on",
      ONE_BY_ONE,
      `${ON_A}
      C: RCPT TO:<d@mx.example>
         > RCPT TO:<d@mx.example>
         ${loss}
         > <connect b>
         > MAIL FROM:<a@client.example>
         ${loss}
      ${FAILED}
      (then)
      C: RSET
      S: 250 2.0.0 Ok`,
    );
  });
}

describe("the end of data is sent once only:", () => {
  for (const [name, loss] of LOSSES) {
    const ambiguous = name === "it says 421" ? 0 : 1;
    dialogue(
      `${name} behind the dot: 451, and ${ambiguous === 1 ? "counted as ambiguous" : "not kept"}`,
      {
        ...AB,
        after: (scene) =>
          expect([scene.counters.ambiguous, scene.counters.delivered]).toEqual([ambiguous, 0]),
      },
      `${ON_A}
      C: DATA
         > DATA
         < 354 Go ahead
      S: 354 Go ahead
      C: x
      C: .
         > x
         > .
         ${loss}
      ${FAILED}
      C: NOOP
      S: 250 2.0.0 Ok`,
    );
  }
});

describe("the envelope repeated is not believed blindly:", () => {
  dialogue(
    "a recipient that the other backend refuses makes the transaction fail for now",
    ONE_BY_ONE,
    `${ON_A}
    C: DATA
       > DATA
       < <close>
       > <connect b>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
       > RCPT TO:<b@mx.example>
       < 550 5.1.1 b does not know him
       > QUIT
    ${FAILED}
    (then)
    C: DATA
    ${FAILED}
    C: BDAT 6 LAST
    C: QUIT
    ${FAILED}`,
  );
  dialogue(
    "so does a sender",
    { ...ONE_BY_ONE, notPipelined: "DATA is refused" },
    `${ON_A}
    C: RCPT TO:<d@mx.example>
       > RCPT TO:<d@mx.example>
       < <close>
       > <connect b>
       > MAIL FROM:<a@client.example>
       < 550 5.7.1 not from there
       > QUIT
    ${FAILED}
    C: DATA
    ${FAILED}`,
  );
  dialogue(
    "the same where it was repeated in one write: what follows the refusal is nobody's answer",
    AB,
    `${ON_A}
    C: DATA
       > DATA
       < <close>
       > <connect b>
       ${
      leg(true, [
        ["MAIL FROM:<a@client.example>", "250 2.1.0 Ok"],
        ["RCPT TO:<b@mx.example>", "550 5.1.1 b does not know him"],
        ["RCPT TO:<c@mx.example> NOTIFY=NEVER", "250 2.1.5 Ok"],
      ])
    }
       > QUIT
    ${FAILED}
    (then)
    C: DATA
    ${FAILED}`,
  );
  dialogue(
    "a sender refused, in one write: 451 for the recipient that was asked with it",
    { ...AB, notPipelined: "DATA is refused" },
    `${ON_A}
    C: RCPT TO:<d@mx.example>
       > RCPT TO:<d@mx.example>
       < <close>
       > <connect b>
       ${
      leg(true, [
        ["MAIL FROM:<a@client.example>", "550 5.7.1 not from there"],
        ["RCPT TO:<b@mx.example>", "503 5.5.1 MAIL first"],
        ["RCPT TO:<c@mx.example> NOTIFY=NEVER", "503 5.5.1 MAIL first"],
        ["RCPT TO:<d@mx.example>", "503 5.5.1 MAIL first"],
      ])
    }
       > QUIT
    ${FAILED}
    C: DATA
    ${FAILED}`,
  );
  dialogue(
    "lost within the write at the other one too: 451, and the session goes on",
    AB,
    `${ON_A}
    C: RCPT TO:<d@mx.example>
       > RCPT TO:<d@mx.example>
       < <close>
       > <connect b>
       > MAIL FROM:<a@client.example>
       > RCPT TO:<b@mx.example>
       > RCPT TO:<c@mx.example> NOTIFY=NEVER
       > RCPT TO:<d@mx.example>
       < 250 2.1.0 Ok
       < <close>
    ${FAILED}
    (then)
    C: RSET
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "a backend that lacks what the envelope needs is passed over",
    AB,
    `${ON_A}
    C: DATA
       > DATA
       < <close>
       > <connect b>
       < 220 b.example
       > EHLO mx.example
       < 250 b.example
    ${FAILED}`,
  );
});

describe("a backend that falls silent in the envelope, and greets nobody any more,", () => {
  const SILENT: DialogueOptions = {
    ...AB,
    health: { ...DEFAULTS.health, interval: Infinity },
    events: {
      "a greets nobody from now on": (scene) => {
        const { onDial } = scene;
        scene.onDial = (dial, name) => name === "a" ? void dial.open() : onDial(dial, name);
      },
    },
  };
  dialogue(
    "loses its transaction to the other after some seconds, not minutes",
    SILENT,
    `${ON_A}
    (a greets nobody from now on)
    C: RCPT TO:<d@mx.example>
       > RCPT TO:<d@mx.example>
    (9 seconds pass)
    (3 seconds pass)
       > <abort>
       ${againOnB(true, ["RCPT TO:<d@mx.example>", "250 2.1.5 Ok"])}
    S: 250 2.1.5 Ok
    C: DATA
       > DATA
       < 354 Go ahead
    S: 354 Go ahead
    ${MESSAGE}`,
  );
  dialogue(
    "keeps its transaction where it is the only one",
    { ...SILENT, backends: ["a"] },
    `${ON_A}
    (a greets nobody from now on)
    C: RCPT TO:<d@mx.example>
       > RCPT TO:<d@mx.example>
    (200 seconds pass)
       < 250 2.1.5 at last
    S: 250 2.1.5 at last`,
  );
  dialogue(
    "keeps its message once an octet of it has gone",
    SILENT,
    `${ON_A}
    C: DATA
       > DATA
       < 354 Go ahead
    S: 354 Go ahead
    (a greets nobody from now on)
    C: x
    C: .
       > x
       > .
    (200 seconds pass)
       < 250 2.0.0 at last
    S: 250 2.0.0 at last`,
  );
});
