/**
 * What a reply says to a question: records, none, no such name, another name to ask for, or a refusal.
 */
import { describe, expect, test } from "bun:test";
import type { Message, Resource } from "../../src/dns/packet.ts";
import { readReply } from "../../src/dns/reading.ts";

const QUESTION = { name: "www.example.org", type: "A" } as const;

const address = (name: string, data: string, ttl = 300): Resource => ({ type: "A", name, ttl, data });
const alias = (name: string, data: string, ttl = 300): Resource => ({ type: "CNAME", name, ttl, data });
const ns = (name: string): Resource => ({ type: "NS", name, ttl: 300, data: "ns.example.net" });
const soa = (name: string, ttl: number, minttl: number): Resource => {
  const times = { serial: 1, refresh: 2, retry: 3, expire: 4, minttl };
  return {
    type: "SOA",
    name,
    ttl,
    data: { nsname: "ns.example.net", hostmaster: "a.example.net", ...times },
  };
};

/** What a recursive server's reply says; `rest` overrides. */
function says(answers: readonly Resource[], rest: Partial<Message> = {}) {
  const message = { rcode: 0, truncated: false, authoritative: false, recursive: true, size: 100, ...rest };
  return readReply({ authorities: [], ...message, answers }, QUESTION);
}

describe("records", () => {
  test("are those of the name and type that were asked for, and hold as long as the shortest", () => {
    const text: Resource = { type: "TXT", name: QUESTION.name, ttl: 1, data: ["x"] };
    expect(says([
      address(QUESTION.name, "192.0.2.1", 300),
      text,
      address("other.example.org", "192.0.2.9", 5),
      address(QUESTION.name, "192.0.2.2", 60),
    ])).toEqual({ says: "ok", records: ["192.0.2.1", "192.0.2.2"], ttl: 60 });
  });

  test("are found behind aliases in any order, and hold no longer than the aliases", () => {
    expect(says([
      address("c.example.net", "192.0.2.1", 300),
      alias("b.example.net", "c.example.net", 200),
      alias(QUESTION.name, "b.example.net", 20),
      address(QUESTION.name, "192.0.2.66"),
    ])).toEqual({ says: "ok", records: ["192.0.2.1"], ttl: 20 });
  });

  test("of a name that the aliases do not lead to are not taken", () => {
    expect(says([alias(QUESTION.name, "b.example.net", 30), address("c.example.net", "192.0.2.66")]))
      .toEqual({ says: "alias", name: "b.example.net", ttl: 30 });
  });

  test("an alias asked for by its type is not followed", () => {
    const answers = [
      alias("www.example.org", "b.example.net", 30),
      alias("b.example.net", "c.example.net", 1),
    ];
    const message = { rcode: 0, truncated: false, authoritative: false, recursive: true, size: 1, answers };
    expect(readReply({ ...message, authorities: [] }, { ...QUESTION, type: "CNAME" }))
      .toEqual({ says: "ok", records: ["b.example.net"], ttl: 30 });
  });
});

describe("no such record", () => {
  test.each([
    ["for the SOA's minimum", soa("example.org", 300, 60), 60],
    ["for the SOA's own time where that is shorter", soa("example.org", 20, 60), 20],
    ["for an unknown time with the SOA of another zone", soa("example.com", 20, 60), undefined],
  ])("%s", (_, authority, ttl) => {
    expect(says([], { authorities: [authority] })).toEqual({ says: "nodata", ttl });
  });

  test("for an unknown time without an SOA", () => {
    expect(says([])).toEqual({ says: "nodata", ttl: undefined });
  });

  test("behind an alias, when the zone of the alias's end says so", () => {
    expect(says([alias(QUESTION.name, "b.example.net", 30)], { authorities: [soa("example.net", 300, 60)] }))
      .toEqual({ says: "nodata", ttl: 30 });
  });
});

describe("no such name", () => {
  test("for the SOA's minimum", () => {
    expect(says([], { rcode: 3, authorities: [soa("", 300, 60)] })).toEqual({ says: "nxdomain", ttl: 60 });
  });

  test("when it is the alias's end that there is not (RFC 6604)", () => {
    const authorities = [soa("example.net", 300, 60)];
    expect(says([alias(QUESTION.name, "b.example.net", 10)], { rcode: 3, authorities }))
      .toEqual({ says: "nxdomain", ttl: 10 });
  });

  test("for an unknown time without an SOA", () => {
    expect(says([], { rcode: 3 })).toEqual({ says: "nxdomain", ttl: undefined });
  });
});

describe("another name is to be asked for", () => {
  test("where the chain leads out of the reply", () => {
    const answers = [alias(QUESTION.name, "b.example.net", 30), alias("b.example.net", "c.example.com", 20)];
    expect(says(answers)).toEqual({ says: "alias", name: "c.example.com", ttl: 20 });
  });

  test("where a server that looks nothing up refers to the servers of the alias's end", () => {
    const rest = { recursive: false, authorities: [ns("example.net")] };
    expect(says([alias(QUESTION.name, "b.example.net")], rest)).toMatchObject({ says: "alias" });
  });
});

describe("a failure", () => {
  test.each([
    [1, "EFORMERR", "it answered FORMERR"],
    [2, "ESERVFAIL", "it answered SERVFAIL"],
    [4, "ENOTIMP", "it answered NOTIMP"],
    [5, "EREFUSED", "it answered REFUSED"],
    [9, "EBADRESP", "it answered code 9"],
    [16, "EBADRESP", "it answered code 16"],
  ])("of rcode %d is %s, whatever else the reply holds", (rcode, code, detail) => {
    expect(says([address(QUESTION.name, "192.0.2.1")], { rcode })).toEqual(
      { says: "failure", code, detail } as never,
    );
  });

  test.each([
    ["that leads to itself", [alias(QUESTION.name, QUESTION.name)]],
    ["in a circle", [alias(QUESTION.name, "b.example.org"), alias("b.example.org", QUESTION.name)]],
  ])("is an alias %s", (_, answers) => {
    expect(says(answers)).toMatchObject({ says: "failure", code: "EBADRESP" });
  });

  test("is a reply of a server that only refers to others: it is no word about the name", () => {
    const referral = { recursive: false, authorities: [ns("example.org")] };
    expect(says([], referral)).toMatchObject({ says: "failure", code: "EREFUSED" });
    expect(says([], { ...referral, authoritative: true })).toMatchObject({ says: "nodata" });
    expect(says([], { ...referral, recursive: true })).toMatchObject({ says: "nodata" });
  });
});
