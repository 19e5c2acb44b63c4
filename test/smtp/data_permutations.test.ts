/**
 * Every string of CR, LF, dot, NUL and a letter up to six long, in a header, after a header and within a line, read by
 * the message reader and by a reference that knows no states: rules 3 and 6 of the data path.
 */
import { describe, expect, test } from "bun:test";
import { type MessageChecks, type MessageFault, MessageReader } from "../../src/smtp/data.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { normalized, permutations, readCounted, readData } from "../support/dialogue_reader.ts";

const SYMBOLS = ["\r", "\n", ".", "\0", "a"];
const LENGTH = 6;
const STRINGS = permutations(SYMBOLS, LENGTH);
/** What stands before them. */
const PLACES: readonly (readonly [name: string, before: string])[] = [
  ["at the start of a message", ""],
  ["after the header", "s:\r\n\r\n"],
  ["within a line of the body", "s:\r\n\r\nx"],
];

const CHECKS: MessageChecks = {
  headerBlock: Infinity,
  messageLine: Infinity,
  messageSize: Infinity,
  normalize: false,
};

/** What the reader under test makes of reads of `size` octets. */
function read(framing: "dots" | "text" | "binary", octets: string, size: number, normalize: boolean) {
  const reader = new MessageReader(framing, { ...CHECKS, normalize });
  const bytes = latin1(octets);
  const parts: string[] = [];
  const take = () => reader.content.forEach((part) => parts.push(latin1Text(part)));
  let at = 0;
  while (at < bytes.length && !reader.ended) {
    const until = Math.min(bytes.length, at + size);
    at = reader.read(bytes, at, until);
    take();
    if (!reader.ended && at !== until) throw new Error("the reader stops without an end");
  }
  if (framing !== "dots") {
    reader.finish();
    take();
  }
  return {
    end: reader.ended ? at : undefined,
    fault: reader.fault,
    message: parts.join(""),
    size: reader.size,
  };
}

test(`there are ${(5 ** 7 - 1) / 4} strings`, () => {
  expect(new Set(STRINGS).size).toBe((5 ** 7 - 1) / 4);
});

/** Runs all strings at a place and names the first that fails: a test of 19,531 expectations costs seconds. */
function all(before: string, after: string, wrong: (octets: string) => unknown): void {
  for (const string of STRINGS) {
    const octets = before + string + after;
    const fault = wrong(octets);
    if (fault !== undefined) expect([JSON.stringify(octets), fault]).toEqual([]);
  }
  expect(STRINGS.length).toBeGreaterThan(19_000);
}

/** What differs between what was read and what should have been. */
function difference(read: object, wanted: Readonly<Record<string, unknown>>): unknown {
  for (const [key, value] of Object.entries(wanted)) {
    if ((read as Record<string, unknown>)[key] !== value) return { read, wanted };
  }
  return undefined;
}

const AFTER: readonly (readonly [name: string, after: string])[] = [
  ["as far as it goes", ""],
  ["with the true end behind it", "\r\n.\r\nQUIT\r\n"],
];

describe("DATA: only CRLF.CRLF ends a message, and a bare CR, a bare LF and a NUL in the header are seen", () => {
  for (const [place, before] of PLACES) {
    for (const [ending, after] of AFTER) {
      test(`${place}, ${ending}`, () => {
        all(before, after, (octets) => {
          const { end, fault, message } = readData(octets);
          const wanted = { end, fault, message: fault === undefined ? message : "" };
          return difference(read("dots", octets, Infinity, false), wanted);
        });
      });
      test(`${place}, ${ending}, octet by octet; what comes before a fault is the message's own`, () => {
        all(before, after, (octets) => {
          const { end, fault, faultAt, message } = readData(octets);
          const found = read("dots", octets, 1, false);
          const prefix = fault === undefined ? message : readData(octets.slice(0, faultAt)).message;
          return difference(found, { end, fault, message: prefix, size: prefix.length });
        });
      });
    }
  }
});

describe("DATA with normalizing: bare CR and LF become CRLF, and never an end", () => {
  const [, body, line] = PLACES;
  for (const [place, before] of [body!, line!]) {
    for (const [ending, after] of AFTER) {
      for (const size of [Infinity, 1]) {
        test(`${place}, ${ending}, ${size === 1 ? "octet by octet" : "whole"}`, () => {
          all(before, after, (octets) => {
            const { end, message } = readData(octets);
            const wanted = { end, fault: undefined, message: normalized(message) };
            return difference(read("dots", octets, size, true), wanted);
          });
        });
      }
    }
  }
});

