/**
 * Dot-stuffing there and back (RFC 5321 §4.5.2), and messages cut into any pieces: what one side writes the other
 * reads, octet for octet.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DotWriter, type Framing, type MessageChecks, MessageReader } from "../../src/smtp/data.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { normalized, readCounted, readData } from "../support/dialogue_reader.ts";

const CHECKS: MessageChecks = {
  headerBlock: Infinity,
  messageLine: Infinity,
  messageSize: Infinity,
  normalize: false,
};

/** Lines where dots, empty ones and 8-bit octets are common. */
const line = fc.string({
  unit: fc.constantFrom(".", ".", "a", " ", "\t", "\xff", "\x80", ":", "\x01"),
  maxLength: 12,
});
const message = fc.array(line, { maxLength: 20 }).map((lines) => lines.map((one) => `${one}\r\n`).join(""));
/** Octets where line ends of all kinds are common. */
const hostile = fc.string({
  unit: fc.constantFrom("\r", "\n", "\r\n", ".", "\r\n.", "\r\n.\r\n", "a", "\0", "\xff"),
  maxLength: 30,
});
/** Where to cut. */
const cuts = fc.array(fc.nat(60), { maxLength: 30 });

function pieces(octets: string, at: readonly number[]): string[] {
  const places = [
    0,
    ...at.map((place) => Math.min(place, octets.length)).sort((one, other) => one - other),
    octets.length,
  ];
  return places.slice(1).map((place, i) => octets.slice(places[i], place));
}

/** What DATA carries for a message written in pieces. */
function written(parts: readonly string[]): string {
  const writer = new DotWriter();
  const out: Uint8Array[] = [];
  for (const part of parts) writer.write(latin1(part), out);
  return [...out, writer.end()].map((bytes) => latin1Text(bytes)).join("");
}

function read(framing: Framing, parts: readonly string[], checks: Partial<MessageChecks> = {}) {
  const reader = new MessageReader(framing, { ...CHECKS, ...checks });
  let found = "";
  const take = () => reader.content.forEach((part) => found += latin1Text(part));
  for (const part of parts) {
    if (reader.ended) break;
    const view = latin1(part);
    reader.read(view, 0, view.length);
    take();
    view.fill(0x2e);
  }
  if (framing !== "dots") {
    reader.finish();
    take();
  }
  return { message: found, fault: reader.fault, ended: reader.ended };
}

test("what is written for a message reads back as that message, however both are cut", () => {
  fc.assert(
    fc.property(message, cuts, cuts, (octets, one, other) => {
      const wire = written(pieces(octets, one));
      expect(read("dots", pieces(wire, other))).toEqual({ message: octets, fault: undefined, ended: true });
      expect(readData(wire)).toMatchObject({ end: wire.length, message: octets, fault: undefined });
    }),
    { numRuns: 2000 },
  );
});

describe("what goes on the wire", () => {
  const rows: readonly (readonly [message: string, wire: string])[] = [
    ["", ".\r\n"],
    ["\r\n", "\r\n.\r\n"],
    [".\r\n", "..\r\n.\r\n"],
    ["..\r\n", "...\r\n.\r\n"],
    [".a\r\n", "..a\r\n.\r\n"],
    ["a.\r\n.\r\n.b\r\n", "a.\r\n..\r\n..b\r\n.\r\n"],
    ["a", "a\r\n.\r\n"],
    [".", "..\r\n.\r\n"],
    ["a\r\n.", "a\r\n..\r\n.\r\n"],
  ];
  for (const [octets, wire] of rows) {
    test(JSON.stringify(octets), () => {
      expect(written([octets])).toBe(wire);
      expect(written([...octets])).toBe(wire);
    });
  }
});

test("nothing that is written holds an end before its end, whatever the message holds", () => {
  fc.assert(
    fc.property(hostile, cuts, (octets, at) => {
      const wire = written(pieces(octets, at));
      const lax = /(?:^|\r\n|\n)\.(?:\r\n|\n)/.exec(wire)!;
      expect(lax.index + lax[0].length).toBe(wire.length);
    }),
    { numRuns: 2000 },
  );
});

describe("any chunking gives the same message and the same fault", () => {
  for (const normalize of [false, true]) {
    test(normalize ? "normalized" : "as it is", () => {
      fc.assert(
        fc.property(hostile, cuts, (octets, at) => {
          for (const framing of ["dots", "text", "binary"] as const) {
            const checks = { normalize: normalize && framing !== "binary" };
            const whole = read(framing, [octets], checks);
            const cut = read(framing, pieces(octets, at), checks);
            expect(cut.fault).toBe(whole.fault!);
            expect(cut.ended).toBe(whole.ended);
            if (whole.fault === undefined) expect(cut.message).toBe(whole.message);
          }
        }),
        { numRuns: 2000 },
      );
    });
  }
  test("normalized, it is what the reference makes of it", () => {
    fc.assert(fc.property(hostile, cuts, (octets, at) => {
      const all = `\r\n${octets}`;
      expect(read("text", pieces(all, at), { normalize: true }).message).toBe(normalized(all));
      expect(readCounted(all).message).toBe(all);
    }));
  });
  test("bounds too", () => {
    const bound = fc.integer({ min: 1, max: 30 });
    fc.assert(
      fc.property(hostile, cuts, bound, bound, bound, (octets, at, headerBlock, messageLine, messageSize) => {
        const checks = { headerBlock, messageLine, messageSize };
        const whole = read("dots", [octets], checks);
        expect(read("dots", pieces(octets, at), checks)).toMatchObject({
          fault: whole.fault,
          ended: whole.ended,
        });
      }),
      { numRuns: 2000 },
    );
  });
});
