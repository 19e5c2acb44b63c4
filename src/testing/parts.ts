/** Beginnings and middles that most transcripts share. */

/** A client is greeted, and greets. */
export const GREETED = `
  S: 220 mx.example …
  C: EHLO client.example
  S: 250-mx.example …
`;

/** A whole mail that is taken, after `GREETED`. */
export function delivery(from = "a@client.example", to = "b@mx.example"): string {
  return `
  C: MAIL FROM:<${from}>
  S: 250 …
  C: RCPT TO:<${to}>
  S: 250 …
  C: DATA
  S: 354 …
  C: Subject: a mail
  C:
  C: Hello
  C: .
  S: 250 …
`;
}
