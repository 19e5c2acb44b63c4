/**
 * Every command in every phase of a session (RFC 5321 §4.1.4, RFC 3030 §2, RFC 3207 §4): what is answered, that
 * nothing reaches the backend, and that a command out of place changes nothing.
 */
import { describe } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CHUNKED,
  CONNECTED,
  DELIVERED,
  GREETED,
  LAST_CHUNK,
  MAILED,
  OPENED,
  RECIPIENT,
  RESET,
} from "../support/dialogue_parts.ts";

const PHASES = ["start", "ready", "mail", "rcpt", "bdat"] as const;
type Phase = typeof PHASES[number];

/** How a session gets there. */
const BEFORE: Readonly<Record<Phase, string>> = {
  start: CONNECTED,
  ready: GREETED,
  mail: MAILED,
  rcpt: ADDRESSED,
  bdat: CHUNKED,
};

/** How it goes on from there: only a session that is still in the phase can say this. */
const AFTER: Readonly<Record<Phase, string>> = {
  start: "C: EHLO client.example\nS: 250-mx.example …\n" + ANOTHER,
  ready: ANOTHER,
  mail: RECIPIENT + OPENED + DELIVERED,
  rcpt: OPENED + DELIVERED,
  bdat: LAST_CHUNK,
};

/** What a command hears in each phase, in the order of PHASES; "" where it is in its place. */
type Row = readonly [command: string, ...replies: [string, string, string, string, string]];

const HELLO_FIRST = "503 5.5.1 Send EHLO or HELO first [ref]";
const MAIL_FIRST = "503 5.5.1 Send MAIL first [ref]";
const NO_RECIPIENTS = "554 5.5.1 No valid recipients [ref]";
const NESTED = "503 5.5.1 Sender already given [ref]";
const IN_CHUNKS = "503 5.5.1 Not between BDAT chunks [ref]";
const IN_MAIL = "503 5.5.1 Not within a transaction [ref]";

const REFUSED: readonly Row[] = [
  ["MAIL FROM:<x@y.example>", HELLO_FIRST, "", NESTED, NESTED, NESTED],
  ["RCPT TO:<x@y.example>", HELLO_FIRST, MAIL_FIRST, "", "", IN_CHUNKS],
  ["DATA", HELLO_FIRST, MAIL_FIRST, NO_RECIPIENTS, "", IN_CHUNKS],
  ["VRFY x", "", "", "", "", IN_CHUNKS],
  ["EXPN x", "", "", "", "", IN_CHUNKS],
  ["ETRN x", HELLO_FIRST, "", IN_MAIL, IN_MAIL, IN_MAIL],
  ["STARTTLS", HELLO_FIRST, "", IN_MAIL, IN_MAIL, IN_MAIL],
];

describe("a command out of place is refused and changes nothing:", () => {
  for (const [command, ...replies] of REFUSED) {
    for (const [i, phase] of PHASES.entries()) {
      if (replies[i] === "") continue;
      dialogue(
        `${command} in phase ${phase}`,
        { tls: true },
        `${BEFORE[phase]}
        C: ${command}
        S: ${replies[i]}
        ${AFTER[phase]}`,
      );
    }
  }
});

/** The same in every phase. */
const ANYWHERE: readonly (readonly [string, string])[] = [
  ["NOOP", "250 2.0.0 Ok"],
  ["noop and something", "250 2.0.0 Ok"],
  ["HELP", "214 2.0.0 …"],
  ["HELP MAIL", "214 2.0.0 …"],
  ["SEND FROM:<x@y.example>", "502 5.5.1 Command SEND not implemented [ref]"],
  ["SOML FROM:<x@y.example>", "502 5.5.1 Command SOML not implemented [ref]"],
  ["SAML FROM:<x@y.example>", "502 5.5.1 Command SAML not implemented [ref]"],
  ["TURN", "502 5.5.1 Command TURN not implemented [ref]"],
  ["ATRN y.example", "502 5.5.1 Command ATRN not implemented [ref]"],
  ["WIBBLE", "500 5.5.1 Command not recognized [ref]"],
  ["", "500 5.5.1 Command not recognized [ref]"],
  [" NOOP", "500 5.5.1 Command not recognized [ref]"],
  ["NOOPE", "500 5.5.1 Command not recognized [ref]"],
  ["RSETQUIT", "500 5.5.1 Command not recognized [ref]"],
  ["MAILFROM:<x@y.example>", "500 5.5.1 Command not recognized [ref]"],
  ["__proto__", "500 5.5.1 Command not recognized [ref]"],
  ["⟨ff⟩⟨fe⟩", "500 5.5.1 Command not recognized [ref]"],
  ["RSET now", "501 5.5.4 RSET takes no argument [ref]"],
  ["QUIT now", "501 5.5.4 QUIT takes no argument [ref]"],
  ["EHLO", "501 5.5.4 …"],
  ["HELO ", "501 5.5.4 …"],
];

