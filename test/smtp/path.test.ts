/** Paths of MAIL and RCPT: RFC 5321 §4.1.2, §4.1.3, §4.5.3.1 and RFC 6531 §3.3. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Path } from "../../src/smtp/path.ts";
import { readForwardPath, readReversePath, utf8End } from "../../src/smtp/path.ts";

/** UTF-8 with one character per byte, as a command line holds it. */
function wire(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

function pathOf(line: string, at = 0): Path | string {
  const read = readReversePath(line, at);
  return "fault" in read ? read.fault : read.path;
}

function faultOf(line: string): string {
  const read = readReversePath(line, 0);
  return "fault" in read ? read.fault : `read as ${read.path.mailbox}`;
}

/** A domain of the given length, in labels of 63 at the most. */
function domainOf(length: number): string {
  let domain = "";
  while (length - domain.length > 63) domain += `${"d".repeat(length - domain.length === 64 ? 62 : 63)}.`;
  return domain + "d".repeat(length - domain.length);
}

describe("a mailbox is read as it is written", () => {
  const cases: readonly (readonly [localPart: string, domain: string])[] = [
    ["user", "example.com"],
    ["User.Name", "Example.COM"],
    ["a", "b"],
    ["!#$%&'*+-/=?^_`{|}~", "example.com"],
    ["1", "1.2.3.4"],
    ['""', "example.com"],
    ['"a b"', "example.com"],
    ['"<a@b>"', "example.com"],
    ['"a\\"b\\\\c\\ d"', "example.com"],
    ['".."', "example.com"],
    ["user", "xn--bcher-kva.example"],
    ["user", "a--b.c-d"],
    ["user", "_dmarc.example.com"],
    ["user", "bounce_1.example.com"],
    ["user", "[192.0.2.1]"],
    ["user", "[0.0.0.255]"],
    ["user", "[IPv6:2001:db8:0:0:0:0:0:1]"],
    ["user", "[ipv6:2001:DB8::1]"],
    ["user", "[IPv6:::]"],
    ["user", "[IPv6:::1]"],
    ["user", "[IPv6:1::]"],
    ["user", "[IPv6:1:2:3:4:5:6:7::]"],
    ["user", "[IPv6:1:2:3:4:5:6:192.0.2.1]"],
    ["user", "[IPv6:::ffff:192.0.2.1]"],
    ["user", "[X400:c=de;a=x]"],
    ["user", "[x-y:!]"],
    [wire("jörg"), "example.com"],
    [wire("δοκιμή.用户"), wire("παράδειγμα.δοκιμή")],
    [wire('"пример ящика"'), "example.com"],
    ["user", wire("bücher.example")],
    [wire("𐍈"), "example.com"],
  ];
  for (const [localPart, domain] of cases) {
    const mailbox = `${localPart}@${domain}`;
    test(mailbox, () => {
      const utf8 = /[\x80-\xff]/.test(mailbox);
      expect(pathOf(`<${mailbox}>`)).toEqual({ mailbox, localPart, domain, utf8 });
      expect(readForwardPath(`<${mailbox}>`, 0)).toEqual(readReversePath(`<${mailbox}>`, 0));
    });
  }
});

describe("what is no path is refused with the reason", () => {
  const cases: readonly (readonly [line: string, reason: string])[] = [
    ["", "angle brackets"],
    ["user@example.com", "angle brackets"],
    [" <user@example.com>", "angle brackets"],
    ["<", "local part"],
    ["<user", "local part"],
    ["<user>", 'no "@"'],
    ["<user@>", "empty domain"],
    ["<user@", "empty domain"],
    ["<user@example.com", 'no ">"'],
    ["<user@example.com ", 'no ">"'],
    ["<user@exam ple.com>", 'no ">"'],
    ["<user@example.com)>", 'no ">"'],
    ["<user@@example.com>", "empty domain"],
    ["<us er@example.com>", "only allowed in quotes"],
    ["< user@example.com>", "only allowed in quotes"],
    ["<user(comment)@example.com>", "only allowed in quotes"],
    ["<us\x7fer@example.com>", "only allowed in quotes"],
    ["<us\0er@example.com>", "only allowed in quotes"],
    ["<a,b@example.com>", "only allowed in quotes"],
    ["<.user@example.com>", "a dot"],
    ["<user.@example.com>", "a dot"],
    ["<us..er@example.com>", "a dot"],
    ["<.@example.com>", "a dot"],
    ['<"user@example.com>', "not closed"],
    ['<"us\ter"@example.com>', "not closed"],
    ['<"user\\', "not closed"],
    ['<"user\\\x07"@example.com>', "not closed"],
    ['<"us\r\ner"@example.com>', "not closed"],
    ['<"us"er@example.com>', "only allowed in quotes"],
    ['<"us"."er"@example.com>', "only allowed in quotes"],
    ['<us."er"@example.com>', "a dot"],
    ["<user@.example.com>", "empty domain"],
    ["<user@example.com.>", "empty domain"],
    ["<user@example..com>", "empty domain"],
    ["<user@-example.com>", "hyphen"],
    ["<user@example-.com>", "hyphen"],
    ["<user@-.com>", "hyphen"],
    ["<user@[192.0.2]>", "address literal"],
    ["<user@[192.0.2.256]>", "address literal"],
    ["<user@[192.0.2.1.1]>", "address literal"],
    ["<user@[192.0.2.0001]>", "address literal"],
    ["<user@[192.0.2.]>", "address literal"],
    ["<user@[.0.2.1]>", "address literal"],
    ["<user@[192..2.1]>", "address literal"],
    ["<user@[192.0.2.1>", "address literal"],
    ["<user@[]>", "address literal"],
    ["<user@[ 192.0.2.1 ]>", "address literal"],
    ["<user@[192.0.2.1]x>", 'no ">"'],
    ["<user@[IPv6:]>", "address literal"],
    ["<user@[IPv6::1]>", "address literal"],
    ["<user@[IPv6::::]>", "address literal"],
    ["<user@[IPv6:1:2:3:4:5:6:7]>", "address literal"],
    ["<user@[IPv6:1:2:3:4:5:6:7:]>", "address literal"],
    ["<user@[IPv6:1:2:3:4:5:6:7:8:9]>", "address literal"],
    ["<user@[IPv6:1:2:3:4::5:6:7:8]>", "address literal"],
    ["<user@[IPv6:1::2::3]>", "address literal"],
    ["<user@[IPv6:12345::]>", "address literal"],
    ["<user@[IPv6:g::]>", "address literal"],
    ["<user@[IPv6:1::192.0.2]>", "address literal"],
    ["<user@[IPv6:192.0.2.1]>", "address literal"],
    ["<user@[IPv6:1:2:3:4:5:6:7:192.0.2.1]>", "address literal"],
    ["<user@[IPv6:fe80::1%eth0]>", "address literal"],
    ["<user@[tag]>", "address literal"],
    ["<user@[tag:]>", "address literal"],
    ["<user@[tag-:x]>", "address literal"],
    ["<user@[ta_g:x]>", "address literal"],
    ["<user@[:x]>", "address literal"],
    ["<user@[tag:x[y]>", "address literal"],
    ["<user@[tag:x\\]>", "address literal"],
    ["<user@[tag:\xc3\xa9]>", "address literal"],
  ];
  for (const [line, reason] of cases) {
    test(JSON.stringify(line), () => {
      expect(faultOf(line)).toContain(reason);
      expect(readForwardPath(line, 0)).toEqual(readReversePath(line, 0));
    });
  }
});

describe("the null reverse-path", () => {
  test("is a path of MAIL without mailbox or domain", () => {
    expect(readReversePath("<>", 0)).toEqual({
      path: { mailbox: "", localPart: "", domain: "", utf8: false },
      end: 2,
    });
  });
  test("is no path of RCPT", () => {
    expect(readForwardPath("<>", 0)).toEqual({
      fault: "a recipient cannot be empty; allowed are <local-part@domain> and <Postmaster>",
    });
  });
  test("holds not even a space", () => expect(faultOf("< >")).toContain("only allowed in quotes"));
});

describe("Postmaster", () => {
  for (const name of ["Postmaster", "postmaster", "POSTMASTER"]) {
    test(`<${name}> needs no domain in RCPT`, () => {
      expect(readForwardPath(`TO:<${name}> X`, 3)).toEqual({
        path: { mailbox: name, localPart: name, domain: "", utf8: false },
        end: 15,
      });
    });
  }
  test("needs a domain in MAIL", () => expect(faultOf("<Postmaster>")).toContain('no "@"'));
  test("is the only recipient without a domain", () => {
    for (const other of ["<Postmastes>", "<hostmaster>", "<Postmaster.>", "<Postmaste>"]) {
      expect("fault" in readForwardPath(other, 0)).toBe(true);
    }
  });
  test("may have a domain", () => {
    expect(readForwardPath("<Postmaster@example.com>", 0)).toEqual(
      readReversePath("<Postmaster@example.com>", 0),
    );
  });
});

describe("a source route", () => {
  for (const route of ["@relay.example:", "@a.example,@b.example:", "@a,@b,@c:"]) {
    test(`${route} is accepted and left out`, () => {
      expect(readReversePath(`<${route}user@example.com>`, 0)).toEqual({
        path: { mailbox: "user@example.com", localPart: "user", domain: "example.com", utf8: false },
        end: route.length + 18,
      });
    });
  }
  const broken = [
    "@:",
    "@a",
    "@a,",
    "@a,b:",
    "@a,@:",
    "@a;",
    "@a@b:",
    "@a :",
    "@a, @b:",
    "@[192.0.2.1]:",
    "@a,:",
  ];
  for (const route of broken) {
    test(`${route} is refused`, () => {
      expect("fault" in readReversePath(`<${route}user@example.com>`, 0)).toBe(true);
    });
  }
  test("with nothing after it is refused", () => {
    expect(faultOf("<@a:>")).toContain("local part");
    expect(faultOf("<@a:@example.com>")).toContain('nothing before the "@"');
  });
  test("before Postmaster is refused", () => {
    expect("fault" in readForwardPath("<@a:Postmaster>", 0)).toBe(true);
  });
});

describe("limits in octets", () => {
  const local = (length: number) => "l".repeat(length);
  test("a local part of 255 is read, of 256 refused", () => {
    expect(pathOf(`<${local(255)}@b>`)).toMatchObject({ localPart: local(255) });
    expect(faultOf(`<${local(256)}@b>`)).toContain("local part is too long");
  });
  test("quotes count in a local part", () => {
    expect(pathOf(`<"${local(253)}"@b>`)).toMatchObject({ localPart: `"${local(253)}"` });
    expect(faultOf(`<"${local(254)}"@b>`)).toContain("local part is too long");
  });
  test("a UTF-8 local part counts octets", () => {
    expect(pathOf(`<${wire("é".repeat(127))}@b>`)).toMatchObject({ utf8: true });
    expect(faultOf(`<${wire("é".repeat(128))}@b>`)).toContain("local part is too long");
  });
  test("a label of 63 is read, of 64 refused", () => {
    expect(pathOf(`<a@${"d".repeat(63)}.d>`)).toMatchObject({ localPart: "a" });
    expect(faultOf(`<a@${"d".repeat(64)}.d>`)).toContain("label is too long");
  });
  test("a U-label may be longer than 63, since its A-label need not be", () => {
    expect(pathOf(`<a@${wire("字".repeat(30))}.d>`)).toMatchObject({ utf8: true });
  });
  test("a path of 1024 is read, of 1025 refused, brackets and source route counted", () => {
    const route = (length: number) => Array(length).fill("@r").join(",") + ":";
    const rest = `a@${domainOf(252)}`;
    expect(pathOf(`<${route(256)}${rest}>`)).toMatchObject({ domain: domainOf(252) });
    expect(faultOf(`<${route(257)}${rest}>`)).toContain("path is too long");
  });
  test("a domain of 256 is too long, a literal too", () => {
    expect(faultOf(`<a@${domainOf(256)}>`)).toContain("domain is too long");
    expect(faultOf(`<a@[tag:${"x".repeat(250)}]>`)).toContain("domain is too long");
  });
});

describe("bytes above 127 must be UTF-8", () => {
  const broken: readonly (readonly [name: string, bytes: string])[] = [
    ["a lone continuation", "\x80"],
    ["a lead alone", "\xc3"],
    ["Latin-1", "j\xf6rg"],
    ["an overlong /", "\xc0\xaf"],
    ["an overlong @", "\xc1\x80"],
    ["an overlong of three", "\xe0\x80\xaf"],
    ["an overlong of four", "\xf0\x80\x80\xaf"],
    ["a surrogate", "\xed\xa0\x80"],
    ["past U+10FFFF", "\xf4\x90\x80\x80"],
    ["a lead that never is", "\xf5\x80\x80\x80"],
    ["a cut sequence of three", "\xe2\x82"],
    ["a cut sequence of four", "\xf0\x9f\x98"],
    ["a character that is no byte", "\u20ac"],
  ];
  for (const [name, bytes] of broken) {
    test(`${name} is refused in local part, quotes and domain`, () => {
      expect(faultOf(`<${bytes}@example.com>`)).toContain("UTF-8");
      expect(faultOf(`<"${bytes}"@example.com>`)).toContain("UTF-8");
      expect(faultOf(`<user@${bytes}.com>`)).toContain("UTF-8");
    });
  }
  test("a backslash before a UTF-8 byte is refused", () => {
    expect(faultOf(wire('<"\\é"@example.com>'))).toContain("not closed");
  });
  test("utf8End takes what an encoder writes and nothing else", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), (character) => {
      const bytes = wire(character);
      expect(utf8End(bytes, 0)).toBe(character.codePointAt(0)! < 128 ? -1 : bytes.length);
    }));
    const decoder = new TextDecoder("utf-8", { fatal: true });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0x80, max: 0xff }), { minLength: 1, maxLength: 4 }), (bytes) => {
        const end = utf8End(String.fromCharCode(...bytes), 0);
        if (end === bytes.length) expect([...decoder.decode(Uint8Array.from(bytes))].length).toBe(1);
        else if (end === -1) expect(() => decoder.decode(Uint8Array.from(bytes))).toThrow();
      }),
    );
  });
});

