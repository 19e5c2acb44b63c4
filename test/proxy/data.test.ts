/** A message sent with DATA: rules 1, 2, 3, 6 and 7 of the data path, RFC 5321 §4.1.1.4 and §4.5.2. */
import { describe, expect } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import { ADDRESSED, ANOTHER, OPENED, QUIT, RECIPIENT, WITHIN } from "../support/dialogue_parts.ts";

describe("the message reaches the backend octet for octet:", () => {
  const rows: readonly (readonly [name: string, lines: string])[] = [
    ["nothing at all", ""],
    ["one empty line", "\n"],
    ["a header and no body", "Subject: x\n"],
    ["no header", "\nbody\n"],
    ["lines that begin with dots, stuffed", "s: x\n\n..\n...\n..a\n..␠\n"],
    ["dots elsewhere", "s: x\n\na.\na..b\n␠.\n"],
    ["octets above 127, and controls", "s: ⟨e4⟩\n\n⟨ff⟩⟨fe⟩␁␛␇\n"],
    ["NULs in the body", "s: x\n\na␀b\n␀\n␀.\n␀␀.x\n"],
    ["folded fields, tabs and spaces at the end", "s: x␠\n␉y␉\n␠z\n\n␠␠\n␉\n"],
    ["fields that are none", "From someone\n:\ns\n\nx\n"],
    ["a long line", `s: x\n\n${"x".repeat(5000)}\n`],
    ["a first line that begins with a space", "␠Received: by nobody\n\nx\n"],
    ["commands", "s: x\n\nQUIT\nDATA\nRSET\nMAIL FROM:<>\n"],
  ];
  for (const [name, lines] of rows) {
    const all = (leg: string) => lines.split("\n").slice(0, -1).map((line) => `${leg} ${line}\n`).join("");
    dialogue(
      name,
      {},
      `${WITHIN}
      ${all("C:")}
      C: .
      ${all(">")}
         > .
         < 250 2.0.0 Kept
      S: 250 2.0.0 Kept`,
    );
  }
});

dialogue(
  "the message goes on as it comes, not when it is complete",
  {},
  `${WITHIN}
  C: Subject: x
     > Subject: x
  C:
     >
  C: half a line¬
     > half a line¬
  C: ␠and the rest
     > ␠and the rest
  C: .
     > .
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept`,
);

