/** Writing of XCLIENT: postfix.org XCLIENT_README, and what Postfix and Exim do with it. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ClientFacts, ClientName } from "../../src/smtp/client_facts.ts";
import { readXclient, XCLIENT_ATTRIBUTES } from "../../src/smtp/xclient.ts";
import { xclientLines } from "../../src/smtp/xclient_lines.ts";

const ALL: ReadonlySet<string> = new Set(XCLIENT_ATTRIBUTES);
const EXIM: ReadonlySet<string> = new Set(["ADDR", "NAME", "PORT", "LOGIN", "DESTADDR", "DESTPORT"]);

const KNOWN: ClientFacts = {
  name: "mx.example.org",
  reverseName: "mx.example.org",
  addr: "2001:db8::1",
  port: 41234,
  proto: "ESMTP",
  helo: "mx.example.org",
  login: "u+tag@example.org",
  destAddr: "10.0.0.5",
  destPort: 25,
};

function advertised(...names: readonly string[]): ReadonlySet<string> {
  return new Set(names);
}

describe("a command", () => {
  test("says all that is known, the address last", () => {
    expect(xclientLines(KNOWN, ALL)).toEqual([
      "XCLIENT NAME=mx.example.org REVERSE_NAME=mx.example.org DESTADDR=10.0.0.5 DESTPORT=25 PROTO=ESMTP " +
      "HELO=mx.example.org LOGIN=u+2Btag@example.org PORT=41234 ADDR=IPV6:2001:db8::1",
    ]);
  });

  test("says only what is advertised", () => {
    expect(xclientLines(KNOWN, advertised("NAME", "ADDR", "PROTO", "HELO")))
      .toEqual(["XCLIENT NAME=mx.example.org PROTO=ESMTP HELO=mx.example.org ADDR=IPV6:2001:db8::1"]);
    expect(xclientLines(KNOWN, EXIM)).toEqual([
      "XCLIENT NAME=mx.example.org DESTADDR=10.0.0.5 DESTPORT=25 LOGIN=u+2Btag@example.org PORT=41234 " +
      "ADDR=IPV6:2001:db8::1",
    ]);
    expect(xclientLines(KNOWN, advertised("NAME"))).toEqual(["XCLIENT NAME=mx.example.org"]);
  });

  test("is none where nothing is advertised that is known here", () => {
    expect(xclientLines(KNOWN, advertised())).toEqual([]);
    expect(xclientLines(KNOWN, advertised("SESSION", "TTL", "addr"))).toEqual([]);
  });

  test("says of what is not known that it is not, so that nothing of the last client stays; of PROTO nothing", () => {
    const unknown =
      "XCLIENT NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE] DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE] " +
      "HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE] PORT=[UNAVAILABLE] ADDR=[UNAVAILABLE]";
    expect(xclientLines({}, ALL)).toEqual([unknown]);
    const nothing = { name: null, reverseName: null, addr: null, port: null, helo: null, login: null };
    expect(xclientLines({ ...nothing, destAddr: null, destPort: null }, ALL)).toEqual([unknown]);
  });

  test("tells a name that failed for now from one that is not there", () => {
    expect(xclientLines({ name: { failed: "temporary" } }, advertised("NAME", "REVERSE_NAME")))
      .toEqual(["XCLIENT NAME=[TEMPUNAVAIL] REVERSE_NAME=[UNAVAILABLE]"]);
  });

  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0::1", "IPV6:2001:db8::1"],
    ["::1", "IPV6:::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["/run/smtp.sock", "[UNAVAILABLE]"],
    ["mx.example", "[UNAVAILABLE]"],
    ["IPV6:::1", "[UNAVAILABLE]"],
    ["192.0.2.1\r\nRSET", "[UNAVAILABLE]"],
    ["", "[UNAVAILABLE]"],
  ])("has the address %j as %s", (addr, written) => {
    expect(xclientLines({ addr }, advertised("ADDR"))).toEqual([`XCLIENT ADDR=${written}`]);
  });

  test.each([
    [{ name: "host.example ADDR=127.0.0.1" }, "NAME=[UNAVAILABLE]"],
    [{ name: "host.example\r\nRSET" }, "NAME=[UNAVAILABLE]"],
    [{ name: "127.0.0.1" }, "NAME=[UNAVAILABLE]"],
    [{ name: "b\xc3\xbccher.example" }, "NAME=[UNAVAILABLE]"],
    [{ helo: "[192.0.2.1]" }, "HELO=[192.0.2.1]"],
    [{ helo: "a=b+c" }, "HELO=a+3Db+2Bc"],
    [{ helo: "\xc3\xb6" }, "HELO=+C3+B6"],
    [{ helo: "a b" }, "HELO=[UNAVAILABLE]"],
    [{ helo: "a\r\nb" }, "HELO=[UNAVAILABLE]"],
    [{ helo: "" }, "HELO=[UNAVAILABLE]"],
    [{ helo: "€" }, "HELO=[UNAVAILABLE]"],
    [{ helo: "[TEMPUNAVAIL]" }, "HELO=[UNAVAILABLE]"],
    [{ helo: "a".repeat(255) }, `HELO=${"a".repeat(255)}`],
    [{ helo: `=${"a".repeat(253)}` }, "HELO=[UNAVAILABLE]"],
    [{ login: "a b" }, "LOGIN=a+20b"],
    [{ login: "a\0b" }, "LOGIN=[UNAVAILABLE]"],
    [{ login: "[tempunavail]" }, "LOGIN=[UNAVAILABLE]"],
    [{ login: "Jörg" }, "LOGIN=[UNAVAILABLE]"],
    [{ login: "J\xc3\xb6rg" }, "LOGIN=J+C3+B6rg"],
    [{ port: 0 }, "PORT=0"],
    [{ port: 65536 }, "PORT=[UNAVAILABLE]"],
    [{ port: 1.5 }, "PORT=[UNAVAILABLE]"],
    [{ destPort: NaN }, "DESTPORT=[UNAVAILABLE]"],
    [{ proto: "SMTP" }, "PROTO=SMTP"],
  ])("has %j as %s", (facts, written) => {
    const name = written.slice(0, written.indexOf("="));
    expect(xclientLines(facts as ClientFacts, advertised(name))).toEqual([`XCLIENT ${written}`]);
  });
});

describe("what does not fit into 512 octets with CRLF", () => {
  const long = (letter: string) => [60, 60, 60, 60].map((length) => letter.repeat(length)).join(".");
  const facts: ClientFacts = { ...KNOWN, name: long("n"), reverseName: long("r"), helo: long("h") };

  test("is told in several commands: first what a server remembers, then what it would forget", () => {
    const lines = xclientLines(facts, ALL);
    expect(lines).toEqual([
      `XCLIENT NAME=${long("n")}`,
      `XCLIENT REVERSE_NAME=${long("r")}`,
      `XCLIENT DESTADDR=10.0.0.5 DESTPORT=25 PROTO=ESMTP HELO=${
        long("h")
      } LOGIN=u+2Btag@example.org PORT=41234 ` +
      "ADDR=IPV6:2001:db8::1",
    ]);
  });

  test("fills the last command first", () => {
    const { helo: _, ...rest } = facts;
    expect(xclientLines(rest, ALL)).toEqual([
      `XCLIENT NAME=${long("n")}`,
      `XCLIENT REVERSE_NAME=${long("r")} DESTADDR=10.0.0.5 DESTPORT=25 PROTO=ESMTP HELO=[UNAVAILABLE] ` +
      "LOGIN=u+2Btag@example.org PORT=41234 ADDR=IPV6:2001:db8::1",
    ]);
  });

  test("is one octet more than 510: one command of 510 is written", () => {
    const names = advertised("NAME", "LOGIN", "ADDR");
    const fixed = `XCLIENT NAME=${long("n")} LOGIN= ADDR=192.0.2.1`.length;
    const fit = { name: long("n"), addr: "192.0.2.1", login: "l".repeat(510 - fixed) };
    expect(xclientLines(fit, names).map((line) => line.length)).toEqual([510]);
    const lines = xclientLines({ ...fit, login: `${fit.login}l` }, names);
    expect(lines.map((line) => line.slice(0, 14))).toEqual(["XCLIENT NAME=n", "XCLIENT LOGIN="]);
  });

  test("and a greeting that leaves no room for the user's name is left to the client's EHLO", () => {
    const login = "l".repeat(255);
    const helo = "h".repeat(255);
    expect(xclientLines({ addr: "192.0.2.1", login, helo }, advertised("ADDR", "LOGIN", "HELO")))
      .toEqual([`XCLIENT HELO=[UNAVAILABLE] LOGIN=${login} ADDR=192.0.2.1`]);
    const rest = `XCLIENT HELO= LOGIN=${login} ADDR=192.0.2.1`.length;
    for (
      const [length, written] of [[510 - rest, "h".repeat(510 - rest)], [
        511 - rest,
        "[UNAVAILABLE]",
      ]] as const
    ) {
      expect(
        xclientLines(
          { addr: "192.0.2.1", login, helo: "h".repeat(length) },
          advertised("ADDR", "LOGIN", "HELO"),
        ),
      ).toEqual([`XCLIENT HELO=${written} LOGIN=${login} ADDR=192.0.2.1`]);
    }
  });
});

describe("properties", () => {
  const label = fc.string({ unit: fc.constantFrom(..."abz019_"), minLength: 1, maxLength: 63 });
  const hostName: fc.Arbitrary<ClientName> = fc.array(label, { minLength: 1, maxLength: 3 })
    .map((labels) => `${labels.join(".")}.example`);
  const name: fc.Arbitrary<ClientName> = fc.oneof(
    hostName,
    fc.constantFrom<ClientName>(null, { failed: "temporary" }),
  );
  const addr = fc.option(fc.constantFrom("192.0.2.1", "2001:db8::1", "1:2:3:4:5:6:7:8"));
  const port = fc.option(fc.integer({ min: 0, max: 65535 }));
  const greeting = fc.option(fc.string({
    unit: fc.constantFrom(..."abc019.-+=[]\xc3"),
    minLength: 1,
    maxLength: 255,
  }));
  const login = fc.option(
    fc.string({ unit: fc.constantFrom(..."abc019.@+= "), minLength: 1, maxLength: 85 }),
  );
  const facts: fc.Arbitrary<ClientFacts> = fc.record({
    name,
    reverseName: name,
    addr,
    port,
    proto: fc.constantFrom<"SMTP" | "ESMTP">("SMTP", "ESMTP"),
    helo: greeting,
    login,
    destAddr: addr,
    destPort: port,
  });

  /** What a server knows after the commands, if it keeps and forgets as Postfix does. */
  function afterwards(lines: readonly string[]): ClientFacts {
    let known: ClientFacts = {};
    for (const [at, line] of lines.entries()) {
      expect(line).toMatch(/^XCLIENT( [A-Z_]+=[!-<>-~]+)+$/);
      expect(line.length).toBeLessThanOrEqual(510);
      const read = readXclient(line.slice("XCLIENT".length));
      if ("refusal" in read) throw new Error(read.refusal[2]);
      if ("addr" in read.facts) expect(at).toBe(lines.length - 1);
      const { helo: _helo, proto: _proto, login: _login, ...remembered } = known;
      const reverse = typeof read.facts.name === "string" ? { reverseName: read.facts.name } : {};
      known = { ...remembered, ...reverse, ...read.facts };
    }
    return known;
  }

  test("a server that forgets as Postfix does knows all that was told, however many commands it took", () => {
    fc.assert(
      fc.property(facts, (given) => {
        const known = afterwards(xclientLines(given, ALL));
        const { helo, ...rest } = given;
        expect(known).toMatchObject(rest);
        // A greeting may have been too long, once written or together with the user's name.
        if (known.helo !== null) expect(known.helo).toBe(helo as string);
      }),
      { numRuns: 1000 },
    );
  });

  test("only what is advertised is ever written, each once", () => {
    fc.assert(fc.property(facts, fc.subarray([...XCLIENT_ATTRIBUTES]), (given, names) => {
      const written = xclientLines(given, new Set(names)).join(" ").match(/[A-Z_]+(?==)/g) ?? [];
      expect(written.toSorted()).toEqual(names.toSorted());
    }));
  });

  test("whatever the facts hold, no line has anything but printable ASCII", () => {
    const text = fc.string({
      unit: fc.integer({ min: 0, max: 0x2fff }).map((code) => String.fromCharCode(code)),
    });
    const wild = fc.record({
      name: text,
      reverseName: text,
      addr: text,
      helo: text,
      login: text,
      destAddr: text,
    });
    fc.assert(fc.property(wild, (given) => {
      for (const line of xclientLines(given, ALL)) expect(line).toMatch(/^XCLIENT( [A-Z_]+=[!-<>-~]+)+$/);
    }));
  });
});
