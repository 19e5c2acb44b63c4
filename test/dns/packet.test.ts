/**
 * DNS messages as bytes: what a query looks like, whose answer a message is, and what is read of it.
 */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "bun:test";
import { type Answer, decode, encode } from "dns-packet";
import fc from "fast-check";
import { endOfSections, isReplyTo } from "../../src/dns/frame.ts";
import { decodeReply, encodeQuery, mixedCase } from "../../src/dns/packet.ts";

const QUESTION = { name: "mail.example.org", type: "TXT" } as const;
const query = encodeQuery(QUESTION, true);

/** A reply with these records. */
function reply(answers: readonly Answer[], change: Parameters<typeof encode>[0] = {}): Buffer {
  const questions = [{ name: QUESTION.name, type: QUESTION.type }];
  return encode({ type: "response", id: 0, flags: 0x180, questions, answers: [...answers], ...change });
}

/** The same octets, some of them replaced. */
function bent(bytes: Uint8Array, at: number, ...octets: number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(octets, at < 0 ? copy.length + at : at);
  return copy;
}

const record = <T extends Answer["type"]>(type: T, data: unknown, ttl = 300, name: string = QUESTION.name) =>
  ({ name, type, ttl, data }) as Answer;

describe("a query", () => {
  test("asks one question of class IN, wants recursion, and has room for 1232 octets", () => {
    const packet = decode(Buffer.from(query));
    expect(packet).toMatchObject({
      type: "query",
      flag_rd: true,
      questions: [{ ...QUESTION, class: "IN" }],
      answers: [],
      additionals: [{ type: "OPT", udpPayloadSize: 1232, ednsVersion: 0, flag_do: false, options: [] }],
    });
  });

  test("has no EDNS where that is not wanted", () => {
    expect(decode(Buffer.from(encodeQuery(QUESTION, false))).additionals).toEqual([]);
  });

  test("is whole with the longest name", () => {
    const name = `${"a".repeat(63)}.`.repeat(3) + "b".repeat(61);
    const bytes = encodeQuery({ name, type: "A" }, false);
    expect(bytes).toHaveLength(12 + 255 + 4);
    expect(decode(Buffer.from(bytes)).questions?.[0]?.name).toBe(name);
  });

  test("in mixed case changes letters only, by chance", () => {
    const chance = [0.1, 0.9, 0.4, 0.6];
    expect(mixedCase("ab-1.cd", () => chance.shift()!)).toBe("aB-1.cD");
  });
});

describe("a message is the answer to a query", () => {
  const answer = reply([]);
  const shouting = Buffer.from(answer.toString("latin1").replace("mail", "MaiL"), "latin1");
  test.each([
    ["as it should be", answer, true],
    ["with letters in another case", shouting, true],
    ["not with another id", bent(answer, 1, 7), false],
    ["not when it is a query", bent(answer, 2, answer[2]! & 0x7f), false],
    ["not with another opcode", bent(answer, 2, answer[2]! | 0x28), false],
    ["not with another name", bent(answer, 13, 0x6e), false],
    ["not with another type", bent(answer, -3, 1), false],
    ["not with another class", bent(answer, -1, 3), false],
    ["not with two questions", bent(answer, 5, 2), false],
    ["not with part of a question", answer.subarray(0, -1), false],
    ["not when it has no question", bent(answer, 5, 0).subarray(0, 12), false],
    ["not with part of a header", answer.subarray(0, 11), false],
    ["not when it is empty", answer.subarray(0, 0), false],
    // "M" and a carriage return differ by the bit that "m" and "M" differ by.
    ["not with a control character for a letter", bent(answer, 13, 0x0d), false],
  ])("%s", (_, bytes, is) => {
    expect(isReplyTo(bytes, query, false)).toBe(is);
  });

  test("not with letters in another case, where the case is a secret", () => {
    expect(isReplyTo(answer, query, true)).toBe(true);
    expect(isReplyTo(shouting, query, true)).toBe(false);
  });

  test.each([
    [1, true],
    [2, true],
    [4, true],
    [5, true],
    [0, false],
    [3, false],
  ])("with rcode %d and a header alone: %s", (rcode, is) => {
    const header = bent(bent(answer, 5, 0).subarray(0, 12), 3, 0x80 | rcode);
    expect(isReplyTo(header, query, false)).toBe(is);
    expect(isReplyTo(header, query, true)).toBe(false);
  });
});

