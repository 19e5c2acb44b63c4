/** The reader of command lines: RFC 5321 §2.3.8 and §4.5.3.1.4. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LineReader } from "../../src/smtp/lines.ts";
import { latin1 } from "../../src/smtp/reply.ts";

/** What a reader makes of writes: lines, then the fault that stopped it, if any. */
function readAll(writes: readonly string[], limit = 100): string[] {
  const reader = new LineReader();
  const found: string[] = [];
  for (const write of writes) {
    const view = latin1(write);
    reader.push(view);
    for (;;) {
      const line = reader.line(limit);
      if (line === undefined) break;
      if (typeof line !== "string") return [...found, `(${line.fault})`];
      found.push(line);
    }
    reader.keep();
    view.fill(0x5a);
  }
  return found;
}

/** The same, thought out anew: cut at CRLF, then look at each piece and at the first octets of the last. */
function expected(octets: string, limit: number): string[] {
  const pieces = octets.split("\r\n");
  const rest = pieces.pop()!;
  const found: string[] = [];
  for (const piece of pieces) {
    const fault = faultOf(`${piece}\r\n`.slice(0, limit)) ??
      (piece.length + 2 > limit ? "too long" : undefined);
    if (fault !== undefined) return [...found, `(${fault})`];
    found.push(piece);
  }
  const fault = faultOf(rest.slice(0, limit)) ?? (rest.length >= limit ? "too long" : undefined);
  return fault === undefined ? found : [...found, `(${fault})`];
}

function faultOf(piece: string): string | undefined {
  for (let i = 0; i < piece.length; i++) {
    const [sign, next] = [piece[i], piece[i + 1]];
    if (sign === "\0") return "NUL";
    if (sign === "\n") return "bare LF";
    if (sign !== "\r" || next === undefined) continue;
    if (next !== "\n") return next === "\0" ? "NUL" : "bare CR";
    i++;
  }
  return undefined;
}

describe("a line is what stands before CRLF", () => {
  const rows: readonly (readonly [writes: readonly string[], found: readonly string[]])[] = [
    [["NOOP\r\n"], ["NOOP"]],
    [["\r\n"], [""]],
    [["a\r\nb\r\n\r\nc"], ["a", "b", ""]],
    [["a", "b", "\r", "\n", "c\r\n"], ["ab", "c"]],
    [["a\r", "\nb\r", "\n"], ["a", "b"]],
    [["\x80\xff\x0d\n"], ["\x80\xff"]],
    [["a\tb\x0b\x0c\x7f\r\n"], ["a\tb\x0b\x0c\x7f"]],
  ];
  for (const [writes, found] of rows) {
    test(JSON.stringify(writes), () => {
      expect(readAll(writes)).toEqual([...found]);
    });
  }
});

describe("a fault is told as soon as it is there, without the line's end", () => {
  const rows: readonly (readonly [writes: readonly string[], fault: string])[] = [
    [["a\n"], "(bare LF)"],
    [["\n"], "(bare LF)"],
    [["a\rb"], "(bare CR)"],
    [["a\r", "b"], "(bare CR)"],
    [["\r\r"], "(bare CR)"],
    [["a\r\r\n"], "(bare CR)"],
    [["a\0"], "(NUL)"],
    [["\r\0"], "(NUL)"],
    [["x".repeat(100)], "(too long)"],
    [["x".repeat(99), "x"], "(too long)"],
    [[`${"x".repeat(99)}\r\n`], "(too long)"],
  ];
  for (const [writes, fault] of rows) {
    test(JSON.stringify(writes).slice(0, 30), () => {
      expect(readAll(writes)).toEqual([fault]);
    });
  }
});

test("the limit counts CRLF", () => {
  expect(readAll([`${"x".repeat(98)}\r\n`])).toEqual(["x".repeat(98)]);
  expect(readAll(["x".repeat(98), "\r", "\n"])).toEqual(["x".repeat(98)]);
  expect(readAll(["x".repeat(99)])).toEqual([]);
});

