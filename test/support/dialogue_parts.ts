/** The beginnings that most transcripts share: each leads to one phase of `src/smtp/commands.ts`. */

/** Phase "start". */
export const CONNECTED = `
  S: 220 mx.example ESMTP
`;

/** Phase "ready". */
export const GREETED: string = CONNECTED + `
  C: EHLO client.example
  S: 250-mx.example …
`;

/** Phase "mail". */
export const MAILED: string = GREETED + `
  C: MAIL FROM:<a@client.example>
     > MAIL FROM:<a@client.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
`;

/** One more recipient. */
export const RECIPIENT = `
  C: RCPT TO:<b@mx.example>
     > RCPT TO:<b@mx.example>
     < 250 2.1.5 Ok
  S: 250 2.1.5 Ok
`;

/** Phase "rcpt". */
export const ADDRESSED: string = MAILED + RECIPIENT;

/** From phase "ready" to "rcpt" where backends are dialled at RCPT. */
export const ADDRESSED_LATE = `
  C: MAIL FROM:<a@client.example>
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@mx.example>
     > MAIL FROM:<a@client.example>
     > RCPT TO:<b@mx.example>
     < 250 2.1.0 Ok
     < 250 2.1.5 Ok
  S: 250 2.1.5 Ok
`;

/** Commands to a backend and its replies: all commands first where they go together, otherwise each with its reply. */
export function leg(
  together: boolean,
  pairs: readonly (readonly [command: string, reply: string])[],
): string {
  const lines = together
    ? [...pairs.map(([command]) => `> ${command}`), ...pairs.map(([, reply]) => `< ${reply}`)]
    : pairs.flatMap(([command, reply]) => [`> ${command}`, `< ${reply}`]);
  return lines.map((line) => `     ${line}\n`).join("");
}

/** From phase "rcpt" into the message. */
export const OPENED = `
  C: DATA
     > DATA
     < 354 Go ahead
  S: 354 Go ahead
`;

/** Within a message. */
export const WITHIN: string = ADDRESSED + OPENED;

/** The rest of a message in DATA, and its delivery. */
export const DELIVERED = `
  C: Subject: x
  C:
  C: body
  C: .
     > Subject: x
     >
     > body
     > .
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept
`;

/** Phase "bdat": the backend takes chunks. */
export const CHUNKED: string = ADDRESSED + `
  C: BDAT 4
  C: a:
     > BDAT 3
     > a:␍¬
     < 250 2.0.0 Got it
  S: 250 2.0.0 4 octets received
`;

/** From phase "bdat" to the end. */
export const LAST_CHUNK = `
  C: BDAT 2 LAST
  C:
     > BDAT 2
     > ␊␍¬
     < 250 2.0.0 Got it
     > BDAT 1 LAST
     > ␊¬
     < 250 2.0.0 Kept
  S: 250 2.0.0 Kept
`;

/** The transaction is forgotten, the connection kept. */
export const RESET = `
     > RSET
     < 250 2.0.0 Reset
  (then)
`;

/** Goodbye. */
export const QUIT = `
  C: QUIT
  S: 221 2.0.0 Bye
  S: <close>
`;

/** A whole transaction with the connection that is there. */
export const ANOTHER: string = `
  C: MAIL FROM:<a@client.example>
     > MAIL FROM:<a@client.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
` + RECIPIENT + OPENED + DELIVERED;