describe("a record of type", () => {
  const soa = { serial: 1, refresh: 2, retry: 3, expire: 4 };
  test.each<[Answer["type"], unknown, unknown]>([
    ["A", "192.0.2.1", "192.0.2.1"],
    ["AAAA", "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["AAAA", "2001:0:0:1::1", "2001:0:0:1::1"],
    ["CNAME", "WWW.Example.org", "www.example.org"],
    ["NS", "NS.example.org", "ns.example.org"],
    ["PTR", "Mail.Example.org", "mail.example.org"],
    ["MX", { exchange: "MX.example.org", preference: 10 }, { exchange: "mx.example.org", priority: 10 }],
    ["MX", { exchange: ".", preference: 0 }, { exchange: "", priority: 0 }],
    [
      "SRV",
      { target: "A.example.org", port: 25, priority: 1, weight: 2 },
      { name: "a.example.org", port: 25, priority: 1, weight: 2 },
    ],
    [
      "SOA",
      { mname: "NS.example.org", rname: "hostmaster.example.org", minimum: 5, ...soa },
      { nsname: "ns.example.org", hostmaster: "hostmaster.example.org", minttl: 5, ...soa },
    ],
    [
      "TLSA",
      { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from([1, 2]) },
      { usage: 3, selector: 1, matchingType: 1, certificate: Uint8Array.of(1, 2) },
    ],
    ["TXT", ["v=spf1 ", "-all"], ["v=spf1 ", "-all"]],
    ["TXT", [Buffer.from([0xc3, 0xbc, 0xff, 0])], ["\xc3\xbc\xff\0"]],
    ["TXT", ["x".repeat(255), "", "y"], ["x".repeat(255), "", "y"]],
  ])("%s is read: %j", (type, data, read) => {
    const message = decodeReply(reply([record(type, data, 60)]));
    expect(message?.answers).toEqual([{ type, name: QUESTION.name, ttl: 60, data: read }] as never);
  });
});

describe("a record is passed over", () => {
  const good = record("TXT", ["good"]);
  test.each([
    ["of a type that nobody asks for", record("HINFO", { cpu: "a", os: "b" })],
    ["of another class", { ...record("TXT", ["bad"]), class: "CH" } as Answer],
    ["with mDNS's flush bit in its class", { ...record("TXT", ["bad"]), flush: true } as Answer],
    ["that leads to a name with a line end", record("PTR", "a\r\nb.example")],
    ["that leads to a name with a space", record("CNAME", "a b.example")],
    ["that leads to a name outside ASCII", record("MX", { exchange: "bücher.example", preference: 1 })],
    ["of a server with a NUL in its name", record("SRV", { target: "a\0.example", port: 1 })],
    ["of a zone with a control character", record("SOA", { mname: "a\x07", rname: "b" })],
    ["of a name outside ASCII", record("TXT", ["bad"], 1, "bücher.example")],
  ])("%s", (_, bad) => {
    expect(decodeReply(reply([bad, good]))?.answers.map(({ data }) => data)).toEqual([["good"]]);
  });
});

test("a time to live with its highest bit set is none (RFC 2181 §8)", () => {
  const ttls = [0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0];
  expect(decodeReply(reply(ttls.map((ttl) => record("A", "192.0.2.1", ttl))))?.answers.map(({ ttl }) => ttl))
    .toEqual([0x7fff_ffff, 0, 0, 0]);
});

test("the upper bits of a code are EDNS's: BADVERS is no empty answer", () => {
  const opt = { type: "OPT", name: ".", udpPayloadSize: 512, extendedRcode: 1, flags: 0, options: [] };
  const message = decodeReply(reply([], { additionals: [opt as unknown as Answer] }));
  expect(message?.rcode).toBe(16);
});

test("what is shared among those who ask cannot be changed by one of them", () => {
  const message = decodeReply(reply([
    record("TXT", ["a"]),
    record("MX", { exchange: "mx.example", preference: 1 }),
  ]));
  expect(message?.answers.map(({ data }) => Object.isFrozen(data))).toEqual([true, true]);
});

describe("no message is read", () => {
  const address = reply([record("A", "192.0.2.1")]);
  const text = reply([record("TXT", ["abc"])]);
  const lying = reply([record("NS", "ns.example.org"), record("A", "192.0.2.1")]);
  const nsLength = lying.indexOf(Buffer.from("\x02ns", "latin1")) - 1;
  test.each([
    ["of nothing", Buffer.alloc(0)],
    ["of part of a header", address.subarray(0, 11)],
    ["whose question is not all there", address.subarray(0, 20)],
    ["whose record is not all there", address.subarray(0, -1)],
    ["that claims more records than it has", bent(address, 7, 2)],
    ["that claims 65535 records", bent(address, 6, 0xff, 0xff)],
    ["with an address of three octets", Buffer.concat([bent(address, -5, 3).subarray(0, -1)])],
    ["with an address of five octets", Buffer.concat([bent(address, -5, 5), Buffer.alloc(1)])],
    ["with a string longer than its record", bent(text, -4, 200)],
    ["with a name longer than its record", bent(lying, nsLength, lying[nsLength]! - 1)],
    ["whose name points at itself", bent(address, 12, 0xc0, 12)],
    ["whose name points ahead", bent(address, 12, 0xc0, 40)],
    ["with a label of a kind that there is not", bent(address, 12, 0x80)],
  ])("%s", (_, bytes) => {
    expect(decodeReply(bytes)).toBeUndefined();
  });

  test("whose name is a chain of pointers longer than a name", () => {
    const loop = Buffer.concat([
      address,
      Buffer.from([0x3f]),
      Buffer.alloc(63, 0x61),
      Buffer.from([0xc0, 12]),
    ]);
    const pointing = bent(loop, 7, 2);
    expect(decodeReply(pointing)).toBeUndefined();
  });
});

test("a compressed name is read", () => {
  // Written by hand, for dns-packet writes none: the owner points to the question, the target into it.
  const bytes = Buffer.concat([
    bent(reply([]), 7, 1),
    Buffer.from([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3, 0x77, 0x77, 0x77, 0xc0, 17]),
  ]);
  expect(decodeReply(bytes)?.answers).toEqual([
    { type: "CNAME", name: "mail.example.org", ttl: 60, data: "www.example.org" },
  ]);
});

test("octets after the last record are none of it", () => {
  const bytes = Buffer.concat([reply([record("A", "192.0.2.1")]), Buffer.from([1, 2, 3])]);
  expect(decodeReply(bytes)?.answers).toHaveLength(1);
});

test("random octets are read as a message or as none, and never throw", () => {
  const header = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }));
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 200 }), ([answers, authorities], rest) => {
      const bytes = Uint8Array.of(0, 0, 0x81, 0x80, 0, 0, 0, answers, 0, authorities, 0, 0, ...rest);
      const end = endOfSections(bytes);
      expect(end).toBeLessThanOrEqual(bytes.length);
      const message = decodeReply(bytes);
      if (end < 0) expect(message).toBeUndefined();
    }),
    { numRuns: 2000 },
  );
});

test("a message with one octet changed is read as a message or as none, and holds plain names only", () => {
  const whole = reply([
    record("CNAME", "a.example.org"),
    record("MX", { exchange: "mx.example.org", preference: 1 }),
    record("TXT", ["v=spf1"]),
    record("AAAA", "2001:db8::1"),
  ]);
  for (let at = 0; at < whole.length; at++) {
    for (const octet of [0, 1, 0x3f, 0x7f, 0x80, 0xc0, 0xff]) {
      for (const { name, type, data } of decodeReply(bent(whole, at, octet))?.answers ?? []) {
        const names = type === "CNAME" ? [name, data] : type === "MX" ? [name, data.exchange] : [name];
        for (const each of names) expect(each).toMatch(/^[\x21-\x7e]*$/);
      }
    }
  }
});
