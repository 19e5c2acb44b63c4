import { definePlugin, reject } from "../../src/mod.ts";
import { dialogue } from "../support/dialogue.ts";
const NOCHUNK = ["PIPELINING", "SIZE 1000000", "8BITMIME", "DSN"];
dialogue("ENVID=BINARYMIME is no BODY=BINARYMIME", { extensions: NOCHUNK }, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example> ENVID=BINARYMIME
     > MAIL FROM:<a@a.example> ENVID=BINARYMIME
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example>
     > RCPT TO:<b@b.example>
     < 250 2.1.5 good
  S: 250 2.1.5 good
  C: BDAT 13 LAST
     > DATA
     < 354 go
  C: A: b
  C:
  C: x␍.␍y¬
     > <abort>
  S: 550 5.6.0 Message holds a bare CR: only CR LF ends a line
`);
dialogue("a refused EHLO in mid-transaction", definePlugin("h", () => ({ onError: "defer", helo: ({ helo }) => helo === "bad" ? reject("5.7.1", "no") : undefined }))(), `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example>
     > MAIL FROM:<a@a.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: EHLO bad
     > RSET
     < 250 ok
  S: 550 5.7.1 no
  C: RCPT TO:<b@b.example>
  S: 503 5.5.1 Send MAIL first
`);
let release: (() => void) | undefined;
dialogue("a slow connect", { plugins: [definePlugin("h", () => ({ onError: "defer", connect: () => new Promise<undefined>((r) => { release = () => r(undefined); }) }))()], events: { "released": () => release!() } }, `
  (2 seconds pass)
  (released)
  S: 220 mx.example ESMTP
`);
dialogue("half-close before the greeting", { plugins: [definePlugin("h", () => ({ onError: "defer", connect: () => new Promise<undefined>((r) => { release = () => r(undefined); }) }))()], events: { "released": () => release!() } }, `
  C: NOOP
  C: <half-close>
  (released)
  S: 220 mx.example ESMTP
  S: 250 2.0.0 Ok
  S: <close>
`);
dialogue("rubbish verdict", { plugins: [definePlugin("h", () => ({ onError: "defer", rcpt: () => ({kind: "reject"}) as never }))()]}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example>
     > MAIL FROM:<a@a.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example>
  S: 451 4.3.0 A check of this server failed, try again later
`);
dialogue("client gone between BDAT's chunk and LAST", {}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example>
     > MAIL FROM:<a@a.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example>
     > RCPT TO:<b@b.example>
     < 250 2.1.5 good
  S: 250 2.1.5 good
  C: BDAT 3 LAST
  C: x
     > BDAT 2
     > x␍¬
  C: <reset>
     > <abort>
`);
dialogue("BDAT without recipients, then MAIL", {}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example>
     > MAIL FROM:<a@a.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: BDAT 3 LAST
  C: x
     > RSET
     < 250 2.0.0 Ok
  S: 554 5.5.1 No valid recipients
  C: MAIL FROM:<a@a.example>
     > MAIL FROM:<a@a.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
`);
dialogue("early refused chunk", {}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example>
     > MAIL FROM:<a@a.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example>
     > RCPT TO:<b@b.example>
     < 250 2.1.5 good
  S: 250 2.1.5 good
  C: BDAT 10
     > BDAT 9
  (meanwhile)
     < 552 5.3.4 too big
     > <abort>
  C: 12345678
  S: 552 5.3.4 too big
`);
dialogue("slow bad message", {}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example>
     > MAIL FROM:<a@a.example>
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example>
     > RCPT TO:<b@b.example>
     < 250 2.1.5 good
  S: 250 2.1.5 good
  C: DATA
     > DATA
     < 354 go
  S: 354 go
  C: a␊b
     > <abort>
  (40 seconds pass)
  C: ${"x".repeat(10000)}
  (40 seconds pass)
  C: .
  S: 550 5.6.0 Message holds a bare LF: only CR LF ends a line
`);
dialogue("NBSP byte", {}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example> SMTPUTF8
     > MAIL FROM:<a@a.example> SMTPUTF8
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example> ORCPT=utf-8;b@à
     > RCPT TO:<b@b.example> ORCPT=utf-8;b@à
     < 250 2.1.5 good
  S: 250 2.1.5 good
`);
dialogue("chunk that takes long", {times: {end: 60000}}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example …
  C: MAIL FROM:<a@a.example> SMTPUTF8
     > MAIL FROM:<a@a.example> SMTPUTF8
     < 250 2.1.0 Ok
  S: 250 2.1.0 Ok
  C: RCPT TO:<b@b.example>
     > RCPT TO:<b@b.example>
     < 250 2.1.5 good
  S: 250 2.1.5 good
  C: BDAT 12 LAST
  C: aaaa
     > BDAT 11
     > aaaa
  (50 seconds pass)
  C: a¬
     > a¬
  (15 seconds pass)
  C: bbb
     > bbb␍¬
     < 250 ok
     > BDAT 1 LAST
     > ␊¬
     < 250 2.0.0 taken
  S: 250 2.0.0 taken
`);
dialogue("normalize and BINARYMIME", {bareLineFeeds: "normalize", extensions: ["CHUNKING", "BINARYMIME"]}, `
  S: 220 mx.example ESMTP
  C: EHLO client.example
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 CHUNKING
`);
