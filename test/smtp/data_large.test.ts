/**
 * Large reads, of which the message reader looks at several octets at a time: what matters is found wherever it stands,
 * however the read lies in memory, and no octet is taken for another.
 */
import { describe, expect, test } from "bun:test";
import { type MessageChecks, MessageReader } from "../../src/smtp/data.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { readCounted, readData } from "../support/dialogue_reader.ts";

const CHECKS: MessageChecks = {
  headerBlock: Infinity,
  messageLine: Infinity,
  messageSize: Infinity,
  normalize: false,
};
/** More than the reader needs to begin with several at a time. */
const LONG = 5000;
/** Octets next to those that matter, with the highest bit and without. */
const FILLS = [0x0e, 0x20, 0x2e, 0x41, 0x7f, 0x80, 0x8a, 0x8d, 0x8e, 0xff];
const OFFSETS = [0, 1, 2, 3, 4, 5, 6, 7];

/** One read of octets that begin `offset` octets into their memory, with others around. */
function read(framing: "dots" | "text", octets: string, offset: number) {
  const memory = new Uint8Array(octets.length + 16).fill(10);
  memory.set(latin1(octets), offset);
  const bytes = memory.subarray(offset, offset + octets.length);
  const reader = new MessageReader(framing, CHECKS);
  const end = reader.read(bytes, 0, bytes.length);
  const message = reader.content.map((part) => latin1Text(part)).join("");
  return { end: reader.ended ? end : undefined, fault: reader.fault, message };
}

describe("a run of one octet is passed over, whatever the octet and wherever it lies", () => {
  for (const fill of FILLS) {
    test(`0x${fill.toString(16)}`, () => {
      for (const offset of OFFSETS) {
        for (const length of [LONG, LONG + 1, LONG + 2, LONG + 3]) {
          const octets = `\r\nx${String.fromCharCode(fill).repeat(length)}`;
          expect(read("dots", octets, offset)).toEqual({ end: undefined, fault: undefined, message: octets });
        }
      }
    });
  }
});

/** What may stand within a run, and must be seen there. */
const PIECES = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  "\t",
  "\x0d\x0e",
  "\r\n.\r\n",
  "\r\n..",
  "\r\n.x",
  "\n.\n",
  "\x0b\x0c",
  "\r\r\n",
];

describe("what matters is seen at every place of a run", () => {
  for (const piece of PIECES) {
    test(JSON.stringify(piece), () => {
      for (const offset of OFFSETS) {
        for (const fill of ["\x0e", "a", "\x80", "\xff", "\x8d"]) {
          for (let place = 0; place < 12; place++) {
            for (const at of [place, LONG / 2 + place, LONG - place]) {
              const octets = `\r\n${fill.repeat(at)}${piece}${fill.repeat(LONG - at)}`;
              const { end, fault, message } = readData(octets);
              const wanted = { end, fault, message: fault === undefined ? message : "" };
              const found = read("dots", octets, offset);
              if (found.end !== end || found.fault !== fault || found.message !== wanted.message) {
                expect({ offset, fill, at, ...found }).toEqual({ offset, fill, at, ...wanted });
              }
            }
          }
        }
      }
      expect(readCounted(piece).message).toBe(piece);
    });
  }
});

test("a NUL in a large header is seen, in a large body it is an octet like others", () => {
  const field = `s: ${"x".repeat(LONG)}`;
  for (const offset of OFFSETS) {
    for (let place = 3; place < 12; place++) {
      const header = `${field.slice(0, LONG / 2 + place)}\0${field}\r\n\r\n`;
      expect(read("text", header, offset).fault).toBe("NUL in the header");
      expect(read("text", `\r\n${header}`, offset).fault).toBeUndefined();
    }
  }
});

test("a large read may begin and end anywhere within its memory", () => {
  const octets = latin1(`\r\n${"x".repeat(LONG)}\r\n.\r\nQUIT\r\n`);
  for (const start of OFFSETS) {
    const memory = new Uint8Array(octets.length + start + 9).fill(13);
    memory.set(octets, start);
    const reader = new MessageReader("dots", CHECKS);
    expect(reader.read(memory, start, start + octets.length)).toBe(start + octets.length - 6);
    expect(reader.size).toBe(LONG + 4);
  }
});
