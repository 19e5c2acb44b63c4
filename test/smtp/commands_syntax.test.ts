/**
 * What a command may look like (RFC 5321 §2.4, §4.1.1, §4.1.2, §4.5.3.1) and what a malformed one is answered, as a
 * client hears it. The finer points of paths and parameters have their own files.
 */
import { describe } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CONNECTED,
  DELIVERED,
  GREETED,
  MAILED,
  OPENED,
  RECIPIENT,
} from "../support/dialogue_parts.ts";

/** Everything that a backend can offer and a proxy carry. */
const ALL = [
  "PIPELINING",
  "SIZE 1000",
  "8BITMIME",
  "SMTPUTF8",
  "ENHANCEDSTATUSCODES",
  "DSN",
  "DELIVERBY 60",
  "FUTURERELEASE 604800 2030-01-31T12:00:00Z",
  "MT-PRIORITY MIXER",
  "RRVS",
];

describe("commands are read in any case, with spaces where they do no harm:", () => {
  dialogue(
    "small letters",
    {},
    `${CONNECTED}
    C: ehlo Client.Example
    S: 250-mx.example …
    C: mail from:<A@client.example> body=8bitmime
       > MAIL FROM:<A@client.example> body=8bitmime
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: rcpt to:<B@mx.example>
       > RCPT TO:<B@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok
    C: dAtA
       > DATA
       < 354 Go ahead
    S: 354 Go ahead
    ${DELIVERED}
    C: quit
    S: 221 2.0.0 Bye
    S: <close>`,
  );
  dialogue(
    "spaces around the path and at the end",
    {},
    `${GREETED}
    C: MAIL FROM: <a@client.example>  SIZE=3  BODY=7BIT␠␠
       > MAIL FROM:<a@client.example>  SIZE=3  BODY=7BIT
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: RCPT   TO:   <b@mx.example>␠␠␠
       > RCPT TO:<b@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok
    C: DATA␠␠
       > DATA
       < 354 Go ahead
    S: 354 Go ahead
    ${DELIVERED}`,
  );
  dialogue(
    "RSET and QUIT with spaces at the end",
    {},
    `${CONNECTED}
    C: RSET␠␠
    S: 250 2.0.0 Ok
    C: QUIT␠␠
    S: 221 2.0.0 Bye
    S: <close>`,
  );
});

describe("a source route is read and not passed on", () => {
  dialogue(
    "in MAIL and in RCPT",
    {},
    `${GREETED}
    C: MAIL FROM:<@one.example,@two.example:a@client.example>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: RCPT TO:<@one.example:b@mx.example>
       > RCPT TO:<b@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok`,
  );
});

