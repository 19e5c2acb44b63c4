// bun only: starts real servers
// An operator puts `policies/pass.ts` before a real Postfix and notices nothing but an added Received field:
// the same dialogues, with the proxy and without it, bring the same replies and the same stored messages.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesOf, stuff } from "../support/blackbox_bytes.ts";
import { RawClient, told } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { expectRelayed, expectStored, only } from "../support/live_checks.ts";
import { masked, transactions } from "../support/live_conversation.ts";
import { difficultBody, eightBitBody, type Letter, letter } from "../support/live_letters.ts";
import { nodemailer } from "../support/live_nodemailer.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { type LiveProxy, startLiveProxy } from "../support/live_proxy.ts";
import { type Receiver, REFUSED, sinkReceiver } from "../support/live_receivers.ts";
import { curl, msmtp, type Sender, smtplib, snail, swaks } from "../support/live_senders.ts";
import { LiveStage, receiverMissing } from "../support/live_stage.ts";

const withoutPostfix = postfixMissing();
const describePostfix = (title: string, body: () => void) =>
  withoutPostfix === undefined ? describe(title, body) : describe.skip(`${title} [${withoutPostfix}]`, body);

let stage: LiveStage;
beforeAll(async () => {
  if (withoutPostfix === undefined) stage = await LiveStage.open({ runtime: "Bun", postfixSender: true });
}, 60_000);
afterAll(() => stage?.close());

/** Says these lines, each after the reply to the one before (or all at once), and tells every reply. */
async function dialogue(
  port: number,
  lines: readonly (string | Buffer)[],
  atOnce: boolean,
): Promise<string[]> {
  const client = await RawClient.connect(port);
  await client.expect("220");
  await client.command("EHLO client.example", "250");
  const replies: string[] = [];
  if (atOnce) await client.write(Buffer.concat(lines.map(wire)));
  for (const line of lines) {
    if (!atOnce) await client.write(wire(line));
    replies.push(masked(told(await client.hear(8000)).replaceAll("\r\n", "\n")));
  }
  client.vanish();
  return replies;
}

const wire = (line: string | Buffer) => typeof line === "string" ? Buffer.from(`${line}\r\n`) : line;
const message = (token: string) => stuff(bytesOf(`Message-ID: <${token}@client.example>\r\n\r\nHello.\r\n`));

/** Envelopes as clients write them, well and badly; `%` stands for a token. The message of DATA comes after 354 only. */
const DIALOGUES: readonly (readonly [string, readonly string[]])[] = [
  ["one recipient", ["MAIL FROM:<%@client.example>", "RCPT TO:<you@live.example>", "DATA", "."]],
  ["a bounce", ["MAIL FROM:<> BODY=8BITMIME ENVID=%", "RCPT TO:<me@live.example> NOTIFY=NEVER", "DATA", "."]],
  ["two messages in one session", [
    "MAIL FROM:<%@client.example> SIZE=100",
    "RCPT TO:<you@live.example>",
    "DATA",
    ".",
    "MAIL FROM:<%@client.example>",
    "RCPT TO:<me@live.example>",
    "RCPT TO:<you@live.example>",
    "DATA",
    ".",
  ]],
  ["every refusal and one acceptance", [
    "MAIL FROM:<%@client.example>",
    "RCPT TO:<nobody@live.example>",
    "RCPT TO:<closed@live.example>",
    "RCPT TO:<full@live.example>",
    "RCPT TO:<you@elsewhere.example>",
    "RCPT TO:<you@live.example>",
    "DATA",
    ".",
  ]],
  ["RSET after a refusal", [
    "MAIL FROM:<%@client.example>",
    "RCPT TO:<nobody@live.example>",
    "RSET",
    "MAIL FROM:<%@client.example>",
    "RCPT TO:<you@live.example>",
    "DATA",
    ".",
  ]],
  ["a size too large, then a small message", [
    "MAIL FROM:<%@client.example> SIZE=99999999",
    "MAIL FROM:<%@client.example> SIZE=100",
    "RCPT TO:<you@live.example>",
    "DATA",
    ".",
  ]],
  ["quoted and subaddressed local parts", [
    'MAIL FROM:<"% and more"@client.example>',
    "RCPT TO:<you+detail@live.example>",
    'RCPT TO:<"you"@live.example>',
    "DATA",
    ".",
  ]],
  ["small letters and spaces", ["mail from:<%@client.example>", "rcpt to:<you@live.example>", "data", "."]],
  ["an address literal as sender's domain", [
    "MAIL FROM:<%@[192.0.2.1]>",
    "RCPT TO:<you@live.example>",
    "DATA",
    ".",
  ]],
  ["large letters", ["MAIL FROM:<%@client.example>", "RCPT TO:<YOU@LIVE.EXAMPLE>", "DATA", "."]],
  ["DSN parameters", [
    "MAIL FROM:<%@client.example> RET=FULL ENVID=%+2B",
    "RCPT TO:<you@live.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;some+2Bone@else.example",
    "DATA",
    ".",
  ]],
  ["SMTPUTF8", ["MAIL FROM:<grüße-%@client.example> SMTPUTF8", "RCPT TO:<jürgen@live.example>", "DATA", "."]],
];

