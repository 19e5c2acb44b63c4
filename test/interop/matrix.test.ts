// bun only: real servers
// Every sender to every mail server through `policies/pass.ts`: what the sender said is what the server heard, what the
// server answered is what the sender heard, and what is stored is what was sent. docs/interop.md says which case is for whom.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { bytesOf } from "../support/blackbox_bytes.ts";
import { eightBitBody, type Letter, letter, longBody } from "../support/live_letters.ts";
import { type Report, type Security, type Sender, swaksTls } from "../support/live_senders.ts";
import { Agenda } from "./agenda.ts";
import { carried, expectCarried, expectSent, expectStored } from "./checks.ts";
import { type Peer, REFUSED, SIZE_LIMIT } from "./peer.ts";
import { PEERS } from "./peers.ts";
import { record, writeMatrix } from "./results.ts";
import { Relays, SENDERS } from "./senders.ts";
import { type Lane, Stage } from "./stage.ts";

const withoutTls = new Map([["swaks", await swaksTls()]]);
let stage: Stage;
let relays: Relays;
const agenda = new Agenda();
/** How many letters are on their way at a time; the machine is no larger than that. */
const QUEUES = 3;

beforeAll(async () => {
  stage = await Stage.open(PEERS.filter(({ missing }) => missing === undefined));
  const targets = (await stage.lanes()).map((lane) =>
    (["plain", "starttls", "implicit"] as const).map((security) => stage.through(lane, security))
  );
  relays = await Relays.start((name) => stage.subfolder(name), targets);
  agenda.start();
}, 60_000);

afterAll(async () => {
  await relays?.stop();
  await stage?.close();
  await writeMatrix(PEERS, SENDERS);
});

PEERS.forEach((peer, row) => {
  SENDERS.forEach((sender, column) => {
    const reason = peer.missing ?? sender.missing;
    const title = `${sender.name} to ${peer.name}`;
    const cases = () => pair(sender, peer, row, column, reason);
    describe(reason === undefined ? title : `${title} [${reason}]`, cases);
  });
});

/** The cases of a pair; the dear ones go round, so that every sender and every server has each at least once. */
function pair(sender: Sender, peer: Peer, row: number, column: number, reason: string | undefined): void {
  const turn = (row + column) % 4 === 0;
  const others = peer.traits.oneRecipient === true ? [] : ["you@live.example"];
  const can = (what: "utf8") => sender.can.has(what) && peer.traits.can.has(what);

  check("mail", "two recipients, dots, octets above 127 and long lines: stored as sent", async (lane) => {
    const sent = letter({ to: [...others, "me@live.example"], body: body(sender, peer) });
    const report = await send(sender, lane, sent);
    expect([report.ok, report.said]).toEqual([true, report.said]);
    const fronts = expectCarried(lane, sent);
    expectSent(sender, sent, fronts);
    await expectStored(lane, sent, fronts);
  });

  if (peer.traits.can.has("refuse")) {
    check(
      "refused",
      "two recipients, one refused: the server's words, and the other's mail",
      async (lane) => {
        const sent = letter({ to: [...others, REFUSED], body: eight(sender) });
        await send(sender, lane, sent);
        const fronts = expectCarried(lane, sent);
        const replies = fronts.flatMap(({ recipients }) => recipients.map(({ reply }) => reply));
        expect(replies.filter((reply) => /^5/.test(reply)).length).toBe(1);
        await expectStored(lane, sent, fronts);
      },
    );
  }

  if (can("utf8")) {
    check("utf8", "SMTPUTF8 addresses and fields: stored as sent", async (lane) => {
      const sent = letter({
        to: ["jürgen@live.example"],
        sender: "grüße-",
        subject: "Grüße",
        body: eightBitBody(),
      });
      const report = await send(sender, lane, sent);
      expect([report.ok, report.said]).toEqual([true, report.said]);
      const fronts = expectCarried(lane, sent);
      expectSent(sender, sent, fronts);
      await expectStored(lane, sent, fronts);
    });
  }

  if (peer.traits.can.has("size") && turn) {
    check(
      "size",
      "a message that is too large: refused in the server's words, nothing stored",
      async (lane) => {
        const sent = letter({ body: longBody(SIZE_LIMIT + 50_000) });
        const report = await send(sender, lane, sent);
        // Without SIZE nothing tells dma and s-nail but the reply, and dma keeps what it hears to itself.
        if (sender.name !== "dma") expect(report.ok).toBe(false);
        for (const { outcome } of expectCarried(lane, sent)) expect(outcome).toMatch(/^5/);
        expect(lane.running.stored(sent.token)).toEqual([]);
      },
    );
  }

  for (const security of ["starttls", "implicit"] as const) {
    if (!sender.can.has(security) || (row + column) % PEERS.length !== (security === "starttls" ? 0 : 1)) {
      continue;
    }
    check(security, `${security} with the certificate verified: stored as sent`, async (lane) => {
      const sent = letter({ body: eight(sender) });
      const report = await send(sender, lane, sent, security);
      expect([report.ok, report.said]).toEqual([true, report.said]);
      const tap = security === "implicit" ? lane.implicit : lane.front;
      const readable = tap.recordings.filter(({ client }) => Buffer.concat(client).includes(sent.token));
      expect(readable.length).toBe(0);
      await expectStored(lane, sent, carried(lane, sent));
    }, reason ?? withoutTls.get(sender.name));
  }

  function check(kind: string, title: string, work: (lane: Lane) => Promise<void>, missing = reason): void {
    if (missing !== undefined) {
      test.skip(missing === reason ? title : `${title} [${missing}]`, () => {});
      return;
    }
    // OpenSMTPD keeps a connection for another message, and looks once a second whether there is one.
    const queue = sender.name === "OpenSMTPD" ? `${sender.name} to ${peer.name}` : String(column % QUEUES);
    const done = agenda.add(queue, async () => {
      await work(await stage.lane(peer));
      record(sender, peer, kind);
    });
    test(title, () => done);
  }
}

function send(sender: Sender, lane: Lane, sent: Letter, security: Security = "plain"): Promise<Report> {
  const target = stage.through(lane, security);
  return relays.of(sender, target).send(sent, target);
}

/** Senders that fold a long line, or split it, by themselves. */
const FOLDING: readonly string[] = ["Sendmail", "dma", "s-nail"];

/** Lines that a careless program would stuff, unstuff, fold, join, escape or end at. */
function body(sender: Sender, peer: Peer): Buffer {
  const long = !FOLDING.includes(sender.name) && peer.traits.longestLine === undefined;
  const lines = [
    ".",
    "..",
    ".a line with a dot before it",
    "",
    "From the first word on, this is what mbox escapes",
    "QUIT",
    " . ",
    "trailing blanks  ",
    "y".repeat(900),
    ...long ? [`.${"d".repeat(997)}`, "z".repeat(5000)] : [],
    "last",
    ".",
  ];
  const text = bytesOf(lines.map((line) => `${line}\r\n`).join(""));
  return Buffer.concat([eight(sender), text]);
}

/** Octets above 127 in every message: Courier writes the header of one anew that declares them and has none. */
function eight(sender: Sender): Buffer {
  // s-nail declares a charset and keeps to it.
  return sender.name === "s-nail" ? Buffer.from("Grüße aus Köln, 日本語\r\n") : eightBitBody();
}
