/**
 * Every step of the conversation with a backend, and every way it can go wrong: rule 10 of the data path. The client
 * hears the backend's own refusal or 451, its session goes on, and nothing is delivered unless the backend said so.
 */
import { describe, expect } from "bun:test";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { ADDRESSED, ANOTHER, GREETED, MAILED, WITHIN } from "../support/dialogue_parts.ts";

/** A step: how to get there, what the client says, and what the backend hears. */
interface Step {
  readonly name: string;
  readonly before: string;
  readonly said: string;
  readonly told: string;
  /** A code that answers the step, and the codes that cannot. */
  readonly good: number;
  readonly impossible: readonly number[];
  /** What is left to give back after a fair refusal. */
  readonly after: string;
}

const STEPS: readonly Step[] = [
  {
    name: "MAIL",
    before: GREETED,
    said: "C: MAIL FROM:<a@client.example>",
    told: "> MAIL FROM:<a@client.example>",
    good: 250,
    impossible: [334, 354, 399],
    after: "",
  },
  {
    name: "RCPT",
    before: MAILED,
    said: "C: RCPT TO:<b@mx.example>",
    told: "> RCPT TO:<b@mx.example>",
    good: 250,
    impossible: [334, 354, 300],
    after: "C: RSET\nS: 250 2.0.0 Ok\n> RSET\n< 250 2.0.0 Reset\n(then)",
  },
  {
    name: "DATA",
    before: ADDRESSED,
    said: "C: DATA",
    told: "> DATA",
    good: 354,
    impossible: [200, 220, 250, 334, 355],
    after: "C: RSET\nS: 250 2.0.0 Ok\n> RSET\n< 250 2.0.0 Reset\n(then)",
  },
  {
    name: "the end of data",
    before: WITHIN,
    said: "C: x\nC: .",
    told: "> x\n> .",
    good: 250,
    impossible: [334, 354, 300],
    after: "",
  },
  {
    name: "a chunk",
    before: ADDRESSED,
    said: "C: BDAT 2\nC: ",
    told: "> BDAT 1\n> ␍¬",
    good: 250,
    impossible: [334, 354, 300],
    after: "",
  },
  {
    name: "the last chunk",
    before: ADDRESSED,
    said: "C: BDAT 0 LAST",
    told: "> BDAT 0 LAST",
    good: 250,
    impossible: [334, 354, 300],
    after: "",
  },
];

const FAILED = "S: 451 4.3.0 The mail server behind this one failed, try again later [ref]";
const NOTHING: DialogueOptions["after"] = (scene) => expect(scene.counters.delivered).toBe(1);
/** Goes on with a fresh start, which shows that the session is as it should be. */
const GOES_ON = `
  C: RSET
  S: 250 2.0.0 Ok
  (then)
  ${ANOTHER}`;
/** A refused MAIL may leave something behind at the backend (in Postfix its SIZE): nobody else gets that connection. */
const FORGOTTEN = "   > QUIT\n(then)";
const options = (more: DialogueOptions = {}): DialogueOptions => ({
  after: NOTHING,
  notPipelined: "what was refused is not sent",
  ...more,
});

for (const { name, before, said, told, good, impossible, after } of STEPS) {
  describe(`${name}:`, () => {
    if (name !== "a chunk") {
      for (
        const reply of [
          "450 4.2.0 later",
          "452 4.3.1 no space",
          "550 5.1.1 who?",
          "554",
          "599 5.5.5 odd ⟨ff⟩",
        ]
      ) {
        dialogue(
          `the refusal ${reply} is the backend's own`,
          options(),
          `${before}
          ${said}
             ${told}
             < ${reply}
          S: ${reply}
          ${name === "MAIL" ? FORGOTTEN : after}
          ${ANOTHER}`,
        );
      }
    }
    for (const code of impossible) {
      dialogue(
        `${code} cannot answer it`,
        options(),
        `${before}
        ${said}
           ${told}
           < ${code} 2.0.0 surprise
           > <abort>
        ${FAILED}
        ${GOES_ON}`,
      );
    }
    const garbage = ["what is this?", "2500 x", "25 x", "650 x", "150 wait", "␀␁⟨ff⟩", "", "250_x"];
    for (
      const line of [
        ...garbage,
        `${good}-a\n< 451 b`,
        `${good}-a\n< x`,
        `${good} a␍b`,
        `${good} a␀b`,
        `${good} a␊¬`,
      ]
    ) {
      dialogue(
        `${JSON.stringify(line)} is no reply`,
        options(),
        `${before}
        ${said}
           ${told}
           < ${line}
           > <abort>
        ${FAILED}
        ${GOES_ON}`,
      );
    }
    for (const line of ["421 4.3.2 shutting down", "421-4.3.2 shutting\n< 421 4.3.2 down", "421"]) {
      dialogue(
        `${JSON.stringify(line)} ends the backend's connection, not the client's`,
        options(),
        `${before}
        ${said}
           ${told}
           < ${line}
           > <abort>
        ${FAILED}
        ${GOES_ON}`,
      );
    }
    for (
      const [torn, sent] of [["nothing", ""], ["half a code", "25¬"], ["half a line", `${good} 2.0.0 o¬`], [
        "no LF",
        `${good} ok␍¬`,
      ], ["half a reply", `${good}-first`]]
    ) {
      for (const end of ["close", "reset"]) {
        dialogue(
          `${torn}, then ${end}`,
          options(),
          `${before}
          ${said}
             ${told}
             ${sent === "" ? "" : `< ${sent}`}
             < <${end}>
          ${FAILED}
          ${GOES_ON}`,
        );
      }
    }
    const [answer, heard] = good === 354
      ? ["354 Go ahead", `S: 354 Go ahead\nC: x\nC: .\n${FAILED}`]
      : name === "a chunk"
      ? ["250 2.0.0 Got it", `S: 250 2.0.0 2 octets received\nC: BDAT 0 LAST\n${FAILED}`]
      : ["550 5.0.0 no", "S: 550 5.0.0 no"];
    // After a refused MAIL the connection is left anyway, by QUIT or at once, as the second reply comes late or early.
    if (name === "MAIL") return;
    dialogue(
      "a reply too many ends the backend's connection",
      options(),
      `${before}
      ${said}
         ${told}
         < ${answer}
         < 250 2.0.0 and more
         > <abort>
      ${heard}
      ${GOES_ON}`,
    );
  });
}
