// bun only: starts real servers
// Real senders to real receivers through `policies/pass.ts` (`quickstart.ts` for the demo backend): what the
// sender said is what the receiver heard, what the receiver answered is what the sender heard, and what is
// stored is what was sent behind one Received field. Where a sender can go past the proxy too, it notices no difference.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import {
  expectNothingStored,
  expectRelayed,
  expectSameBytes,
  expectStored,
  expectUnnoticed,
  only,
} from "../support/live_checks.ts";
import { exchanges, masked, type Transaction } from "../support/live_conversation.ts";
import {
  difficultBody,
  type Dsn,
  eightBitBody,
  type Letter,
  letter,
  longBody,
} from "../support/live_letters.ts";
import { exim } from "../support/live_exim.ts";
import { nodemailer } from "../support/live_nodemailer.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { type ReceiverName, REFUSED, SIZE_LIMIT } from "../support/live_receivers.ts";
import {
  type Ability,
  curl,
  msmtp,
  netSmtp,
  type Report,
  type Sender,
  smtplib,
  snail,
  swaks,
  swaksPipelining,
} from "../support/live_senders.ts";
import { LiveStage, receiverMissing, RECEIVERS } from "../support/live_stage.ts";

/** Postfix as a sender comes with the stage; until then it stands here by its name. */
const postfix: Sender = {
  name: "Postfix",
  missing: postfixMissing(),
  can: new Set<Ability>(["eight", "exact", "utf8", "partial", "dsn"]),
  send: (given, target) => stage.postfixSender.send(given, target),
};
const SENDERS = [swaks, swaksPipelining, curl, smtplib, nodemailer, postfix, msmtp, snail, netSmtp, exim];
/** Postfix's words at MAIL, at the end of data, and at a chunk. */
const TOO_LARGE =
  /^552 5\.3\.4 (Message size exceeds fixed limit|Error: message file too big|Chunk exceeds message size limit)$/;
const DSN: Dsn = { ret: "HDRS", envid: "QQ+2B314159+3D", notify: ["SUCCESS", "FAILURE"] };

let stage: LiveStage;
beforeAll(async () => {
  stage = await LiveStage.open({ runtime: "Bun", postfixSender: true });
}, 60_000);
afterAll(() => stage?.close());

/** What a letter's way through the proxy, and past it, came to. */
interface Sent {
  readonly report: Report;
  readonly front: Transaction;
  /** Undefined for the demo backend. */
  readonly direct: { readonly report: Report; readonly transaction: Transaction } | undefined;
}

/** Sends through the proxy and, where the receiver can be reached, past it; checks that nothing was noticed. */
async function deliver(sender: Sender, name: ReceiverName, sent: Letter): Promise<Sent> {
  const lane = stage.lane(name);
  const report = await sender.send(sent, stage.through(name));
  const front = only(lane.front, sent);
  if (lane.back === undefined) return { report, front, direct: undefined };
  expectRelayed(front, only(lane.back, sent));
  const direct = await sender.send(sent, stage.direct(name));
  const transaction = only(lane.direct, sent);
  // CHUNKING is offered before smtp-sink too, which has none.
  if (transaction.verb === front.verb) expectUnnoticed(front, transaction);
  expect(report.ok).toBe(direct.ok);
  return { report, front, direct: { report: direct, transaction } };
}

/** A letter that arrives: at the receiver's, once for each recipient where it is Postfix. */
async function arrives(
  sender: Sender,
  name: ReceiverName,
  sent: Letter,
  accepted = sent.to.length,
): Promise<Sent> {
  const done = await deliver(sender, name, sent);
  const lane = stage.lane(name);
  const copies = name === "Postfix" ? accepted : 1;
  await expectStored(lane, sent, done.front.content, copies, true);
  if (done.direct !== undefined) {
    await expectStored(lane, sent, done.direct.transaction.content, copies, false);
  }
  if (sender.can.has("exact")) {
    expectSameBytes(done.front.content.subarray(-sent.content.length), sent.content);
  } else expect(done.front.content.includes(sent.token)).toBe(true);
  return done;
}

for (const name of RECEIVERS) {
  for (const sender of SENDERS) {
    const reason = sender.missing ?? receiverMissing(name);
    if (reason !== undefined) {
      describe.skip(`${sender.name} to ${name} [${reason}]`, () => letters(sender, name));
    } else describe(`${sender.name} to ${name}`, () => letters(sender, name));
  }
}

