/** The dialogue of house.md, as it stands there. */
import { definePlugin, reject } from "../../src/mod.ts";
import { dialogue } from "../support/dialogue.ts";

const refuse = definePlugin("refuse", (mailbox: string) => ({
  onError: "defer",
  rcpt: ({ forwardPath }) => (forwardPath.mailbox === mailbox ? reject("5.7.1", "Refused") : undefined),
}));

dialogue(
  "a refused recipient never reaches the backend",
  refuse("bad@b.example"),
  `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<>
     > MAIL FROM:<>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<bad@b.example>
  S: 550 5.7.1 Refused
`,
);

dialogue(
  "one mail",
  {},
  `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example> SIZE=100
     > <connect backend>
     > MAIL FROM:<a@a.example> SIZE=100
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example>
     > RCPT TO:<b@b.example>
     < 250-2.1.5 so
     < 250 2.1.5 good
  S: 250-2.1.5 so
  S: 250 2.1.5 good
  C: DATA
     > DATA
     < 354 go
  S: 354 go
  C: Subject: x
  C:
  C: ..body
     > Subject: x
     >
     > ..body
  C: .
     > .
     < 250 2.0.0 kept
  S: 250 2.0.0 kept
  C: QUIT
  S: 221 2.0.0 Bye
  S: <close>
`,
);