describe("properties", () => {
  const atext = fc.constantFrom(..."abzABZ019!#$%&'*+-/=?^_`{|}~", wire("é"), wire("字"), wire("😀"));
  const atom = fc.string({ unit: atext, minLength: 1, maxLength: 6 });
  const dotString = fc.array(atom, { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join("."));
  const qcontent = fc.constantFrom(..."aZ0 <>@.,:;()[]", '\\"', "\\\\", "\\ ", wire("é"));
  const quoted = fc.string({ unit: qcontent, maxLength: 12 }).map((text) => `"${text}"`);
  const localPart = fc.oneof(dotString, quoted).filter((text) => text.length <= 64);
  const letter = fc.constantFrom(..."aZ09_", wire("ü"), wire("字"));
  const label = fc.tuple(
    letter,
    fc.string({ unit: fc.oneof(letter, fc.constant("-")), maxLength: 8 }),
    letter,
  )
    .map((parts) => parts.join(""));
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
  const literal = fc.oneof(fc.ipV4(), fc.ipV6().map((text) => `IPv6:${text}`)).map((text) => `[${text}]`);
  const domain = fc.oneof(name, literal);
  const route = fc.oneof(
    fc.constant(""),
    fc.array(fc.constantFrom("@a", "@b.example"), { minLength: 1, maxLength: 3 }).map((hops) =>
      `${hops.join()}:`
    ),
  );
  const junk = fc.string({
    unit: fc.constantFrom(...'<<>@"\\.:,[]aZ1- \t\x7f_\x80\xa9\xc3\xff'),
    maxLength: 40,
  });

  test("a well-formed path reads to itself", () => {
    fc.assert(
      fc.property(localPart, domain, route, fc.string(), fc.string(), (local, host, hops, before, after) => {
        const mailbox = `${local}@${host}`;
        const line = `${before}<${hops}${mailbox}>${after}`;
        const utf8 = /[\x80-\xff]/.test(mailbox);
        const expected = {
          path: { mailbox, localPart: local, domain: host, utf8 },
          end: line.length - after.length,
        };
        expect(readReversePath(line, before.length)).toEqual(expected);
        expect(readForwardPath(line, before.length)).toEqual(expected);
      }),
    );
  });

  test("random junk never throws, and what is read of it reads to itself", () => {
    fc.assert(
      fc.property(fc.oneof(junk, fc.string({ unit: "binary" })), fc.nat(50), (text, at) => {
        for (const [line, from] of [[text, at], [`<${text}>`, 0], [`<${text}@example.com>`, 0]] as const) {
          for (const reader of [readReversePath, readForwardPath]) {
            const read = reader(line, from);
            if ("fault" in read) {
              expect(read.fault).toMatch(/^[ -~]+$/);
              continue;
            }
            expect(line.slice(from, read.end)).toMatch(/^<[^]*>$/);
            expect(reader(`<${read.path.mailbox}>`, 0)).toMatchObject({ path: read.path });
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a mailbox is its local part, an at sign and its domain", () => {
    fc.assert(
      fc.property(junk, (text) => {
        const read = readReversePath(`<${text}@example.com>`, 0);
        if ("fault" in read || read.path.mailbox === "") return;
        expect(read.path.mailbox).toBe(`${read.path.localPart}@${read.path.domain}`);
      }),
      { numRuns: 2000 },
    );
  });
});
