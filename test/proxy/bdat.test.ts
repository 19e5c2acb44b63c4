/**
 * A message sent with BDAT (RFC 3030): carried by count where the backend takes chunks, as DATA where it does not. The
 * last octet always waits, so that the end is a thing of its own (rule 2).
 */
import { describe } from "bun:test";
import { dialogue } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CHUNKED,
  DELIVERED,
  GREETED,
  LAST_CHUNK,
  OPENED,
} from "../support/dialogue_parts.ts";

/** A backend that takes DATA only. */
const PLAIN = { extensions: ["PIPELINING", "SIZE 1000000", "8BITMIME"] };

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
