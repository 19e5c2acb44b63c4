/** Stopping: no new work, what runs may finish, and whoever does nothing is told 421 (RFC 5321 §3.8). */
import { describe, expect } from "bun:test";
import { definePlugin } from "../../src/policy/plugin.ts";
import { dialogue } from "../support/dialogue.ts";
import {
  ADDRESSED,
  CHUNKED,
  CONNECTED,
  DELIVERED,
  GREETED,
  LAST_CHUNK,
  MAILED,
  OPENED,
  RECIPIENT,
  WITHIN,
} from "../support/dialogue_parts.ts";

const BYE = "S: 421 4.3.2 This server is shutting down, try again later [ref]\nS: <close>";
/** The connection that served it is not kept. */
const LEAVES = "> QUIT";

describe("a session that carries nothing ends at once:", () => {
  for (
    const [name, before] of [["behind the greeting", CONNECTED], ["behind EHLO", GREETED], [
      "with half a command",
      `${GREETED}C: NOO¬\n`,
    ]]
  ) {
    dialogue(
      name!,
      {},
      `${before}
      (drain)
      ${BYE}`,
    );
  }
});

describe("a transaction goes on to its end:", () => {
  const rows: readonly (readonly [name: string, before: string, rest: string])[] = [
    ["from MAIL", MAILED, RECIPIENT + OPENED + DELIVERED],
    ["from RCPT", ADDRESSED, OPENED + DELIVERED],
    ["from 354", WITHIN, DELIVERED],
    ["from a chunk", CHUNKED, LAST_CHUNK],
  ];
  for (const [name, before, rest] of rows) {
    dialogue(
      name,
      { after: ({ counters }) => expect(counters.delivered).toBe(1) },
      `${before}
      (drain)
      ${rest}
      ${BYE}
      ${LEAVES}`,
    );
  }
  dialogue(
    "from the dot",
    {},
    `${WITHIN}
    C: x
    C: .
       > x
       > .
    (drain)
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
    ${BYE}
    ${LEAVES}`,
  );
  dialogue(
    "a command that waits for its answer gets it",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
    (drain)
       < 550 5.7.1 no
    S: 550 5.7.1 no
    ${BYE}
    ${LEAVES}`,
  );
  dialogue(
    "RSET ends it",
    {},
    `${ADDRESSED}
    (drain)
    C: RSET
    S: 250 2.0.0 Ok
    ${BYE}
       > QUIT`,
  );
  dialogue(
    "commands behind it are not begun",
    { notPipelined: "there is nothing behind 421" },
    `${WITHIN}
    C: x
    C: .
       > x
       > .
    (drain)
       < 451 4.3.0 not now
    S: 451 4.3.0 not now
    ${BYE}
    ${LEAVES}`,
  );
});

/** A plugin whose verdict waits for a stage direction. */
function held(stage: "connect" | "helo") {
  let release = (): void => {};
  const wait = () => new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
  return {
    plugins: [definePlugin("held", () => ({ onError: "defer", [stage]: wait }))()],
    events: { "the policy agrees": () => release() },
  };
}

describe("a session whose policy still thinks:", () => {
  dialogue(
    "about the client: it is told 421 in place of the greeting",
    () => held("connect"),
    `
    (drain)
    S: 421 4.3.2 …
    S: <close>
    (the policy agrees)`,
  );
  dialogue(
    "about EHLO: it is answered, then sent away",
    () => held("helo"),
    `${CONNECTED}
    C: EHLO client.example
    (drain)
    (the policy agrees)
    S: 250-mx.example …
    ${BYE}`,
  );
});
