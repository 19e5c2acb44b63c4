/** Every bound of `src/smtp/limits.ts`: what is answered just within it and just past it (rule 8). */
import { describe, expect, test } from "bun:test";
import { DEFAULT_LIMITS } from "../../src/smtp/limits.ts";
import { dialogue } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CONNECTED,
  GREETED,
  MAILED,
  OPENED,
  RECIPIENT,
  RESET,
  WITHIN,
} from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";

const BYE = (text: string) => `S: 421 4.7.0 ${text} [ref]\nS: <close>`;

test("the defaults are no less than the RFC asks for", () => {
  expect(DEFAULT_LIMITS.commandLine).toBeGreaterThanOrEqual(512);
  expect(DEFAULT_LIMITS.recipients).toBeGreaterThanOrEqual(100);
  expect(DEFAULT_LIMITS.messageLine).toBeGreaterThanOrEqual(1000);
  expect(DEFAULT_LIMITS.commandTime).toBeGreaterThanOrEqual(300_000);
  expect(DEFAULT_LIMITS.dataTime).toBeGreaterThanOrEqual(180_000);
});

describe("commandLine:", () => {
  const limits = { commandLine: 40 };
  dialogue(
    "a line of exactly so many octets is read",
    { limits },
    `${CONNECTED}
    C: NOOP ${"x".repeat(33)}
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "one more is refused, dropped up to its end, and the session goes on",
    { limits },
    `${CONNECTED}
    C: NOOP ${"x".repeat(34)}
    S: 500 5.5.2 Line too long: at most 40 octets [ref]
    C: NOOP ${"x".repeat(3000)}
    S: 500 5.5.2 Line too long: at most 40 octets [ref]
    C: NOOP
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "what stands in the rest of such a line is no command",
    { limits },
    `${CONNECTED}
    C: ${"x".repeat(50)}␊QUIT␊␍QUIT
    S: 500 5.5.2 Line too long: at most 40 octets [ref]
    C: NOOP
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "nor is a chunk behind a BDAT that was not read",
    { limits },
    `${ADDRESSED}
    C: BDAT 6${"␠".repeat(40)}
    C: RSET
    S: 500 5.5.2 Line too long: at most 40 octets [ref]
    S: <close>
    ${RESET}`,
  );
});

describe("a line in which not only CRLF ends lines closes the session:", () => {
  for (
    const [name, line] of [["bare LF", "NOOP␊NOOP"], ["bare CR", "NOOP␍NOOP"], ["NUL", "NO␀OP"], [
      "bare LF",
      "␊",
    ], ["bare CR", "RCPT TO:<b@mx.example>␍"]]
  ) {
    dialogue(
      line!,
      {},
      `${MAILED}
      C: ${line}
      C: QUIT
      S: 500 5.5.2 Command line holds a ${name}: only CR LF ends a line [ref]
      S: <close>
      ${RESET}`,
    );
  }
  dialogue(
    "TLS where no TLS is",
    {},
    `${CONNECTED}
    C: ␖␃␁␂␀
    S: 421 4.7.0 TLS was not asked for: use STARTTLS, or a port for implicit TLS [ref]
    S: <close>`,
  );
});

describe("inputBuffer:", () => {
  dialogue(
    "while an answer is waited for, so much is read ahead and no more",
    {
      limits: { inputBuffer: 30 },
      notPipelined: "it is about what is sent ahead",
    },
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
    (the client is read)
    C: NOOP
    (the client is read)
    C: NOOP ${"x".repeat(20)}
    (the client is not read)
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    S: 250 2.0.0 Ok
    S: 250 2.0.0 Ok
    (the client is read)`,
  );
  dialogue(
    "a line longer than that is read all the same",
    { limits: { inputBuffer: 10 } },
    `${GREETED}
    C: NOOP ${"x".repeat(20)}
    S: 250 2.0.0 Ok`,
  );
});

