/** VRFY, EXPN and ETRN put to the backend where the policy says so (RFC 5321 §3.5, RFC 1985). */
import { describe, expect, test } from "bun:test";
import { Scene } from "../../src/testing/scene.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { ADDRESSED, CONNECTED, DELIVERED, GREETED, OPENED } from "../support/dialogue_parts.ts";

const RELAY: DialogueOptions = { relay: ["VRFY", "EXPN", "ETRN"] };
const NOBODY = "S: 451 4.3.0 No mail server can be reached now, try again later [ref]";

describe("the question goes as it is, and the backend's own answer comes back:", () => {
  for (
    const [question, ...answer] of [
      ["VRFY <b@mx.example>", "250 2.1.5 Bee <b@mx.example>"],
      ["vrfy b@mx.example␠", "550 5.1.1 who?"],
      ["VRFY ß@bücher.example SMTPUTF8", "252 2.1.5 perhaps"],
      ["EXPN Gärtner smtputf8␠", "250 2.1.5 Gärtner"],
      ["VRFY !~ SMTPUTF8", "550 5.1.1 who?"],
      ["EXPN staff", "250-a@mx.example", "250 b@mx.example"],
      ["ETRN mx.example", "253 2.0.0 3 messages waiting"],
      ["ETRN #queue", "458 4.4.0 not now"],
    ]
  ) {
    dialogue(
      question!,
      RELAY,
      `${GREETED}
      C: ${question}
         > ${question}
      ${answer.map((line) => `   < ${line}`).join("\n")}
      ${answer.map((line) => `S: ${line}`).join("\n")}`,
    );
  }
  dialogue(
    "before EHLO too",
    RELAY,
    `${CONNECTED}
    C: VRFY b
       > VRFY b
       < 252 2.1.5 perhaps
    S: 252 2.1.5 perhaps`,
  );
});

describe("only what is printable, and UTF-8 where it is announced, reaches the backend:", () => {
  const rows: readonly (readonly [question: string, answer: string])[] = [
    ["VRFY a␋b", "501 5.5.4 VRFY takes printable characters only [ref]"],
    ["VRFY a␛[2J", "501 5.5.4 …"],
    ["VRFY b␉", "501 5.5.4 …"],
    ["VRFY b⟨7f⟩", "501 5.5.4 …"],
    ["VRFY ⟨ff⟩", "501 5.5.4 …"],
    ["VRFY ⟨85⟩ SMTPUTF8", "501 5.5.4 …"],
    ["VRFY ⟨c0⟩⟨8a⟩ SMTPUTF8", "501 5.5.4 …"],
    ["VRFY ß␋ SMTPUTF8", "501 5.5.4 …"],
    ["EXPN a␋b", "501 5.5.4 EXPN takes printable characters only [ref]"],
    ["ETRN a␋b", "501 5.5.4 ETRN takes printable characters only [ref]"],
    ["VRFY ß", "553 5.6.7 This argument needs SMTPUTF8 [ref]"],
    ["EXPN ßSMTPUTF8", "553 5.6.7 …"],
    ["ETRN bücher.example SMTPUTF8", "553 5.6.7 …"],
  ];
  for (const [question, answer] of rows) {
    dialogue(
      question,
      RELAY,
      `${GREETED}
      C: ${question}
      S: ${answer}
      C: NOOP
      S: 250 2.0.0 Ok`,
    );
  }
  dialogue(
    "not where the backends do not offer SMTPUTF8",
    { ...RELAY, extensions: ["PIPELINING"] },
    `${GREETED}
    C: VRFY ß SMTPUTF8
    S: 553 5.6.7 This argument needs SMTPUTF8 [ref]
    C: VRFY b SMTPUTF8
       > VRFY b SMTPUTF8
       < 252 2.1.5 perhaps
    S: 252 2.1.5 perhaps`,
  );
  test("nor to a backend that offers it no more", () => {
    const scene = new Scene(RELAY);
    scene.onDial = (dial, name) => scene.accept(dial, name).greet(["PIPELINING"]);
    scene.send("EHLO client.example\r\nVRFY \xc3\x9f SMTPUTF8\r\n");
    expect(scene.take()).toMatch(/\r\n451 4\.3\.0 No mail server can be reached now/);
    expect(scene.connections.map(({ seen }) => seen)).toEqual([""]);
  });
});

dialogue(
  "within a transaction it takes a connection of its own",
  RELAY,
  `${ADDRESSED}
  C: VRFY b
     > <connect>
     > VRFY b
     < 252 2.1.5 perhaps
  S: 252 2.1.5 perhaps
  C: VRFY c
     > VRFY c
     < 252 2.1.5 perhaps
  S: 252 2.1.5 perhaps`,
);

describe("what cannot be asked is put off, and the session goes on:", () => {
  for (
    const end of [
      "< <close>",
      "< <reset>",
      "< 421 4.3.2 down\n> <abort>",
      "< 354 Go ahead\n> <abort>",
      "< so?\n> <abort>",
    ]
  ) {
    dialogue(
      JSON.stringify(end),
      RELAY,
      `${GREETED}
      C: VRFY b
         > VRFY b
         ${end}
      ${NOBODY}
      C: NOOP
      S: 250 2.0.0 Ok`,
    );
  }
  dialogue(
    "no backend",
    RELAY,
    `${GREETED}
    C: VRFY b
       > <connect>
       < <refuse>
    ${NOBODY}`,
  );
  dialogue(
    "no answer",
    RELAY,
    `${GREETED}
    C: VRFY b
       > VRFY b
    (5 minutes pass)
       > <abort>
    ${NOBODY}`,
  );
});

dialogue(
  "a client that goes meanwhile is not answered",
  { ...RELAY, after: ({ over }) => expect(over).toBe(true) },
  `${GREETED}
  C: VRFY b
     > VRFY b
  C: <reset>
     > <abort>`,
);

dialogue(
  "questions are counted as commands that move no mail",
  { ...RELAY, limits: { idleCommands: 2 } },
  `${GREETED}
  C: VRFY b
     > VRFY b
     < 252 2.1.5 perhaps
  S: 252 2.1.5 perhaps
  C: VRFY b
     > VRFY b
     < 252 2.1.5 perhaps
  S: 252 2.1.5 perhaps
  S: 421 4.7.0 Too many commands and no mail [ref]
  S: <close>`,
);

dialogue(
  "only what the policy names is relayed",
  { relay: ["ETRN"] },
  `${GREETED}
  C: VRFY b
  S: 252 2.0.0 …
  C: EXPN b
  S: 502 5.5.1 …
  C: ETRN b
     > ETRN b
     < 250 2.0.0 Ok
  S: 250 2.0.0 Ok`,
);

dialogue(
  "a question does not disturb the message that follows",
  RELAY,
  `${ADDRESSED}
  C: EXPN staff
     > <connect>
     > EXPN staff
     < 502 5.5.1 no
  S: 502 5.5.1 no
  (on the first connection)
  ${OPENED + DELIVERED}`,
);
