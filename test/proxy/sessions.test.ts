/**
 * Random sessions between a client and a backend that takes mail: each command has one reply and in order, what is
 * answered 250 is with the backend octet for octet and nothing else is, however the client's octets are cut. The
 * backend may be as lax about the end of a message as any: it is never told two of them in one.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { definePlugin } from "../../src/policy/plugin.ts";
import { reject } from "../../src/policy/verdict.ts";
import { readCounted, readData } from "../support/dialogue_reader.ts";
import { Scene } from "../../src/testing/scene.ts";
import { FakeReceiver, LAX, STRICT, type Taken } from "../support/fake_receiver.ts";

/** A message, to whom, and how it is sent. */
interface Mail {
  readonly to: readonly string[];
  readonly octets: string;
  /** Sizes of chunks before the last; undefined for DATA. */
  readonly chunks: readonly number[] | undefined;
  /** The client thinks again. */
  readonly reset: boolean;
}

const mailbox = fc.constantFrom(
  "a@x.example",
  "b@x.example",
  "bad@x.example",
  "later@x.example",
  "refused@x.example",
);
const line = fc.string({ unit: fc.constantFrom(".", "a", " ", "\t", "\xff", ":", "QUIT"), maxLength: 8 });
const clean = fc.array(line, { maxLength: 8 }).map((lines) => lines.map((one) => `${one}\r\n`).join(""));
const bad = fc.constantFrom(
  "\n",
  "\r",
  "\n.\n",
  "\r.\r",
  "\n.\r\n",
  "\r\n\0.\n",
  "\r.\r\n",
  "\r\n.\rMAIL FROM:<evil@x.example>\r",
);
const dirty = fc.tuple(clean, bad, clean).map((parts) => parts.join(""));
const envelope = {
  to: fc.array(mailbox, { minLength: 1, maxLength: 3 }),
  reset: fc.integer({ max: 9, min: 0 }).map((n) => n === 0),
};
const none = fc.constant(undefined);
const mail: fc.Arbitrary<Mail> = fc.oneof(
  fc.record({ ...envelope, octets: clean, chunks: none }),
  fc.record({ ...envelope, octets: clean, chunks: fc.array(fc.nat(20), { maxLength: 4 }) }),
  fc.record({ ...envelope, octets: dirty, chunks: none }),
  fc.record({ ...envelope, octets: dirty, chunks: fc.constant([]) }),
);

/** The policy of the test: one mailbox is refused before the backend is asked. */
const refuse = definePlugin("refuse", () => ({
  onError: "defer",
  rcpt: (
    { forwardPath },
  ) => (forwardPath.mailbox === "refused@x.example" ? reject("5.7.1", "not him") : undefined),
}));

function answerTo(one: string): number {
  return one.startsWith("bad") || one.startsWith("refused") ? 550 : one.startsWith("later") ? 450 : 250;
}

/** What a client says for a mail, the codes it must hear, and what the backend must have then. */
function expected({ to, octets, chunks, reset }: Mail): { said: string; codes: number[]; taken: Taken[] } {
  const answers = to.map(answerTo);
  const start = `MAIL FROM:<s@y.example>\r\n${to.map((one) => `RCPT TO:<${one}>\r\n`).join("")}`;
  if (reset || !answers.includes(250)) {
    return { said: `${start}RSET\r\n`, codes: [250, ...answers, 250], taken: [] };
  }
  const taken = (
    message: string,
  ) => [{ from: "s@y.example", to: to.filter((one) => answerTo(one) === 250), message }];
  if (chunks === undefined) {
    const wire = `${octets.replace(/(^|\r\n)\./g, "$1..")}.\r\n`;
    const { end, fault, message } = readData(wire);
    // A message that does not end in CRLF needs one before its dot.
    const data = end === wire.length ? wire : `${wire.slice(0, -3)}\r\n.\r\n`;
    const read = end === wire.length ? { fault, message } : readData(data);
    const ok = read.fault === undefined;
    return {
      said: `${start}DATA\r\n${data}`,
      codes: [250, ...answers, 354, ok ? 250 : 550],
      taken: ok ? taken(read.message) : [],
    };
  }
  let at = 0;
  const parts = [...chunks, Infinity].map((size) => octets.slice(at, at += size));
  const said = parts.map((part, i) => `BDAT ${part.length}${i === chunks.length ? " LAST" : ""}\r\n${part}`)
    .join("");
  const ok = readCounted(octets).fault === undefined;
  const codes = [...chunks.map(() => 250), ok ? 250 : 550];
  return { said: start + said, codes: [250, ...answers, ...codes], taken: ok ? taken(octets) : [] };
}

/** The codes that a client hears. */
function codesOf(heard: string): number[] {
  return heard.split("\r\n").filter((one) => /^\d{3} /.test(one)).map((one) => Number(one.slice(0, 3)));
}

const backends = [
  ["chunks", ["PIPELINING", "8BITMIME", "CHUNKING"], STRICT],
  ["DATA only", ["8BITMIME"], STRICT],
  ["DATA only, and takes anything for its end", ["8BITMIME"], LAX],
] as const;

for (const [name, extensions, ends] of backends) {
  describe(`a backend that takes ${name}`, () => {
    test("has every message that was answered 250, and no other", () => {
      fc.assert(
        fc.property(
          fc.array(mail, { minLength: 1, maxLength: 4 }),
          fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 20 }),
          (mails, sizes) => {
            const scene = new Scene({ plugins: [refuse()], extensions, limits: { errors: Infinity } });
            const receiver = new FakeReceiver(scene, extensions, ends);
            const all = mails.map(expected);
            let said = `EHLO client.example\r\n${all.map((one) => one.said).join("")}QUIT\r\n`;
            scene.take();
            for (const size of sizes) {
              scene.send(said.slice(0, size));
              said = said.slice(size);
            }
            scene.send(said);
            expect(codesOf(scene.take())).toEqual([250, ...all.flatMap(({ codes }) => codes), 221]);
            expect(receiver.taken).toEqual(all.flatMap(({ taken }) => taken));
            expect(receiver.nonsense).toEqual([]);
            expect(
              receiver.commands.filter((command) =>
                command.includes("refused@") || command.includes("evil@")
              ),
            ).toEqual([]);
            expect(scene.counters.delivered).toBe(receiver.taken.length);
          },
        ),
        { numRuns: 400 },
      );
    });
  });
}