describe("what a dot at a line's start is waits for what follows:", () => {
  dialogue(
    "an end",
    {},
    `${WITHIN}
    C: a
       > a
    C: .¬
    C: ␍¬
    C: ␊¬
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "a stuffed dot",
    {},
    `${WITHIN}
    C: a
       > a
    C: .¬
    C: .¬
    C: x
    C: .
       > ..x
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
});

describe("the client hears the backend's own reply to the end of data:", () => {
  for (
    const reply of [
      "250 2.6.0 queued as 4711",
      "250",
      "452 4.3.1 disk full",
      "554 5.6.0 virus ⟨e4⟩",
      "552 no code",
    ]
  ) {
    dialogue(
      reply,
      {},
      `${WITHIN}
      C: x
      C: .
         > x
         > .
         < ${reply}
      S: ${reply}
      ${ANOTHER}`,
    );
  }
  dialogue(
    "of several lines",
    {},
    `${WITHIN}
    C: x
    C: .
       > x
       > .
       < 550-5.7.1 first
       < 550 5.7.1 last
    S: 550-5.7.1 first
    S: 550 5.7.1 last
    ${ANOTHER}`,
  );
});

dialogue(
  "two messages go over one backend connection",
  {},
  `${WITHIN}
  C: x
  C: .
     > x
     > .
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept
  ${ANOTHER + ANOTHER + QUIT}`,
);

dialogue(
  "commands sent after the dot are kept and answered",
  {},
  `${WITHIN}
  C: x
  C: .
  C: NOOP
  C: MAIL FROM:<c@client.example>
  C: RCPT TO:<d@mx.example>
  C: QUIT
     > x
     > .
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept
  S: 250 2.0.0 Ok
     > MAIL FROM:<c@client.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
     > RCPT TO:<d@mx.example>
     < 250 2.1.5 Ok
     > RSET
  S: 250 2.1.5 Ok
  S: 221 2.0.0 Bye
  S: <close>`,
);

const FAULTS: readonly (readonly [name: string, line: string, reply: string])[] = [
  ["a bare LF", "a␊b", "550 5.6.0 Message holds a bare LF: only CR LF ends a line [ref]"],
  ["a bare CR", "a␍b", "550 5.6.0 Message holds a bare CR: only CR LF ends a line [ref]"],
  ["CR CR LF", "a␍", "550 5.6.0 Message holds a bare CR: only CR LF ends a line [ref]"],
  ["LF CR", "a␊␍b", "550 5.6.0 Message holds a bare LF: only CR LF ends a line [ref]"],
  ["a dot between bare LFs", "␊.␊", "550 5.6.0 Message holds a bare LF: only CR LF ends a line [ref]"],
  ["a dot between bare CRs", "␍.␍", "550 5.6.0 Message holds a bare CR: only CR LF ends a line [ref]"],
];

describe("after a bad octet nothing more goes on, not even to a connection that ends; the refusal waits for the true end:", () => {
  for (const [name, line, reply] of FAULTS) {
    dialogue(
      `${name} in the body`,
      { after: (scene) => expect(scene.counters.delivered).toBe(1) },
      `${WITHIN}
      C: s: x
      C:
         > s: x
         >
      (then)
      C: ␊¬
         > <abort>
      (then)
      C: ${line}
      C: MAIL FROM:<x@smuggled.example>
      C: .
      S: ${reply.replace(/bare CR/, "bare LF")}
      (then)
      ${ANOTHER}`,
    );
    dialogue(
      `${name} in the header`,
      {},
      `${WITHIN}
      C: ${[...line].at(0) === "a" ? line.slice(1) : line}
      C: MAIL FROM:<x@smuggled.example>
      C:
      C: .
         > <abort>
      S: ${reply}
      (then)
      ${ANOTHER}`,
    );
  }
  dialogue(
    "a NUL in the header",
    {},
    `${WITHIN}
    C: ␀s: x
    C:
    C: x
    C: .
       > <abort>
    S: 550 5.6.0 Message holds a NUL in its header [ref]
    (then)
    ${ANOTHER}`,
  );
});

describe("normalized, every bare CR and LF becomes CRLF, and dots are stuffed anew:", () => {
  const rows: readonly (readonly [name: string, said: string, told: string])[] = [
    ["a bare LF", "a␊b", "a\nb"],
    ["a bare CR", "a␍b", "a\nb"],
    ["LF CR", "a␊␍b", "a\n\nb"],
    ["CR CR LF", "a␍", "a\n"],
    ["a smuggled end by LF", "a␊.␊MAIL FROM:<x@y.example>", "a\n..\nMAIL FROM:<x@y.example>"],
    ["a smuggled end by LF and CRLF", "a␊.", "a\n.."],
    ["a smuggled end by CR", "a␍.␍b", "a\n..\nb"],
  ];
  for (const [name, said, told] of rows) {
    dialogue(
      name,
      { bareLineFeeds: "normalize" },
      `${WITHIN}
      C: s: x
      C:
      C: ${said}
      C: .
         > s: x
         >
      ${told.split("\n").map((line) => `> ${line}`).join("\n")}
         > .
         < 250 2.0.0 Kept
      S: 250 2.0.0 Kept`,
    );
  }
});

describe("a refused DATA leaves the envelope as it is:", () => {
  for (const reply of ["451 4.3.0 not now", "554 5.5.1 no valid recipients"]) {
    dialogue(
      reply,
      { notPipelined: "only a client that waits knows that DATA was refused" },
      `${ADDRESSED}
      C: DATA
         > DATA
         < ${reply}
      S: ${reply}
      ${RECIPIENT + OPENED}
      C: .
         > .
         < 250 2.0.0 Kept
      S: 250 2.0.0 Kept`,
    );
  }
});

dialogue(
  "a message of octets above 127 without BODY=8BITMIME passes all the same",
  { extensions: ["PIPELINING"] },
  `${WITHIN}
  C: s: ⟨e4⟩
  C: .
     > s: ⟨e4⟩
     > .
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept`,
);
