/** Senders and recipients: each is put to the backend before it is answered, and the answer is the backend's (rule 5). */
import { describe, expect, test } from "bun:test";
import { definePlugin } from "../../src/policy/plugin.ts";
import { defer, reject } from "../../src/policy/verdict.ts";
import { dialogue } from "../support/dialogue.ts";
import {
  ADDRESSED_LATE,
  ANOTHER,
  DELIVERED,
  GREETED,
  MAILED,
  OPENED,
  RECIPIENT,
  RESET,
} from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";
import { FakeReceiver } from "../support/fake_receiver.ts";

describe("the backend's reply is the client's, octet for octet:", () => {
  const replies = [
    ["250 2.1.5 Ok"],
    ["250"],
    ["251 2.1.5 will forward to <c@other.example>"],
    ["252 2.1.5 perhaps"],
    ["250-2.1.5 one", "250-2.1.5", "250 2.1.5 three"],
    ["250-", "250 "],
  ];
  for (const lines of replies) {
    dialogue(
      JSON.stringify(lines),
      {},
      `${MAILED}
      C: RCPT TO:<b@mx.example>
         > RCPT TO:<b@mx.example>
      ${lines.map((line) => `   < ${line.replace(/ $/, "␠")}`).join("\n")}
      ${lines.map((line) => `S: ${line.replace(/ $/, "␠")}`).join("\n")}
      ${OPENED + DELIVERED}`,
    );
  }
});

describe("a refused recipient leaves the others alone:", () => {
  dialogue(
    "first, last and in between",
    { reuse: { refusals: 4 } },
    `${MAILED}
    C: RCPT TO:<no@mx.example>
       > RCPT TO:<no@mx.example>
       < 550-5.1.1 who?
       < 550 5.1.1 nobody
    S: 550-5.1.1 who?
    S: 550 5.1.1 nobody
    ${RECIPIENT}
    C: RCPT TO:<full@mx.example>
       > RCPT TO:<full@mx.example>
       < 452 4.2.2 full
    S: 452 4.2.2 full
    ${RECIPIENT}
    C: RCPT TO:<no@mx.example>
       > RCPT TO:<no@mx.example>
       < 550 5.1.1 who?
    S: 550 5.1.1 who?
    ${OPENED + DELIVERED}`,
  );
  dialogue(
    "all of them: there is nobody to send to, and the next transaction is a new one",
    {},
    `${MAILED}
    C: RCPT TO:<no@mx.example>
       > RCPT TO:<no@mx.example>
       < 550 5.1.1 who?
    S: 550 5.1.1 who?
    C: DATA
    S: 554 5.5.1 No valid recipients [ref]
    C: RSET
    S: 250 2.0.0 Ok
    ${RESET}
    ${ANOTHER}`,
  );
  dialogue(
    "three of them, and the connection is not kept: backends count refusals against whoever is connected",
    {},
    `${MAILED}
    ${
      `
    C: RCPT TO:<no@mx.example>
       > RCPT TO:<no@mx.example>
       < 550 5.1.1 who?
    S: 550 5.1.1 who?`.repeat(3)
    }
    ${RECIPIENT + OPENED + DELIVERED}
       > QUIT`,
  );
  dialogue(
    "the same one twice is two recipients",
    {},
    `${MAILED + RECIPIENT + RECIPIENT + OPENED + DELIVERED}`,
  );
});

describe("paths pass as they are written:", () => {
  for (
    const path of [
      "<>",
      "<a@[192.0.2.1]>",
      "<a@[IPv6:2001:db8::1]>",
      '<"a b\\"c"@client.example>',
      "<A.b+c=d@Client.EXAMPLE>",
    ]
  ) {
    dialogue(
      `MAIL FROM:${path}`,
      {},
      `${GREETED}
      C: MAIL FROM:${path}
         > MAIL FROM:${path}
         < 250 2.1.0 Ok
      S: 250 2.1.0 Ok
      ${RECIPIENT + OPENED + DELIVERED}`,
    );
  }
  for (const path of ["<Postmaster>", "<postmaster@mx.example>", '<"@"@mx.example>']) {
    dialogue(
      `RCPT TO:${path}`,
      {},
      `${MAILED}
      C: RCPT TO:${path}
         > RCPT TO:${path}
         < 250 2.1.5 Ok
      S: 250 2.1.5 Ok
      ${OPENED + DELIVERED}`,
    );
  }
  dialogue(
    "with SMTPUTF8, any",
    {},
    `${GREETED}
    C: MAIL FROM:<ä@bücher.example> SMTPUTF8
       > MAIL FROM:<ä@bücher.example> SMTPUTF8
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    C: RCPT TO:<用户@mx.example>
       > RCPT TO:<用户@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok`,
  );
});