describe("bounds of a message:", () => {
  const rows = [
    ["headerBlock", { headerBlock: 20 }, "552 5.3.4 Message header too large [ref]"],
    ["messageLine", { messageLine: 20 }, "550 5.6.0 Message holds a line that is too long [ref]"],
    ["messageSize", { messageSize: 20 }, "552 5.3.4 Message too large [ref]"],
  ] as const;
  for (const [name, limits, reply] of rows) {
    dialogue(
      `${name}: within it`,
      { limits },
      `${WITHIN}
      C: ${"x".repeat(16)}
      C:
      C: .
         > ${"x".repeat(16)}
         >
         > .
         < 250 2.0.0 Kept
      S: 250 2.0.0 Kept`,
    );
    dialogue(
      `${name}: past it, the refusal waits for the end, and nothing is delivered`,
      { limits },
      `${WITHIN}
      C: ${"x".repeat(20)}¬
         > ${"x".repeat(20)}¬
      (then)
      C: x¬
         > <abort>
      (then)
      C:
      C:
      C: QUIT
      C: .
      S: ${reply}
      C: NOOP
      S: 250 2.0.0 Ok`,
    );
    dialogue(
      `${name}: past it in a chunk`,
      { limits },
      `${ADDRESSED}
      C: BDAT 25 LAST
         > BDAT 24
      (then)
      C: ${"x".repeat(20)}¬
         > ${"x".repeat(20)}¬
      (then)
      C: xxxxx¬
         > <abort>
      S: ${reply}
      C: NOOP
      S: 250 2.0.0 Ok`,
    );
  }
  dialogue(
    "messageSize: told by SIZE before it is sent",
    { limits: { messageSize: 20 } },
    `${GREETED}
    C: MAIL FROM:<a@client.example> SIZE=21
    S: 552 5.3.4 Message too large: at most 20 octets [ref]
    C: MAIL FROM:<a@client.example> SIZE=20
       > MAIL FROM:<a@client.example> SIZE=20
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  test("messageSize: offered where it is less than the backend's", () => {
    const scene = new Scene({ limits: { messageSize: 20 } });
    scene.send("EHLO x\r\n");
    expect(scene.take()).toContain("SIZE 20\r\n");
  });
  const LATE = "S: 421 4.3.4 Too much was sent that cannot be taken [ref]\nS: <close>";
  dialogue(
    "messageSize: of a message that is bad, twice as much is read and no more",
    { limits: { messageSize: 20 } },
    `${WITHIN}
    C: ␊¬
       > <abort>
    (then)
    C: ${"x".repeat(39)}¬
    (then)
    C: xx
    ${LATE}`,
  );
  dialogue(
    "messageSize: of a refused chunk too",
    { limits: { messageSize: 20 } },
    `${GREETED}
    C: BDAT 1000 LAST
    C: ${"x".repeat(40)}¬
    (then)
    C: xx
    ${LATE}`,
  );
});

describe("counts:", () => {
  dialogue(
    "recipients: one too many is put off, the others stay",
    { limits: { recipients: 2 } },
    `${MAILED}
    ${RECIPIENT + RECIPIENT}
    C: RCPT TO:<c@mx.example>
    S: 452 4.5.3 Too many recipients [ref]
    ${OPENED}
    C: .
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
    ${ANOTHER}`,
  );
  dialogue(
    "messages: one too many ends the session",
    { limits: { messages: 2 } },
    `${GREETED}
    ${ANOTHER + ANOTHER}
    C: MAIL FROM:<a@client.example>
    C: QUIT
    ${BYE("Too many messages in one session")}`,
  );
  dialogue(
    "errors: the last one is answered, then the session ends",
    { limits: { errors: 3 } },
    `${CONNECTED}
    C: WIBBLE
    S: 500 5.5.1 …
    C: MAIL FROM:<>
    S: 503 5.5.1 …
    C: DATA now
    S: 503 5.5.1 …
    ${BYE("Too many errors")}`,
  );
  dialogue(
    "errors: the backend's refusals of MAIL and DATA are counted too",
    {
      limits: { errors: 2 },
      notPipelined: "DATA is refused",
    },
    `${GREETED}
    C: MAIL FROM:<bad@client.example>
       > MAIL FROM:<bad@client.example>
       < 550 5.7.1 no
    S: 550 5.7.1 no
       > QUIT
    (then)
    ${MAILED.slice(MAILED.indexOf("C: MAIL")) + RECIPIENT}
    C: DATA
       > DATA
       < 554 5.7.1 no
    S: 554 5.7.1 no
    ${BYE("Too many errors")}
    ${RESET}`,
  );
  dialogue(
    "refusedRecipients: whoever guesses addresses is sent away",
    { limits: { refusedRecipients: 2 } },
    `${MAILED}
    C: RCPT TO:<a@mx.example>
       > RCPT TO:<a@mx.example>
       < 550 5.1.1 who?
    S: 550 5.1.1 who?
    C: RCPT TO:<b@mx.example>
       > RCPT TO:<b@mx.example>
       < 550 5.1.1 who?
    S: 550 5.1.1 who?
    ${BYE("Too many unknown recipients")}
    ${RESET}`,
  );
  dialogue(
    "refusedRecipients: those that are put off count too",
    { limits: { refusedRecipients: 2 } },
    `${MAILED}
    C: RCPT TO:<a@mx.example>
       > RCPT TO:<a@mx.example>
       < 450 4.2.0 later
    S: 450 4.2.0 later
    C: RCPT TO:<b@mx.example>
       > RCPT TO:<b@mx.example>
       < 550 5.1.1 who?
    S: 550 5.1.1 who?
    ${BYE("Too many unknown recipients")}
    ${RESET}`,
  );
  const idle = ["NOOP", "HELP", "RSET", "VRFY x", "EHLO client.example", "HELO client.example"];
  for (const command of idle) {
    const answer = command === "HELP"
      ? "214 2.0.0 …"
      : command.startsWith("VRFY")
      ? "252 2.0.0 …"
      : command.startsWith("EHLO")
      ? "250-mx.example …"
      : command.startsWith("HELO")
      ? "250 mx.example"
      : "250 2.0.0 Ok";
    dialogue(
      `idleCommands: ${command} over and over`,
      { limits: { idleCommands: 3 } },
      `${CONNECTED}
      ${`C: ${command}\nS: ${answer}\n`.repeat(4)}
      ${BYE("Too many commands and no mail")}`,
    );
  }
  dialogue(
    "idleCommands: empty chunks over and over",
    { limits: { idleCommands: 3 } },
    `${ADDRESSED}
    ${"C: BDAT 0\nS: 250 2.0.0 0 octets received\n".repeat(2)}
    C: BDAT 0
    S: 250 2.0.0 0 octets received
    ${BYE("Too many commands and no mail")}
    > <abort>`,
  );
  dialogue(
    "idleCommands: chunks that bring something do not count",
    { limits: { idleCommands: 1 }, extensions: [] },
    `${ADDRESSED}
    C: BDAT 2
    C: aa¬
       > DATA
       < 354 Go ahead
       > aa¬
    S: 250 2.0.0 2 octets received
    ${"C: BDAT 2\nC: bb¬\n> bb¬\nS: 250 2.0.0 2 octets received\n".repeat(5)}`,
  );
  dialogue(
    "idleCommands: a message makes them count anew",
    { limits: { idleCommands: 3 } },
    `${GREETED}
    C: NOOP
    S: 250 2.0.0 Ok
    ${ANOTHER}
    ${"C: NOOP\nS: 250 2.0.0 Ok\n".repeat(3)}
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: NOOP
    S: 250 2.0.0 Ok
    ${BYE("Too many commands and no mail")}
    ${RESET}`,
  );
});
