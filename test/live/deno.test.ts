// bun only: starts real servers
// The proxy under Deno: the same senders and receivers, plain and over TLS.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { expectRelayed, expectSameBytes, expectStored, only } from "../support/live_checks.ts";
import { exim } from "../support/live_exim.ts";
import { difficultBody, eightBitBody, letter, longBody } from "../support/live_letters.ts";
import { nodemailer } from "../support/live_nodemailer.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { arrivesSecured } from "../support/live_secured.ts";
import { curl, netSmtp, type Sender, smtplib, swaks, swaksTls } from "../support/live_senders.ts";
import { LiveStage, receiverMissing, RECEIVERS } from "../support/live_stage.ts";

const postfix: Sender = {
  name: "Postfix",
  missing: postfixMissing(),
  can: new Set(["exact", "starttls", "implicit", "partial"]),
  send: (given, target) => stage.postfixSender.send(given, target),
};
const SENDERS: readonly Sender[] = [swaks, curl, smtplib, nodemailer, postfix, netSmtp, exim];
const withoutTls = await swaksTls();

let stage: LiveStage;
beforeAll(async () => {
  stage = await LiveStage.open({ runtime: "Deno", postfixSender: true });
}, 60_000);
afterAll(() => stage?.close());

for (const name of RECEIVERS) {
  for (const sender of SENDERS) {
    const reason = sender.missing ?? receiverMissing(name);
    const title = `on Deno, from ${sender.name} to ${name}`;
    if (reason !== undefined) describe.skip(`${title} [${reason}]`, () => plain(sender, name));
    else describe(title, () => plain(sender, name));
    for (const security of ["starttls", "implicit"] as const) {
      if (!sender.can.has(security)) continue;
      const why = reason ?? (sender === swaks ? withoutTls : undefined);
      if (why !== undefined) test.skip(`${title}: ${security} [${why}]`, () => {});
      else test(`${title}: ${security}`, () => arrivesSecured(stage, sender, name, security));
    }
  }
}

function plain(sender: Sender, name: (typeof RECEIVERS)[number]): void {
  for (
    const [what, body] of [["octets above 127", eightBitBody()], ["dots and long lines", difficultBody()], [
      "100 kB",
      longBody(100_000),
    ]] as const
  ) {
    test(`${what} arrive as they are`, async () => {
      const lane = stage.lane(name);
      const sent = letter({ body });
      expect((await sender.send(sent, stage.through(name))).ok).toBe(true);
      const front = only(lane.front, sent);
      if (lane.back !== undefined) expectRelayed(front, only(lane.back, sent));
      if (sender.can.has("exact")) {
        expectSameBytes(front.content.subarray(-sent.content.length), sent.content);
      }
      await expectStored(lane, sent, front.content, 1, true);
    });
  }

  if (name !== "Postfix") return;
  test("a recipient that Postfix refuses is refused in its words", async () => {
    const lane = stage.lane(name);
    const sent = letter({ to: ["you@live.example", "nobody@live.example"] });
    expect((await sender.send(sent, stage.through(name))).ok).toBe(false);
    const front = only(lane.front, sent);
    expectRelayed(front, only(lane.back, sent));
    expect(front.recipients.map(({ reply }) => reply.slice(0, 9)).sort()).toEqual(["250 2.1.5", "550 5.1.1"]);
    await expectStored(lane, sent, front.content, 1, true);
  });
}
