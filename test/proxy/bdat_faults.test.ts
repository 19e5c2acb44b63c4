/** Chunks that cannot be taken (RFC 3030 §2, rule 6): a bad message, and a backend that refuses one. */
import { describe } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import { ADDRESSED, ANOTHER, CHUNKED } from "../support/dialogue_parts.ts";

/** A backend that takes DATA only. */
const PLAIN = { extensions: ["PIPELINING", "SIZE 1000000", "8BITMIME"] };

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