function letters(sender: Sender, name: ReceiverName): void {
  test("a plain letter arrives", async () => {
    const { report, front } = await arrives(sender, name, letter());
    expect([report.ok, report.said]).toEqual([true, report.said]);
    expect(front.outcome).toStartWith("250");
  });

  test("octets above 127 arrive as they are", async () => {
    // s-nail declares a charset and keeps to it.
    const body = sender === snail ? Buffer.from("Grüße aus Köln, 日本語\r\n") : eightBitBody();
    const { front } = await arrives(sender, name, letter({ body }));
    expect(front.content.includes("Grüße aus Köln, 日本語")).toBe(true);
  });

  if (sender !== snail) {
    test("dots, empty lines and lines of 5,000 octets arrive as they are", async () => {
      expect((await arrives(sender, name, letter({ body: difficultBody() }))).report.ok).toBe(true);
    });
  }

  if (sender.can.has("utf8") && name !== "smtp-sink") {
    test("SMTPUTF8 addresses and fields arrive as they are", async () => {
      const sent = letter({ to: ["jürgen@live.example"], sender: "grüße-", subject: "Grüße" });
      const { front } = await arrives(sender, name, sent);
      expect(front.mail.line).toMatch(/ SMTPUTF8( |$)/);
      expect(Buffer.from(front.recipients[0]!.line, "latin1").toString()).toMatch(
        / TO:<jürgen@live\.example>/,
      );
    });
  }

  if (sender.can.has("dsn")) {
    test("RET, ENVID, NOTIFY and ORCPT reach the receiver unchanged", async () => {
      const { front } = await arrives(sender, name, letter({ dsn: DSN }));
      expect(front.mail.line).toContain(" RET=HDRS");
      expect(front.recipients[0]!.line).toContain(" NOTIFY=SUCCESS,FAILURE");
      // msmtp has an option for neither of the two.
      if (sender !== msmtp) expect(front.mail.line).toContain(` ENVID=${DSN.envid}`);
      if (sender !== msmtp) expect(front.recipients[0]!.line).toContain(" ORCPT=rfc822;you@live.example");
    });
  }

  if (sender.can.has("bdat")) {
    test("uses BDAT, and the chunks arrive as they are", async () => {
      const sent = letter({ body: longBody(50_000) });
      const { front } = await arrives(sender, name, sent);
      expect(front.verb).toBe("BDAT");
      // A receiver without CHUNKING gets DATA.
      if (name !== "the demo backend") {
        expect(only(stage.lane(name).back, sent).verb).toBe(name === "Postfix" ? "BDAT" : "DATA");
      }
    });
  }

  test("two recipients: one transaction", async () => {
    const { report, front } = await arrives(
      sender,
      name,
      letter({ to: ["you@live.example", "me@live.example"] }),
    );
    expect(front.recipients.length).toBe(2);
    expect(report.ok).toBe(true);
  });

  if (name === "Postfix") refusals(sender);
}

/** What only a receiver with a will of its own shows. */
function refusals(sender: Sender): void {
  for (const [address, text] of REFUSED) {
    // A queue keeps what was deferred: Postfix's and Exim's reports would only come hours later.
    if (text.startsWith("4") && (sender === postfix || sender === exim)) continue;
    test(`two recipients, ${address} refused: its sender reads Postfix's own text, and the other gets the letter`, async () => {
      const sent = letter({ to: ["you@live.example", address] });
      const partial = sender.can.has("partial");
      const { report, front } = partial
        ? await arrives(sender, "Postfix", sent, 1)
        : await deliver(sender, "Postfix", sent);
      expect(front.recipients.map(({ reply }) => reply).sort()).toEqual(["250 2.1.5 Ok", text]);
      expect(report.ok).toBe(false);
      if (!partial) expect(front.verb).toBeUndefined();
      if (sender.name !== "nodemailer") expect(report.said.replace(/\\n|\s+/g, " ")).toContain(text.slice(4));
    });
  }

  test("no recipient accepted: nothing is delivered", async () => {
    const sent = letter({ to: ["nobody@live.example"] });
    const { report, front } = await deliver(sender, "Postfix", sent);
    expect(report.ok).toBe(false);
    expect(front.outcome).toMatch(/^5/);
    expectNothingStored(stage.lane("Postfix"), sent);
  });

  test("a message past Postfix's SIZE: the sender hears what Postfix says, and nothing is delivered", async () => {
    const sent = letter({ body: longBody(SIZE_LIMIT + 50_000) });
    const lane = stage.lane("Postfix");
    const report = await sender.send(sent, stage.through("Postfix"));
    expect(report.ok).toBe(false);
    const [front] = lane.front.heard(sent.token);
    // Postfix, nodemailer and msmtp look at the SIZE of EHLO and do not even try.
    if (front === undefined) return expect(offered()).toContain(`SIZE ${SIZE_LIMIT}`);
    expect(front.exchanges.some(({ reply, end }) => TOO_LARGE.test(end ?? reply))).toBe(true);
    expectRelayed(front, only(lane.back, sent));
    await sender.send(sent, stage.direct("Postfix"));
    const direct = only(lane.direct, sent);
    // The proxy's own field may bring a message past the limit one chunk earlier.
    if (front.verb !== "BDAT") expectUnnoticed(front, direct);
    expect(masked(direct.outcome)).toBe(masked(front.outcome));
    expectNothingStored(lane, sent);
  });
}

/** What the last client before Postfix was offered. */
function offered(): string {
  const all = exchanges(stage.lane("Postfix").front.recordings.at(-1)!);
  return all.find(({ line }) => line.startsWith("EHLO"))!.reply;
}
