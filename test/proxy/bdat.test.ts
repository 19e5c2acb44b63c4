/**
 * A message sent with BDAT (RFC 3030): carried by count where the backend takes chunks, as DATA where it does not. The
 * last octet always waits, so that the end is a thing of its own (rule 2).
 */
import { describe, expect, test } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CHUNKED,
  DELIVERED,
  GREETED,
  LAST_CHUNK,
  OPENED,
  RECIPIENT,
} from "../support/dialogue_parts.ts";
import { Scene } from "../support/dialogue_scene.ts";

/** A backend that takes DATA only. */
const PLAIN = { extensions: ["PIPELINING", "SIZE 1000000", "8BITMIME"] };
const BINARY = { extensions: ["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"] };

describe("to a backend that takes chunks:", () => {
  dialogue(
    "one chunk becomes two, for its end is held back",
    {},
    `${ADDRESSED}
    C: BDAT 9 LAST
    C: s: x
    C:
    C: y¬
       > BDAT 8
       > s: x
       >
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > y¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
    ${ANOTHER}`,
  );
  dialogue("chunks in between, and an end", {}, CHUNKED + LAST_CHUNK + ANOTHER);
  dialogue(
    "an empty last chunk",
    {},
    `${CHUNKED}
    C: BDAT 0 LAST
       > BDAT 1 LAST
       > ␊¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "an empty chunk at the start asks nothing of the backend",
    {},
    `${ADDRESSED}
    C: BDAT 0
    S: 250 2.0.0 0 octets received
    C: BDAT 2 LAST
    C:
       > BDAT 1
       > ␍¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > ␊¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "an empty message",
    {},
    `${ADDRESSED}
    C: BDAT 0 LAST
       > BDAT 0 LAST
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "CR and LF in chunks of their own",
    {},
    `${ADDRESSED}
    C: BDAT 5
    C: s: x␍¬
       > BDAT 4
       > s: x¬
       < 250 2.0.0 Got it
    S: 250 2.0.0 5 octets received
    C: BDAT 1
    C: ␊¬
       > BDAT 1
       > ␍¬
       < 250 2.0.0 Got it
    S: 250 2.0.0 1 octets received
    C: BDAT 2 LAST
    C:
       > BDAT 2
       > ␊␍¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > ␊¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "no line end at the very end, and none is added",
    {},
    `${ADDRESSED}
    C: BDAT 3 LAST
    C: abc¬
       > BDAT 2
       > ab¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > c¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "dots are octets",
    {},
    `${ADDRESSED}
    C: BDAT 12 LAST
    C: .
    C: ..
    C:
    C: .
       > BDAT 11
       > .
       > ..
       >
       > .␍¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > ␊¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "the octets go on as they come",
    {},
    `${ADDRESSED}
    C: BDAT 6 LAST
       > BDAT 5
    C: ab¬
       > ab¬
    C: cde¬
       > cde¬
    C: f¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > f¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
});

describe("to a backend that does not:", () => {
  dialogue(
    "a chunk becomes DATA",
    PLAIN,
    `${ADDRESSED}
    C: BDAT 9
    C: s: x
    C: .y␍¬
       > DATA
       < 354 Go ahead
       > s: x
       > ..y¬
    S: 250 2.0.0 9 octets received
    C: BDAT 5 LAST
    C: ␊.z
       > ␍␊¬
       > ..z
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
    ${ANOTHER}`,
  );
  dialogue(
    "a message without a line end gets the one that its end needs",
    PLAIN,
    `${ADDRESSED}
    C: BDAT 3 LAST
    C: abc¬
       > DATA
       < 354 Go ahead
       > abc
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "an empty message",
    PLAIN,
    `${ADDRESSED}
    C: BDAT 0 LAST
       > DATA
       < 354 Go ahead
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "its refusal of DATA is that of the chunk, whose octets are dropped",
    PLAIN,
    `${ADDRESSED}
    C: BDAT 6
    C: QUIT
       > DATA
       < 452 4.3.1 no space
    S: 452 4.3.1 no space
       > RSET
       < 250 2.0.0 Reset
    (then)
    C: BDAT 6 LAST
    C: QUIT
    S: 503 5.5.1 Send MAIL first [ref]
    ${ANOTHER}`,
  );
});

describe("a message that is bad:", () => {
  const rows: readonly (readonly [name: string, said: string, reply: string])[] = [
    ["a bare LF", "␊ab", "550 5.6.0 Message holds a bare LF: only CR LF ends a line [ref]"],
    ["a bare CR", "␍ab", "550 5.6.0 Message holds a bare CR: only CR LF ends a line [ref]"],
    ["a NUL in the header", "␀ab", "550 5.6.0 Message holds a NUL in its header [ref]"],
  ];
  for (const [name, said, reply] of rows) {
    for (const [kind, options] of [["as chunks", {}], ["as DATA", PLAIN]] as const) {
      dialogue(
        `${name} in the last chunk, ${kind}`,
        options,
        `${ADDRESSED}
        C: BDAT 3 LAST
        ${kind === "as chunks" ? "   > BDAT 2" : "   > DATA\n < 354 Go ahead"}
        C: ${said}¬
           > <abort>
        S: ${reply}
        (then)
        ${ANOTHER}`,
      );
    }
    dialogue(
      `${name} in a chunk, which ends the transaction; the next one is dropped`,
      {},
      `${ADDRESSED}
      C: BDAT 3
         > BDAT 2
      C: ${said}¬
         > <abort>
      S: ${reply}
      (then)
      C: BDAT 6 LAST
      C: QUIT
      S: 503 5.5.1 Send MAIL first [ref]
      ${ANOTHER}`,
    );
  }
  dialogue(
    "a CR at the very end",
    {},
    `${ADDRESSED}
    C: BDAT 3 LAST
    C: ab¬
       > BDAT 2
       > ab¬
    (then)
    C: ␍¬
       > <abort>
    S: 550 5.6.0 Message holds a bare CR: only CR LF ends a line [ref]
    (then)
    ${ANOTHER}`,
  );
  dialogue(
    "a CR at a chunk's end whose LF does not come",
    {},
    `${ADDRESSED}
    C: BDAT 3
    C: ab␍¬
       > BDAT 2
       > ab¬
       < 250 2.0.0 Got it
    S: 250 2.0.0 3 octets received
    C: BDAT 1 LAST
       > BDAT 1
    (then)
    C: c¬
       > <abort>
    S: 550 5.6.0 Message holds a bare CR: only CR LF ends a line [ref]
    (then)
    ${ANOTHER}`,
  );
  dialogue(
    "normalized, chunks go on as DATA",
    { bareLineFeeds: "normalize" },
    `${ADDRESSED}
    C: BDAT 5
    C: a␊.␊b¬
       > DATA
       < 354 Go ahead
       > a
       > ..
       > b¬
    S: 250 2.0.0 5 octets received
    C: BDAT 1 LAST
    C: ␍¬
       > ␍␊¬
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
});

/** MAIL with BODY=BINARYMIME, and a recipient. */
const BINARY_MAIL = `${GREETED}
  C: MAIL FROM:<a@client.example> BODY=BINARYMIME
     > MAIL FROM:<a@client.example> BODY=BINARYMIME
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  ${RECIPIENT}`;

describe("BINARYMIME:", () => {
  dialogue(
    "past the header every octet passes",
    BINARY,
    `${BINARY_MAIL}
    C: BDAT 19 LAST
    C: s: x
    C:
    C: ␀␊.␊␍.␍⟨ff⟩.
       > BDAT 18
       > s: x
       >
       > ␀␊.␊␍.␍⟨ff⟩.␍¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > ␊¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "in the header lines are lines",
    BINARY,
    `${BINARY_MAIL}
    C: BDAT 4 LAST
       > BDAT 3
    (then)
    C: ␊s:x¬
       > <abort>
    S: 550 5.6.0 Message holds a bare LF: only CR LF ends a line [ref]
    (then)
    ${ANOTHER}`,
  );
  dialogue(
    "it cannot be sent with DATA",
    { ...BINARY, notPipelined: "DATA is refused" },
    `${BINARY_MAIL}
    C: DATA
    S: 503 5.5.1 A BINARYMIME message must be sent with BDAT [ref]
    C: BDAT 0 LAST
       > BDAT 0 LAST
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "the next transaction is text again",
    BINARY,
    `${BINARY_MAIL}
    C: RSET
    S: 250 2.0.0 Ok
       > RSET
       < 250 2.0.0 Reset
    (then)
    ${ANOTHER}`,
  );
  for (const extensions of [["BINARYMIME"], ["CHUNKING"]]) {
    test(`it is not offered where the backend has ${extensions} alone`, () => {
      const scene = new Scene({ extensions });
      scene.send("EHLO x\r\n");
      expect(scene.take()).not.toContain("BINARYMIME");
    });
  }
  dialogue(
    "what bareLineFeeds does to text it does not do to octets",
    { ...BINARY, bareLineFeeds: "normalize" },
    `${BINARY_MAIL}
    C: BDAT 4 LAST
    C: ␍␊␊x¬
       > BDAT 3
       >
       > ␊¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > x¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "a parameter's value that is spelt so is no BODY",
    { extensions: ["DSN"] },
    `${GREETED}
    C: MAIL FROM:<a@client.example> ENVID=BINARYMIME
       > MAIL FROM:<a@client.example> ENVID=BINARYMIME
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    ${RECIPIENT}
    C: BDAT 9 LAST
       > DATA
       < 354 Go ahead
    C: ␍␊¬
       >
    (then)
    C: ␍.␍yzzz¬
       > <abort>
    S: 550 5.6.0 Message holds a bare CR: only CR LF ends a line [ref]`,
  );
});

describe("the backend refuses a chunk:", () => {
  dialogue(
    "between chunks, and the transaction is over",
    {},
    `${ADDRESSED}
    C: BDAT 4
    C: ab
       > BDAT 3
       > ab␍¬
       < 552 5.3.4 too much
       > RSET
    S: 552 5.3.4 too much
       < 250 2.0.0 Reset
    (then)
    C: BDAT 6 LAST
    C: QUIT
    S: 503 5.5.1 Send MAIL first [ref]
    ${ANOTHER}`,
  );
  dialogue(
    "before its end, so the last one is never sent",
    {},
    `${ADDRESSED}
    C: BDAT 4 LAST
    C: ab
       > BDAT 3
       > ab␍¬
       < 452 4.3.1 no space
       > RSET
    S: 452 4.3.1 no space
       < 250 2.0.0 Reset
    (then)
    ${ANOTHER}`,
  );
  dialogue(
    "while its octets are still to come: the connection is of no more use",
    {},
    `${ADDRESSED}
    C: BDAT 10
       > BDAT 9
    (meanwhile)
       < 552 5.3.4 too much
       > <abort>
    (then)
    C: 12345678
    S: 552 5.3.4 too much
    ${ANOTHER}`,
  );
  dialogue(
    "at the end",
    {},
    `${CHUNKED}
    C: BDAT 2 LAST
    C:
       > BDAT 2
       > ␊␍¬
       < 250 2.0.0 Got it
       > BDAT 1 LAST
       > ␊¬
       < 554 5.6.0 no
    S: 554 5.6.0 no
    ${ANOTHER}`,
  );
});

dialogue(
  "chunks sent ahead are answered in order, and the backend is asked one by one",
  {},
  `${ADDRESSED}
  C: BDAT 2
  C: abBDAT 2
  C: cdBDAT 2 LAST
  C: efQUIT
     > BDAT 1
     > a¬
     < 250 2.0.0 Got it
  S: 250 2.0.0 2 octets received
     > BDAT 2
     > bc¬
     < 250 2.0.0 Got it
  S: 250 2.0.0 2 octets received
     > BDAT 2
     > de¬
     < 250 2.0.0 Got it
     > BDAT 1 LAST
     > f¬
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept
  S: 221 2.0.0 Bye
  S: <close>`,
);

dialogue(
  "RSET between chunks breaks the backend's connection off",
  {},
  `${CHUNKED}
  C: RSET
     > <abort>
  S: 250 2.0.0 Ok
  (then)
  ${ANOTHER}`,
);

dialogue(
  "after DATA was refused, chunks may follow",
  { notPipelined: "DATA is refused" },
  `${ADDRESSED}
  C: DATA
     > DATA
     < 451 4.3.0 not now
  S: 451 4.3.0 not now
  C: BDAT 0 LAST
     > BDAT 0 LAST
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept
  ${GREETED.slice(GREETED.indexOf("C:"))}
  ${ANOTHER.replace(OPENED + DELIVERED, "")}`,
);
