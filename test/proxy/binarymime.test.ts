/** BINARYMIME (RFC 3030 §3): octets past the header pass as they are, and only where they can be carried so. */
import { describe, expect, test } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import { ANOTHER, GREETED, RECIPIENT } from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";

const BINARY = { extensions: ["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"] };

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
