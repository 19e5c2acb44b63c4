/**
 * Random sessions against the client-facing machine: one reply to each command and in order, the messages that the RFC
 * says are taken, the same however the stream is cut, and never a state that the table does not have. The generators
 * are test/fuzz/server.ts; `bun test/fuzz/run.ts` runs them by the million.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { play } from "../fuzz/server.ts";
import { run, TRIES } from "../fuzz/run.ts";

test("4,000 random sessions are answered as the model of a session has it, whole and cut up", () => {
  expect(run(TRIES.server.trial, 1, 4000)).toEqual([]);
});

test("the runner tells a stream that goes wrong", () => {
  expect(run((seed) => (seed % 10 === 3 ? "wrong" : undefined), 1, 30)).toEqual([
    "seed 3: wrong",
    "seed 13: wrong",
    "seed 23: wrong",
  ]);
});

const command = fc.constantFrom(
  "NOOP",
  "HELP",
  "RSET",
  "VRFY x",
  "EHLO x",
  "WIBBLE",
  "MAIL FROM:<a@x.example>",
  "DATA",
  "RCPT TO:<>",
);

test("every command has exactly one reply", () => {
  fc.assert(fc.property(fc.array(command, { maxLength: 6 }), (commands) => {
    const { codes } = play([commands.map((line) => `${line}\r\n`).join("")]);
    expect(codes.length).toBe(1 + commands.length);
  }));
});

test("octets of any kind in any pieces are read to their end or to a closed session", () => {
  const piece = fc.uint8Array({ maxLength: 60 }).map((bytes) => String.fromCharCode(...bytes));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(piece, command.map((line) => `${line}\r\n`)), { maxLength: 20 }),
      (pieces) => {
        const whole = play([pieces.join("")]);
        expect(play(pieces).codes).toEqual(whole.codes);
        expect(whole.codes[0]).toBe(220);
      },
    ),
    { numRuns: 500 },
  );
});

describe("octets that are cut before their end bring nothing", () => {
  const envelope = "EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<a@x.example>\r\n";
  const sent = [
    `${envelope}DATA\r\ns: x\r\n\r\nbody\r\n.\r\n`,
    `${envelope}BDAT 5\r\ns: x\rBDAT 7 LAST\r\n\n\r\nbody`,
  ];
  for (const stream of sent) {
    test(JSON.stringify(stream.slice(envelope.length)), () => {
      expect(play([stream]).messages.length).toBe(1);
      for (let end = 0; end < stream.length; end++) expect(play([stream.slice(0, end)]).messages).toEqual([]);
    });
  }
});
