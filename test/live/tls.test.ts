// bun only: starts real servers
// TLS at the proxy's door: STARTTLS and implicit TLS with every sender that has them, each of which verifies
// the proxy's (self-signed) certificate, to every receiver.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { findProgram } from "../support/live_children.ts";
import { exchanges } from "../support/live_conversation.ts";
import { exim } from "../support/live_exim.ts";
import { letter } from "../support/live_letters.ts";
import { nodemailer } from "../support/live_nodemailer.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { arrivesSecured, openssl } from "../support/live_secured.ts";
import { curl, msmtp, type Sender, smtplib, snail, swaks, swaksTls } from "../support/live_senders.ts";
import { LiveStage, receiverMissing, RECEIVERS } from "../support/live_stage.ts";

const postfix: Sender = {
  name: "Postfix",
  missing: postfixMissing(),
  can: new Set(["exact", "starttls", "implicit"]),
  send: (given, target) => stage.postfixSender.send(given, target),
};
const SENDERS: readonly Sender[] = [
  { ...swaks, missing: swaks.missing ?? await swaksTls() },
  curl,
  smtplib,
  nodemailer,
  postfix,
  msmtp,
  snail,
  exim,
  {
    ...openssl,
    missing: findProgram("openssl") === undefined ? "Debian package openssl is not installed" : undefined,
  },
];

let stage: LiveStage;
beforeAll(async () => {
  stage = await LiveStage.open({ runtime: "Bun", postfixSender: true });
}, 60_000);
afterAll(() => stage?.close());

for (const security of ["starttls", "implicit"] as const) {
  const what = security === "starttls" ? "STARTTLS" : "implicit TLS";
  describe(what, () => {
    for (const sender of SENDERS.filter(({ can }) => can.has(security))) {
      for (const name of RECEIVERS) {
        const reason = sender.missing ?? receiverMissing(name);
        const title = `a letter from ${sender.name} to ${name} arrives`;
        if (reason !== undefined) test.skip(`${title} [${reason}]`, () => {});
        else test(title, () => arrivesSecured(stage, sender, name, security));
      }
    }
  });
}

test("a sender that trusts another certificate only is told so and sends nothing", async () => {
  const target = stage.through("the demo backend", "starttls");
  const { report, token } = await withStrangeCa(target.port);
  expect(report.ok).toBe(false);
  expect(report.said).toMatch(/certificate/i);
  const said = exchanges(stage.lane("the demo backend").front.recordings.at(-1)!);
  expect(said.at(-1)?.line).toBe("STARTTLS");
  expect(stage.lane("the demo backend").receiver.stored(token)).toEqual([]);
});

async function withStrangeCa(port: number) {
  const sent = letter();
  const report = await nodemailer.send(sent, { port, security: "starttls" });
  return { report, token: sent.token };
}