describePostfix("with the proxy before Postfix and without it", () => {
  for (const [title, lines] of DIALOGUES) {
    for (const atOnce of [false, true]) {
      test(`${title}${atOnce ? ", all in one write" : ""}: the same replies, the same messages`, async () => {
        const lane = stage.lane("Postfix");
        const run = async (port: number, atOnce: boolean) => {
          const { token } = letter();
          const words = lines.map((line) => line === "." ? message(token) : line.replaceAll("%", token));
          return { token, replies: await dialogue(port, words, atOnce) };
        };
        const through = await run(lane.front.port, atOnce);
        const direct = await run(lane.direct!.port, false);
        const common = (text: string) => text.replaceAll(/t\d+x\d+/g, "TOKEN");
        expect(through.replies.map(common)).toEqual(direct.replies.map(common));
        const messages = direct.replies.filter((reply) => reply.includes("queued as")).length;
        expect(messages).toBeGreaterThan(0);
        expect(await bare(through.token, true)).toEqual(await bare(direct.token, false));
      });
    }
  }

  for (
    const [what, body] of [["dots and long lines", difficultBody()], [
      "octets above 127",
      eightBitBody(),
    ]] as const
  ) {
    test(`a message of ${what} is stored the same, but for one Received field`, async () => {
      const sent = letter({ body });
      expect((await curl.send(sent, stage.through("Postfix"))).ok).toBe(true);
      expect((await curl.send(sent, stage.direct("Postfix"))).ok).toBe(true);
      const [through] = await expectStored(stage.lane("Postfix"), sent, sent.content, 1, true);
      const [direct] = await expectStored(stage.lane("Postfix"), sent, sent.content, 1, false);
      expect(withoutOurs(through!)).toBe(withoutOurs(direct!));
      expect(through!.split("\r\nReceived: ").length).toBe(direct!.split("\r\nReceived: ").length + 1);
    });
  }

  test("EHLO offers what Postfix offers, but for VRFY and ETRN, and STARTTLS besides", async () => {
    const lane = stage.lane("Postfix");
    const offer = async (port: number) => {
      const client = await RawClient.connect(port);
      await client.expect("220");
      const { lines } = await client.command("EHLO client.example", "250");
      await client.quit();
      return lines;
    };
    const through = await offer(lane.front.port);
    const direct = await offer(lane.direct!.port);
    const shared = direct.filter((line) => line !== "VRFY" && line !== "ETRN");
    expect([...through].sort()).toEqual([...shared, "STARTTLS"].sort());
    expect(through[0]).toBe(direct[0]);
  });

  /** Waits until all that a dialogue sent is stored, and tells it without what is different each time. */
  async function bare(token: string, through: boolean): Promise<string[]> {
    const lane = stage.lane("Postfix");
    const taken = transactions((through ? lane.front : lane.direct!).recordings.at(-1)!)
      .filter(({ outcome }) => outcome.includes("queued as"));
    const copies = taken.flatMap(({ recipients }) =>
      recipients
    ).filter(({ reply }) => reply.startsWith("2")).length;
    let found: Buffer[] = [];
    await eventually(() => (found = lane.receiver.stored(token)).length >= copies);
    expect(found.length).toBe(copies);
    return found.map((copy) => withoutOurs(copy.toString("latin1")).replaceAll(token, "TOKEN")).sort();
  }
});

/** A stored message without the proxy's field, and with Postfix's own stripped of its time, id and of whom it spoke to. */
function withoutOurs(copy: string): string {
  return copy
    .replace(/^Received: from .*\r\n(?:\t.*\r\n)*?\tby \S+ \(Sallyport\)(?:.*\r\n\t)*.*\r\n/m, "")
    .replace(
      /^Received: from \S+ \(unknown \[127\.0\.0\.1\]\)(\r\n\tby \S+ \(Postfix\) with \S+ id )\w+/m,
      "Received: from CLIENT$1ID",
    )
    .replace(/\w{3}, [ \d]\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000 \(UTC\)/g, "DATE");
}

