// Letters over TLS: no tap can read them before the proxy, so they are compared behind it.
import { Buffer } from "node:buffer";
import { expect } from "bun:test";
import { expectSameBytes, expectStored, only, takeReceived } from "./live_checks.ts";
import { exchanges } from "./live_conversation.ts";
import { type Letter, letter, longBody } from "./live_letters.ts";
import type { ReceiverName } from "./live_receivers.ts";
import { run } from "./live_children.ts";
import type { Report, Security, Sender, Target } from "./live_senders.ts";
import type { LiveStage } from "./live_stage.ts";

/** Sends a letter of 60 kB over TLS, the certificate verified, and checks that it arrives and says so in its Received field. */
export async function arrivesSecured(
  stage: LiveStage,
  sender: Sender,
  name: ReceiverName,
  security: Security,
): Promise<void> {
  const lane = stage.lane(name);
  const sent = letter({ body: longBody(60_000) });
  const report = await sender.send(sent, stage.through(name, security));
  expect([report.ok, report.said]).toEqual([true, report.said]);
  const tap = security === "implicit" ? lane.implicit : lane.front;
  const said = exchanges(tap.recordings.at(-1)!);
  if (security === "starttls") expect(said.at(-1)).toEqual({ line: "STARTTLS", reply: "220 2.0.0 Go ahead" });
  expect(Buffer.concat(tap.recordings.at(-1)!.client).includes(sent.token)).toBe(false);
  const content = lane.back === undefined
    ? lane.receiver.stored(sent.token)[0]!
    : only(lane.back, sent).content;
  const { field, rest } = takeReceived(
    lane.back === undefined ? content.subarray(content.indexOf("Received: ")) : content,
  );
  // s-nail says HELO, and RFC 3848 has no word for SMTP with TLS but without extensions.
  expect(field.with).toBe(sender.name === "s-nail" ? "SMTP" : "ESMTPS");
  expect(field.tls).toMatch(/\(TLSv1\.[23] TLS_|\(TLSv1\.2 ECDHE/);
  if (sender.can.has("exact")) expectSameBytes(rest.subarray(-sent.content.length), sent.content);
  expect(rest.includes(sent.token)).toBe(true);
  await expectStored(lane, sent, rest, 1, true);
}

/** `openssl s_client`, given all commands at once. */
export const openssl: Sender = {
  name: "openssl s_client",
  can: new Set(["exact", "eight", "starttls", "implicit"]),
  send: (sent, target) => throughOpenssl(sent, target),
};

async function throughOpenssl(sent: Letter, { port, security, ca }: Target): Promise<Report> {
  const dialogue = [
    "EHLO client.example",
    `MAIL FROM:<${sent.from}>`,
    ...sent.to.map((to) => `RCPT TO:<${to}>`),
    "DATA",
    `${sent.content.toString("latin1")}.`,
    "QUIT",
    "",
  ].join("\r\n");
  const words = ["-quiet", "-verify_return_error", "-CAfile", ca!, "-connect", `127.0.0.1:${port}`];
  const starttls = security === "starttls" ? ["-starttls", "smtp", "-name", "client.example"] : [];
  const { stdout, stderr } = await run(["openssl", "s_client", ...words, ...starttls], {
    input: Buffer.from(dialogue, "latin1"),
  });
  return { ok: /^250 .*\r\n221 /m.test(stdout), said: `${stdout}\n${stderr}` };
}