describe("every parameter of an offered extension passes as written:", () => {
  const written = [
    "SIZE=00000000000000000999",
    "BODY=8BitMime SMTPUTF8",
    "RET=hdrs ENVID=QQ+2B314159",
    "BY=120;RT",
    "HOLDFOR=600",
    "HOLDUNTIL=2030-01-31T12:00:00Z",
    "MT-PRIORITY=-3",
  ];
  for (const parameters of written) {
    dialogue(
      `MAIL with ${parameters}`,
      { extensions: ALL },
      `${GREETED}
      C: MAIL FROM:<a@client.example> ${parameters}
         > MAIL FROM:<a@client.example> ${parameters}
         < 250 2.1.0 Ok
      S: 250 2.1.0 Ok
      ${RECIPIENT + OPENED + DELIVERED}`,
    );
  }
  for (
    const parameters of ["NOTIFY=Success,delay ORCPT=rfc822;b+2Bc@mx.example", "RRVS=2030-01-31T12:00:00Z;C"]
  ) {
    dialogue(
      `RCPT with ${parameters}`,
      { extensions: ALL },
      `${MAILED}
      C: RCPT TO:<b@mx.example> ${parameters}
         > RCPT TO:<b@mx.example> ${parameters}
         < 250 2.1.5 Ok
      S: 250 2.1.5 Ok
      ${OPENED + DELIVERED}`,
    );
  }
  dialogue(
    "a parameter that ends in the octet A0 keeps it",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example> SMTPUTF8
       > MAIL FROM:<a@client.example> SMTPUTF8
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@mx.example> ORCPT=utf-8;b@mx.exampleà
       > RCPT TO:<b@mx.example> ORCPT=utf-8;b@mx.exampleà
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok`,
  );
});

/** A line and the reply to it; the session goes on as if it had not been said. */
type Row = readonly [line: string, answer: string];

const BAD_MAIL: readonly Row[] = [
  ["MAIL", "501 5.5.4 Syntax: MAIL FROM:<address> and parameters [ref]"],
  ["MAIL FROM", "501 5.5.4 …"],
  ["MAIL TO:<a@client.example>", "501 5.5.4 …"],
  ["MAIL FROM:", "501 5.1.7 …"],
  ["MAIL FROM:a@client.example", "501 5.1.7 …"],
  ["MAIL FROM:<a@client.example", "501 5.1.7 …"],
  ["MAIL FROM:<a@client.example>SIZE=3", "501 5.5.4 …"],
  ["MAIL FROM:<a@client.example> =3", "501 5.5.4 …"],
  ["MAIL FROM:<a@client.example> SIZE=", "501 5.5.4 …"],
  ["MAIL FROM:<a@client.example> SIZE=x", "501 5.5.4 …"],
  ["MAIL FROM:<a@client.example> SIZE=3 SIZE=3", "501 5.5.4 …"],
  ["MAIL FROM:<a@client.example> BODY=9BIT", "501 5.5.4 …"],
  ["MAIL FROM:<a@client.example> BODY=BINARYMIME", "555 5.5.4 …"],
  ["MAIL FROM:<a@client.example> FUTURE=1", "555 5.5.4 …"],
  ["MAIL FROM:<a@client.example> REQUIRETLS", "555 5.5.4 …"],
  ["MAIL FROM:<a@client.example> AUTH=<>", "555 5.5.4 …"],
  ["MAIL FROM:<a@client.example> NOTIFY=NEVER", "555 5.5.4 …"],
  ["MAIL FROM:<a@client.example> HOLDFOR=1 HOLDUNTIL=2030-01-31T12:00:00Z", "501 5.5.4 …"],
  ["MAIL FROM:<a@client.example> SIZE=1001", "552 5.3.4 …"],
  ["MAIL FROM:<a@client.example> SIZE=99999999999999999999", "552 5.3.4 …"],
  ["MAIL FROM:<ä@client.example>", "550 5.6.7 This address needs SMTPUTF8 [ref]"],
  ["MAIL FROM:<⟨e4⟩@client.example> SMTPUTF8", "501 5.1.7 …"],
  ["MAIL FROM:<a␉b@client.example>", "501 5.1.7 …"],
];

describe("MAIL that cannot be read is refused and changes nothing:", () => {
  for (const [line, answer] of BAD_MAIL) {
    dialogue(
      line,
      { extensions: ALL, limits: { messageSize: 1000 } },
      `${GREETED}
      C: ${line}
      S: ${answer}
      ${ANOTHER}`,
    );
  }
});

const BAD_RCPT: readonly Row[] = [
  ["RCPT", "501 5.5.4 Syntax: RCPT TO:<address> and parameters [ref]"],
  ["RCPT FROM:<b@mx.example>", "501 5.5.4 …"],
  ["RCPT TO:", "501 5.1.3 …"],
  ["RCPT TO:<>", "501 5.1.3 …"],
  ["RCPT TO:b@mx.example", "501 5.1.3 …"],
  ["RCPT TO:<b>", "501 5.1.3 …"],
  ["RCPT TO:<b@mx.example> SIZE=3", "555 5.5.4 …"],
  ["RCPT TO:<b@mx.example> NOTIFY=NEVER,DELAY", "501 5.5.4 …"],
  ["RCPT TO:<b@mx.example> ORCPT=b@mx.example", "501 5.5.4 …"],
  ["RCPT TO:<ß@mx.example>", "553 5.6.7 This address needs SMTPUTF8 [ref]"],
];

describe("RCPT that cannot be read is refused and changes nothing:", () => {
  for (const [line, answer] of BAD_RCPT) {
    dialogue(
      line,
      { extensions: ALL },
      `${MAILED}
      C: ${line}
      S: ${answer}
      ${RECIPIENT + OPENED + DELIVERED}`,
    );
  }
});

describe("other arguments that cannot be read are refused and change nothing:", () => {
  const rows: readonly Row[] = [
    ["DATA now", "501 5.5.4 DATA takes no argument [ref]"],
    ["VRFY", "501 5.5.4 VRFY needs an argument [ref]"],
    ["EXPN ␠", "501 5.5.4 EXPN needs an argument [ref]"],
    ["VRFY a␋b", "501 5.5.4 VRFY takes printable characters only [ref]"],
    ["EXPN ␉staff", "501 5.5.4 EXPN takes printable characters only [ref]"],
    ["EHLO two words", "501 5.5.4 …"],
    ["HELO a␉b", "501 5.5.4 …"],
    [`EHLO ${"x".repeat(256)}`, "501 5.5.4 …"],
  ];
  for (const [line, answer] of rows) {
    dialogue(
      line.slice(0, 40),
      {},
      `${ADDRESSED}
      C: ${line}
      S: ${answer}
      ${OPENED + DELIVERED}`,
    );
  }
  dialogue(
    "ETRN",
    {},
    `${GREETED}
    C: ETRN
    S: 501 5.5.4 ETRN needs an argument [ref]
    ${ANOTHER}`,
  );
  dialogue(
    "STARTTLS",
    { tls: true },
    `${GREETED}
    C: STARTTLS please
    S: 501 5.5.4 STARTTLS takes no argument [ref]
    ${ANOTHER}`,
  );
});

describe("a BDAT whose size cannot be read ends the session, for nobody knows where the next command is:", () => {
  const lines = [
    "BDAT",
    "BDAT LAST",
    "BDAT x",
    "BDAT -1",
    "BDAT +1",
    "BDAT 1.0",
    "BDAT 0x10",
    "BDAT 1e3",
    "BDAT 5 FIRST",
    "BDAT 5 LAST LAST",
    "BDAT 5,LAST",
    "BDAT 5␉LAST",
    "BDAT 5⟨a0⟩",
    "BDAT 1234567890123456",
    "BDAT ٣",
  ];
  for (const line of lines) {
    dialogue(
      line,
      {},
      `${ADDRESSED}
      C: ${line}
      C: RSET
      S: 501 5.5.4 Syntax: BDAT and a size of at most 15 digits, then LAST or nothing [ref]
      S: <close>
      ${"> RSET\n< 250 2.0.0 Reset"}`,
    );
  }
});