describe("a refused sender, whose connection nobody inherits:", () => {
  for (const reply of ["550 5.7.1 not from there", "452 4.3.1 no space", "555 5.5.4 unknown parameter"]) {
    dialogue(
      reply,
      {},
      `${GREETED}
      C: MAIL FROM:<x@y.example>
         > MAIL FROM:<x@y.example>
         < ${reply}
         > QUIT
      S: ${reply}
      (then)
      C: RCPT TO:<b@mx.example>
      S: 503 5.5.1 Send MAIL first [ref]
      ${ANOTHER}`,
    );
  }
});

/** Refuses in its own words, at the stage where it belongs. */
const policy = definePlugin("policy", () => ({
  onError: "defer",
  mail: (
    { reversePath },
  ) => (reversePath.localPart === "spammer" ? reject("5.7.1", "Not from you") : undefined),
  rcpt: ({ forwardPath }) => (forwardPath.localPart === "slow" ? defer("4.7.1", "Not so fast") : undefined),
}));

describe("what policy refuses never reaches a backend:", () => {
  dialogue(
    "a sender: none is dialled",
    policy(),
    `${GREETED}
    C: MAIL FROM:<spammer@client.example>
    S: 550 5.7.1 Not from you [ref]
    C: MAIL FROM:<a@client.example>
       > <connect>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  dialogue(
    "a recipient among others",
    policy(),
    `${MAILED + RECIPIENT}
    C: RCPT TO:<slow@mx.example>
    S: 450 4.7.1 Not so fast [ref]
    ${RECIPIENT + OPENED + DELIVERED}`,
  );
  dialogue(
    "the only recipient, where backends are dialled at RCPT: none is dialled",
    { plugins: [policy()], dial: "rcpt" },
    `${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<slow@mx.example>
    S: 450 4.7.1 Not so fast [ref]
    C: RSET
    S: 250 2.0.0 Ok
    ${ADDRESSED_LATE + OPENED + DELIVERED}`,
  );
});

describe("what is logged of a transaction", () => {
  /** The log's records of transactions after a client has said this, and the backend has answered. */
  async function records(said: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const scene = new Scene({ plugins: [policy()] });
    new FakeReceiver(scene, ["SMTPUTF8"]);
    scene.send(`EHLO client.example\r\n${said}QUIT\r\n`);
    await scene.rest();
    return scene.log.filter(({ event }) => event === "transaction").map(({ fields }) => fields);
  }
  test("delivered", async () => {
    const [record] = await records(
      "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nRCPT TO:<bad@y.example>\r\nDATA\r\nx\r\n.\r\n",
    );
    expect(record).toMatchObject({
      from: "a@x.example",
      to: ["b@y.example"],
      size: 3,
      outcome: "delivered",
      reply: 250,
      backend: "backend",
    });
  });
  test("refused, reset and given up", async () => {
    expect((await records("MAIL FROM:<spammer@x.example>\r\n"))[0]).toMatchObject({
      outcome: "rejected",
      reply: 550,
      to: [],
    });
    expect((await records("MAIL FROM:<a@x.example>\r\nRSET\r\n"))[0]).toMatchObject({ outcome: "reset" });
    expect((await records("MAIL FROM:<a@x.example>\r\n"))[0]).toMatchObject({ outcome: "lost" });
    const bad = "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n\n\r\n.\r\n";
    expect((await records(bad))[0]).toMatchObject({ outcome: "rejected" });
  });
  test("and of the session: who it was, and what was refused", async () => {
    const scene = new Scene({ plugins: [policy()] });
    scene.send("EHLO client.example\r\nMAIL FROM:<spammer@x.example>\r\nQUIT\r\n");
    await scene.rest();
    const sessions = scene.log.filter(({ event }) => event === "session").map(({ fields }) => fields);
    expect(sessions.length).toBe(1);
    expect(sessions[0]).toMatchObject({ client: "203.0.113.7", helo: "client.example", transactions: 1 });
  });
  test("is printable, whatever a client calls itself and others", async () => {
    const all = JSON.stringify(
      await records(
        'EHLO \x1b[2J\x07\xff\r\nMAIL FROM:<\xc3\xa4@x.example> SMTPUTF8\r\nRCPT TO:<"\x7f"@y.example>\r\nRCPT TO:<\xc3\xb6@y.example>\r\n',
      ),
    );
    expect(all).toMatch(/^[ -~]+$/);
    expect(all).toContain("\\\\xc3\\\\xa4@x.example");
  });
});