describe("in every phase alike, changing nothing:", () => {
  for (const phase of PHASES) {
    for (const [command, answer] of ANYWHERE) {
      dialogue(
        `${JSON.stringify(command)} in phase ${phase}`,
        {},
        `${BEFORE[phase]}
        C: ${command}
        S: ${answer}
        ${AFTER[phase]}`,
      );
    }
  }
});

/** What becomes of the backend's connection when a transaction is given up in each phase. */
const GIVEN_UP: Readonly<Record<Phase, string>> = {
  start: "",
  ready: "",
  mail: RESET,
  rcpt: RESET,
  bdat: "> <abort>\n(then)\n",
};

describe("a command that starts anew forgets the transaction:", () => {
  for (const phase of PHASES) {
    dialogue(
      `RSET in phase ${phase}`,
      {},
      `${BEFORE[phase]}
      C: RSET
      S: 250 2.0.0 Ok
      ${GIVEN_UP[phase]}
      C: DATA
      S: ${phase === "start" ? HELLO_FIRST : MAIL_FIRST}
      ${AFTER[phase === "start" ? "start" : "ready"]}`,
    );
    for (const verb of ["EHLO", "HELO"]) {
      dialogue(
        `${verb} in phase ${phase}`,
        {},
        `${BEFORE[phase]}
        C: ${verb} other.example
        S: ${verb === "EHLO" ? "250-mx.example …" : "250 mx.example"}
        ${GIVEN_UP[phase]}
        C: RCPT TO:<x@y.example>
        S: ${MAIL_FIRST}
        ${AFTER.ready}`,
      );
    }
    dialogue(
      `QUIT in phase ${phase}`,
      {},
      `${BEFORE[phase]}
      C: QUIT
      S: 221 2.0.0 Bye
      S: <close>
      ${GIVEN_UP[phase]}`,
    );
  }
});

describe("HTTP ends the session in every phase:", () => {
  for (const phase of PHASES) {
    for (const command of ["GET / HTTP/1.1", "POST / HTTP/1.0", "CONNECT mx.example:25", "PRI * HTTP/2.0"]) {
      dialogue(
        `${command} in phase ${phase}`,
        {},
        `${BEFORE[phase]}
        C: ${command}
        C: Host: mx.example
        C:
        C: MAIL FROM:<x@y.example>
        S: 421 4.7.0 This is a mail server, it does not speak HTTP [ref]
        S: <close>
        ${GIVEN_UP[phase]}`,
      );
    }
  }
});

describe("verbs that have their place:", () => {
  for (const phase of ["start", "ready", "mail", "rcpt"] as const) {
    dialogue(
      `VRFY is answered without asking in phase ${phase}`,
      {},
      `${BEFORE[phase]}
      C: VRFY <b@mx.example>
      S: 252 2.0.0 …
      ${AFTER[phase]}`,
    );
    dialogue(
      `EXPN is not there in phase ${phase}`,
      {},
      `${BEFORE[phase]}
      C: EXPN list
      S: 502 5.5.1 Command EXPN not implemented [ref]
      ${AFTER[phase]}`,
    );
  }
  dialogue(
    "ETRN is not there",
    {},
    `${GREETED}
    C: ETRN mx.example
    S: 502 5.5.1 Command ETRN not implemented [ref]
    ${ANOTHER}`,
  );
  dialogue(
    "STARTTLS without a certificate is not there",
    {},
    `${GREETED}
    C: STARTTLS
    S: 502 5.5.1 STARTTLS is not offered here [ref]
    ${ANOTHER}`,
  );
});

describe("a chunk out of place is read and dropped, so none of it is taken for a command:", () => {
  for (const last of ["", " LAST"]) {
    dialogue(
      `BDAT${last} in phase start`,
      {},
      `${CONNECTED}
      C: BDAT 6${last}
      C: QUIT
      S: ${HELLO_FIRST}
      ${AFTER.start}`,
    );
    dialogue(
      `BDAT${last} in phase ready`,
      {},
      `${GREETED}
      C: BDAT 6${last}
      C: QUIT
      S: ${MAIL_FIRST}
      ${AFTER.ready}`,
    );
    dialogue(
      `BDAT${last} in phase mail`,
      {},
      `${MAILED}
      C: BDAT 6${last}
      C: QUIT
      S: ${NO_RECIPIENTS}
      ${AFTER.mail}`,
    );
  }
});
