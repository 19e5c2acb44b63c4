/**
 * The end-of-data look-alikes of all public SMTP smuggling tools (../shared/vectors/smuggling): in DATA, after BDAT, in
 * one write with all else and split at every octet, towards a strict backend and one that takes any of them for an end.
 * No backend ever sees a second message, and no message is cut in two. NULs in a body pass as they are: what a backend
 * makes of them that drops them is not reckoned with, since exact octets go before.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { latin1Text } from "../../src/smtp/reply.ts";
import { readCounted, readData } from "../support/dialogue_reader.ts";
import { Scene, type SceneOptions } from "../../src/testing/scene.ts";
import { withVectors } from "../support/dialogue_vectors.ts";
import { FakeReceiver, LAX, STRICT } from "../support/fake_receiver.ts";

interface Sequence {
  readonly bytes: string;
  readonly b64: string;
  readonly contains_genuine_eod: boolean;
}

const SEQUENCES = 20;
const ENVELOPE = "EHLO client.example\r\nMAIL FROM:<good@x.example>\r\nRCPT TO:<b@y.example>\r\n";
const SMUGGLED =
  "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@y.example>\r\nDATA\r\nFrom: admin@y.example\r\n\r\nsmuggled\r\n.\r\n";

/** A conversation, and what came of it. */
interface Outcome {
  readonly codes: number[];
  readonly taken: FakeReceiver["taken"];
  readonly commands: readonly string[];
}

async function play(writes: readonly string[], ends: RegExp, options: SceneOptions = {}): Promise<Outcome> {
  const extensions = options.extensions ?? ["PIPELINING"];
  const scene = new Scene({ ...options, extensions });
  const receiver = new FakeReceiver(scene, extensions, ends);
  for (const write of writes) scene.send(write);
  await scene.rest();
  const codes = scene.take().split("\r\n").filter((line) => /^\d{3} /.test(line)).map((line) =>
    Number(line.slice(0, 3))
  );
  return { codes: codes.slice(1), taken: receiver.taken, commands: receiver.commands };
}

/** Whatever stands between the first message and the true end, nothing of it became a transaction. */
function expectOne({ taken, commands }: Outcome, delivered: boolean): void {
  expect(commands.filter((command) => /evil|victim/.test(command))).toEqual([]);
  expect(taken.map(({ from }) => from)).toEqual(delivered ? ["good@x.example"] : []);
}

withVectors("smuggling", "smuggling", `${SEQUENCES} sequences`, (folder) => {
  const { sequences } = JSON.parse(readFileSync(new URL("eod-sequences.json", folder), "utf8")) as {
    sequences: Sequence[];
  };

  test(`all ${SEQUENCES} sequences are read`, () => {
    expect(sequences.length).toBe(SEQUENCES);
  });

  for (const { bytes, b64, contains_genuine_eod: genuine } of sequences) {
    const sequence = latin1Text(Uint8Array.from(atob(b64), (sign) => sign.charCodeAt(0)));
    const message = `Subject: x\r\n\r\nfirst${sequence}${SMUGGLED}`;
    /** Up to the true end of the first message. */
    const { end, fault } = readData(message);

    if (genuine) {
      // The end is a true one: what follows is the same client's next commands, and meets the same policy.
      for (const [name, ends] of [["strict", STRICT], ["lax", LAX]] as const) {
        test(`${bytes} ends the message where it says, for a ${name} backend too`, async () => {
          const { codes, taken } = await play([`${ENVELOPE}DATA\r\n${message}`], ends);
          expect(codes.slice(0, 5)).toEqual([250, 250, 250, 354, 250]);
          expect(taken[0]!.message).toBe(readData(message).message);
          for (let at = 1; at < message.length; at++) {
            const cut = await play([`${ENVELOPE}DATA\r\n`, message.slice(0, at), message.slice(at)], ends);
            expect([cut.codes, cut.taken]).toEqual([codes, taken]);
          }
        });
      }
      continue;
    }

    test(`${bytes} does not end a message: it is refused, or passed on as one`, async () => {
      expect(message.slice(end! - 5, end)).toBe("\r\n.\r\n");
      expect(end).toBe(message.length);
      const wanted = [250, 250, 250, 354, fault === undefined ? 250 : 550];
      for (const ends of [STRICT, LAX]) {
        const whole = await play([`${ENVELOPE}DATA\r\n${message}`], ends);
        expect(whole.codes).toEqual(wanted);
        expectOne(whole, fault === undefined);
        for (let at = 1; at < message.length; at++) {
          const cut = await play([`${ENVELOPE}DATA\r\n`, message.slice(0, at), message.slice(at)], ends);
          expect(cut.codes).toEqual(wanted);
          expectOne(cut, fault === undefined);
        }
        const octets = await play([ENVELOPE, "DATA\r\n", ...message], ends);
        expect(octets.codes).toEqual(wanted);
        expectOne(octets, fault === undefined);
      }
    });

    test(`${bytes} in a chunk, and at the end of one`, async () => {
      for (const extensions of [["CHUNKING"], []]) {
        for (const ends of [STRICT, LAX]) {
          for (
            const first of [
              message.length,
              `Subject: x\r\n\r\nfirst${sequence}`.length,
              message.indexOf("first") + 5,
            ]
          ) {
            const chunks = [message.slice(0, first), message.slice(first)];
            const said = chunks.map((chunk, i) => `BDAT ${chunk.length}${i === 1 ? " LAST" : ""}\r\n${chunk}`)
              .join("");
            const outcome = await play([ENVELOPE + said], ends, { extensions });
            const bad = readCounted(message).fault !== undefined;
            expect(outcome.codes.at(-1) === 250).toBe(!bad);
            expect(outcome.codes.filter((code) => code === 550).length).toBe(bad ? 1 : 0);
            expectOne(outcome, !bad);
          }
        }
      }
    });

    test(`${bytes} normalized is one message of lines`, async () => {
      const { codes, taken } = await play([`${ENVELOPE}DATA\r\n${message}`], LAX, {
        bareLineFeeds: "normalize",
      });
      expect(codes).toEqual([250, 250, 250, 354, 250]);
      expect(taken.map(({ from }) => from)).toEqual(["good@x.example"]);
      expect(taken[0]!.message).not.toMatch(/(?<!\r)\n|\r(?!\n)/);
    });
  }
});
