/** STARTTLS (RFC 3207): the handshake, what is forgotten, and that nothing sent in the clear outlives it (rule 7). */
import { describe, expect, test } from "bun:test";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { CONNECTED, DELIVERED, MAILED, OPENED, RECIPIENT } from "../support/dialogue_parts.ts";
import { definePlugin } from "../../src/policy/plugin.ts";
import { Scene } from "../../src/testing/scene.ts";

const TLS: DialogueOptions = { tls: true };
const GREETED = `${CONNECTED}
  C: EHLO client.example
  S: 250-mx.example …`;
const SECURED = `${GREETED}
  C: STARTTLS
  S: 220 2.0.0 Go ahead
  C: <handshake>`;

test("it is offered where there is a certificate, and not again behind the handshake", async () => {
  const scene = new Scene(TLS);
  scene.send("EHLO x\r\n");
  expect(scene.take()).toContain("STARTTLS\r\n");
  scene.send("STARTTLS\r\n");
  expect(scene.take()).toBe("220 2.0.0 Go ahead\r\n");
  scene.handshake();
  await scene.rest();
  scene.send("EHLO x\r\n");
  expect(scene.take()).not.toContain("STARTTLS");
});

test("without a certificate it is not offered", () => {
  const scene = new Scene();
  scene.send("EHLO x\r\n");
  expect(scene.take()).not.toContain("STARTTLS");
});

describe("behind the handshake the session starts anew:", () => {
  dialogue(
    "EHLO must be said again",
    TLS,
    `${SECURED}
    C: MAIL FROM:<a@client.example>
    S: 503 5.5.1 Send EHLO or HELO first [ref]
    C: EHLO client.example
    S: 250-mx.example …
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    ${RECIPIENT + OPENED + DELIVERED}`,
  );
  dialogue(
    "a message's trace field tells of it",
    {
      tls: true,
      after: (scene) => {
        const { trace } = scene.connections[0]!;
        expect(trace).toMatch(
          /^Received: from again\.example \(\[203\.0\.113\.7\]\)\r\n\t\(TLSv1\.3 TLS_AES_128_GCM_SHA256\)\r\n/,
        );
        expect(trace).toContain(" with ESMTPS id ");
      },
    },
    `${SECURED}
    C: EHLO again.example
    S: 250-mx.example …
    ${MAILED.slice(MAILED.indexOf("C: MAIL")) + RECIPIENT + OPENED + DELIVERED}`,
  );
  dialogue(
    "there is no second STARTTLS",
    TLS,
    `${SECURED}
    C: EHLO client.example
    S: 250-mx.example …
    C: STARTTLS
    S: 502 5.5.1 STARTTLS is not offered here [ref]`,
  );
});

describe("octets sent behind STARTTLS in the clear end the session:", () => {
  const reason = "it is about what comes in one write";
  for (const more of ["NOOP", "EHLO evil.example", "␍¬", "␖␃␁¬"]) {
    dialogue(
      more,
      { ...TLS, notPipelined: reason, notInPieces: reason },
      `${GREETED}
      C: STARTTLS
      C: ${more}
      S: 421 4.5.0 Nothing may follow STARTTLS before the handshake [ref]
      S: <close>`,
    );
  }
});

describe("a handshake that does not come:", () => {
  dialogue(
    "is waited for half a minute",
    TLS,
    `${GREETED}
    C: STARTTLS
    S: 220 2.0.0 Go ahead
    (29 seconds pass)
    (1 second passes)
    S: <abort>`,
  );
  dialogue(
    "a client that goes instead is gone",
    { ...TLS, after: ({ over }) => expect(over).toBe(true) },
    `${GREETED}
    C: STARTTLS
    S: 220 2.0.0 Go ahead
    C: <reset>`,
  );
  dialogue(
    "draining waits for it, then says goodbye",
    TLS,
    `${GREETED}
    C: STARTTLS
    S: 220 2.0.0 Go ahead
    (drain)
    C: <handshake>
    S: 421 4.3.2 …
    S: <close>`,
  );
});

describe("where TLS is required", () => {
  const REQUIRED: DialogueOptions = { tls: true, tlsRequired: true };
  const FIRST = "530 5.7.0 Must issue a STARTTLS command first [ref]";
  dialogue(
    "nothing but greetings is taken before it",
    REQUIRED,
    `${CONNECTED}
    C: MAIL FROM:<a@client.example>
    S: ${FIRST}
    C: HELO client.example
    S: 250 mx.example
    C: NOOP
    S: 250 2.0.0 Ok
    C: HELP
    S: 214 2.0.0 RFC 5321 says it all
    C: RSET
    S: 250 2.0.0 Ok
    C: VRFY somebody
    S: ${FIRST}
    C: MAIL FROM:<a@client.example>
    S: ${FIRST}
    C: RCPT TO:<b@b.example>
    S: ${FIRST}
    C: DATA
    S: ${FIRST}
    C: WIBBLE
    S: 500 5.5.1 Command not recognized [ref]
    C: QUIT
    S: 221 2.0.0 Bye
    S: <close>`,
  );
  dialogue(
    "a chunk's octets are not taken for commands",
    REQUIRED,
    `${GREETED}
    C: BDAT 6 LAST
    C: QUIT
    S: ${FIRST}
    C: NOOP
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "all is as usual behind it",
    REQUIRED,
    `${SECURED}
    C: EHLO client.example
    S: 250-mx.example …
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    ${RECIPIENT + OPENED + DELIVERED}`,
  );
});

describe("a client's certificate", () => {
  const peer = {
    subject: "CN=client\x07",
    issuer: "CN=authority",
    serial: "01",
    fingerprint: "ab".repeat(32),
    sha1: "cd".repeat(20),
    verified: true,
    pem: "",
  };

  test("is told to plugins, and is in the log, made printable", async () => {
    const seen: unknown[] = [];
    const watch = definePlugin("watch", () => ({
      onError: "pass",
      helo: ({ tls }) => void seen.push(tls?.peer),
    }));
    const scene = new Scene({ tls: true, plugins: [watch()] });
    scene.send("EHLO x\r\n");
    await scene.rest();
    scene.send("STARTTLS\r\n");
    scene.wire.shake({ version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: undefined, peer });
    await scene.rest();
    scene.send("EHLO x\r\n");
    await scene.rest();
    scene.send("QUIT\r\n");
    await scene.rest();
    expect(seen).toEqual([undefined, peer]);
    const { fields } = scene.log.find(({ event }) => event === "session")!;
    expect(fields["certificate"]).toBe(`CN=client\\x07, SHA-256 ${"ab".repeat(32)}, verified`);
  });
});