describePostfix("one client's errors before Postfix", () => {
  const innocent = async () => {
    const sent = letter();
    const { ok, said } = await nodemailer.send(sent, stage.through("Postfix"));
    expect([ok, said]).toEqual([true, said]);
    await expectStored(stage.lane("Postfix"), sent, sent.content, 1, true);
  };

  test("a SIZE that is refused does not get the next client's mail refused", async () => {
    for (let i = 0; i < 3; i++) {
      const [reply] = await dialogue(stage.lane("Postfix").front.port, [
        "MAIL FROM:<a@client.example> SIZE=99999999",
      ], false);
      expect(reply).toBe("552 5.3.4 Message size exceeds fixed limit");
      await innocent();
    }
  });

  test("a hundred refused recipients of many clients are not held against the next (smtpd_soft_error_limit, smtpd_hard_error_limit)", async () => {
    const lane = stage.lane("Postfix");
    for (let i = 0; i < 25; i++) {
      const rcpt = [
        "MAIL FROM:<a@client.example>",
        ...Array<string>(4).fill("RCPT TO:<nobody@live.example>"),
      ];
      const replies = await dialogue(lane.front.port, rcpt, true);
      expect(replies.slice(1)).toEqual(Array<string>(4).fill(REFUSED.get("nobody@live.example")!));
    }
    await innocent();
    const errors = lane.back!.recordings.map(({ server }) =>
      Buffer.concat(server).toString("latin1").match(/^[45]\d\d /gm)?.length ?? 0
    );
    // From the tenth error on Postfix answers a second late, from the twentieth on not at all.
    expect(Math.max(...errors)).toBeLessThan(10);
  });
});

describePostfix("Postfix, which pipelines, with 50 recipients", () => {
  const list = Array.from({ length: 50 }, (_, i) => `list${i + 1}@live.example`);

  test("writes them in one go, and each gets the letter", async () => {
    const sent = letter({ to: list });
    expect((await stage.postfixSender.send(sent, stage.through("Postfix"))).ok).toBe(true);
    const lane = stage.lane("Postfix");
    const front = only(lane.front, sent);
    expect(front.recipients.length).toBe(50);
    expect(pipelined(sent)).toBe(true);
    expectRelayed(front, only(lane.back, sent));
    await expectStored(lane, sent, front.content, 50, true);
  });

  test("of which three are refused: those three bounce with Postfix's words, 47 get the letter", async () => {
    const refused = ["nobody@live.example", "closed@live.example", "you@elsewhere.example"];
    const sent = letter({ to: [...refused, ...list.slice(0, 47)] });
    const { ok, said } = await stage.postfixSender.send(sent, stage.through("Postfix"));
    expect(ok).toBe(false);
    const lane = stage.lane("Postfix");
    const front = only(lane.front, sent);
    expectRelayed(front, only(lane.back, sent));
    await expectStored(lane, sent, front.content, 47, true);
    expect(said.split("\n").filter((line) => line.includes(" sent ")).length).toBe(47);
    for (const address of refused) {
      const { reply } = front.recipients.find(({ line }) => line.includes(`<${address}>`))!;
      expect(said).toContain(`${address} bounced host 127.0.0.1[127.0.0.1] said: ${reply}`);
    }
  });

  /** Whether MAIL and all RCPTs came in one piece. */
  function pipelined(sent: Letter): boolean {
    const recording = stage.lane("Postfix").front.recordings.find(({ client }) =>
      client.some((bytes) => bytes.includes(sent.token))
    )!;
    const first = recording.client.find((bytes) => bytes.includes(`MAIL FROM:<${sent.token}`))!;
    return first.toString("latin1").split("RCPT TO:").length === 51;
  }
});

const withoutSink = receiverMissing("smtp-sink");
const REFUSALS = [
  ["MAIL", "-f", "553 5.1.8 This sender is not known here"],
  ["RCPT", "-f", "550 5.7.1 Not for you; ask <https://sink.example/why?x=1&y=2>"],
  ["RCPT", "-r", "450 4.7.0 Greylisted, come back in 5 minutes"],
  ["DATA", "-f", "554 5.6.0 No more today"],
  [".", "-f", "554 5.7.9 Message looks like spam (score 12.3)"],
  [".", "-r", "451 4.3.5 Scanner is resting"],
] as const;

for (const [verb, flag, text] of REFUSALS) {
  const title = `smtp-sink that answers ${verb === "." ? "the end of data" : verb} with ${text}`;
  if (withoutSink !== undefined) describe.skip(`${title} [${withoutSink}]`, () => {});
  else describe(title, () => refusing(verb, flag, text));
}

function refusing(verb: string, flag: "-f" | "-r", text: string): void {
  let folder: string;
  let sink: Receiver;
  let proxy: LiveProxy;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-live-"));
    sink = await sinkReceiver(folder, [flag === "-f" ? "-B" : "-b", text, flag, verb]);
    proxy = await startLiveProxy({ cwd: folder, backend: `127.0.0.1:${sink.port}` });
  });
  afterAll(async () => {
    await proxy?.process.stop();
    await sink?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const sender of [swaks, curl, smtplib, nodemailer, msmtp, snail] as readonly Sender[]) {
    const run = sender.missing === undefined ? test : test.skip;
    run(`${sender.name} hears it${sender.missing === undefined ? "" : ` [${sender.missing}]`}`, async () => {
      const { ok, said } = await sender.send(letter(), { port: proxy.port, security: "plain" });
      expect(ok).toBe(false);
      // curl tells a code only, but shows the dialogue; s-nail shows it too.
      expect(said).toContain(text);
    });
  }
}