/** Octets where every other one matters. */
const hostile = fc.string({
  unit: fc.constantFrom("\r", "\n", "\r\n", "\0", "a", "bc", "\xff"),
  maxLength: 40,
});

test("any chunking finds the lines and the fault that the whole has", () => {
  fc.assert(
    fc.property(
      hostile,
      fc.array(fc.nat(12), { maxLength: 12 }),
      fc.integer({ min: 1, max: 30 }),
      (octets, sizes, limit) => {
        const writes: string[] = [];
        let at = 0;
        for (const size of sizes) writes.push(octets.slice(at, at += size));
        writes.push(octets.slice(at));
        expect(readAll(writes, limit)).toEqual(expected(octets, limit));
      },
    ),
    { numRuns: 2000 },
  );
});

describe("a line that is too long is dropped up to its CRLF", () => {
  /** Pushes each write, skips until a CRLF was found, and gives the next line. */
  function afterSkip(writes: readonly string[]): { found: boolean[]; line: unknown } {
    const reader = new LineReader();
    const found = writes.map((write) => {
      reader.push(latin1(write));
      const skipped = reader.skipLine();
      // Nothing is kept of it but a CR, whose LF may come.
      if (!skipped) expect(reader.length).toBe(write.endsWith("\r") ? 1 : 0);
      return skipped;
    });
    return { found, line: reader.line(100) };
  }

  test("in one write", () => {
    expect(afterSkip(["xxxx\r\nNOOP\r\n"])).toEqual({ found: [true], line: "NOOP" });
  });
  test("between the writes", () => {
    expect(afterSkip(["xxxx", "xxxx\r\nNOOP\r\n"])).toEqual({ found: [false, true], line: "NOOP" });
  });
  test("cut between CR and LF", () => {
    expect(afterSkip(["xxxx\r", "\nNOOP\r\n"])).toEqual({ found: [false, true], line: "NOOP" });
  });
  test("a bare LF or CR is no end of it", () => {
    expect(afterSkip(["x\nx\rx\n", "\r\r\nNOOP\r\n"])).toEqual({ found: [false, true], line: "NOOP" });
  });
  test("a CR at the end of one write and an LF after other octets are no end of it", () => {
    expect(afterSkip(["x\r", "x\n", "x\r\nNOOP\r\n"])).toEqual({ found: [false, false, true], line: "NOOP" });
  });
});

test("what is skipped by someone else is not read again", () => {
  const reader = new LineReader();
  reader.push(latin1("abcdefNOOP\r\n"));
  reader.skipTo(6);
  expect(reader.line(100)).toBe("NOOP");
  expect(reader.length).toBe(0);
  reader.push(latin1("x"));
  reader.clear();
  expect(reader.length).toBe(0);
  expect(reader.line(100)).toBeUndefined();
});

test("a line that is only looked at is the line that is then taken off", () => {
  const octet = fc.constantFrom("a", "b", " ", "\r\n", "\r\n", "\r", "\n", "\0", "\xff");
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 30 }), fc.integer({ min: 3, max: 12 }), (octets, limit) => {
      const reader = new LineReader();
      reader.push(latin1(octets.join("")));
      for (;;) {
        const seen = reader.peek(reader.at, limit);
        const taken = reader.line(limit);
        expect(seen?.line).toBe(typeof taken === "string" ? taken : undefined);
        if (typeof taken !== "string") return;
        expect(seen?.end).toBe(reader.at);
      }
    }),
  );
});

test("the end of the unread octets is compared in any case, and octets that were read do not count", () => {
  const reader = new LineReader();
  reader.push(latin1("x\r\ndAtA\r\n"));
  expect(reader.endsWith("DATA\r\n")).toBe(true);
  reader.line(100);
  expect(reader.endsWith("DATA\r\n")).toBe(true);
  expect(reader.endsWith("X\r\nDATA\r\n")).toBe(false);
  reader.line(100);
  expect(reader.endsWith("DATA\r\n")).toBe(false);
  expect(reader.endsWith("")).toBe(true);
});