test("DATA with normalizing: the header ends where it ends in what the backend gets", () => {
  all("", "\r\n.\r\n", (octets) => {
    const { end, message } = readData(octets);
    const given = normalized(message);
    const header = given.startsWith("\r\n") ? 0 : `${given}\r\n\r\n`.indexOf("\r\n\r\n");
    const fault = given.slice(0, header).includes("\0") ? "NUL in the header" : undefined;
    return difference(read("dots", octets, 1, true), { end, fault });
  });
});

describe("BDAT: dots mean nothing, and a CR at the very end is bare", () => {
  for (const [place, before] of PLACES) {
    for (const size of [Infinity, 1, 3]) {
      test(`${place}, in reads of ${size}`, () => {
        all(before, "", (octets) => {
          const { fault, message } = readCounted(octets);
          const found = read("text", octets, size, false);
          if (fault === undefined) return difference(found, { fault, message });
          return found.fault === fault && message.startsWith(found.message) ? undefined : found;
        });
      });
    }
  }
  test("normalized", () => {
    all("s:\r\n\r\n", "", (octets) => {
      return difference(read("text", octets, 2, true), { fault: undefined, message: normalized(octets) });
    });
  });
});

describe("BINARYMIME: past the header everything is as it is", () => {
  for (const size of [Infinity, 1, 2]) {
    test(`after the header, in reads of ${size}`, () => {
      all(
        "s:\r\n\r\n",
        "",
        (octets) => difference(read("binary", octets, size, false), { fault: undefined, message: octets }),
      );
    });
    test(`at the start of a message, where the rules of lines hold until the header ends, in reads of ${size}`, () => {
      all("", "", (octets) => {
        const header = octets.startsWith("\r\n") ? 2 : octets.indexOf("\r\n\r\n") + 4;
        const looked = header === 3 ? octets : octets.slice(0, header);
        const { fault } = readCounted(looked);
        const found = read("binary", octets, size, false);
        if (fault === undefined) return difference(found, { fault, message: octets });
        return found.fault === fault && octets.startsWith(found.message) ? undefined : found;
      });
    });
  }
});

describe("bounds of a message", () => {
  const bounded = (
    checks: Partial<MessageChecks>,
    octets: string,
    size: number,
  ): MessageFault | undefined => {
    const reader = new MessageReader("dots", { ...CHECKS, ...checks });
    const bytes = latin1(octets);
    for (let at = 0; at < bytes.length && !reader.ended;) {
      at = reader.read(bytes, at, Math.min(bytes.length, at + size));
    }
    expect(reader.ended).toBe(true);
    return reader.fault;
  };
  const rows: readonly (readonly [
    name: string,
    checks: Partial<MessageChecks>,
    octets: string,
    fault?: MessageFault,
  ])[] = [
    ["a message of exactly the limit", { messageSize: 6 }, "a:\r\n\r\n.\r\n"],
    ["a message one longer", { messageSize: 5 }, "a:\r\n\r\n.\r\n", "message too large"],
    ["stuffed dots do not count", { messageSize: 5 }, "..\r\n\r\n.\r\n"],
    ["a header of exactly the limit", { headerBlock: 6 }, "a:\r\n\r\nbody body\r\n.\r\n"],
    ["a header one longer", { headerBlock: 5 }, "a:b\r\n\r\n.\r\n", "header too large"],
    [
      "no header's end within the limit",
      { headerBlock: 10 },
      "body\r\nbody body\r\n.\r\n",
      "header too large",
    ],
    ["a line of exactly the limit, with its CRLF", { messageLine: 6 }, "abcd\r\n\r\nabcd\r\n.\r\n"],
    ["a line one longer", { messageLine: 6 }, "\r\nabcde\r\n.\r\n", "line too long"],
  ];
  for (const [name, checks, octets, fault] of rows) {
    for (const size of [Infinity, 1, 3]) {
      test(`${name}, in reads of ${size}`, () => {
        expect(bounded(checks, octets, size)).toBe(fault);
      });
    }
  }
});
