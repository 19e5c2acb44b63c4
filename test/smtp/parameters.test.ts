/** Parameters of MAIL and RCPT: RFC 5321 §4.1.2, §4.1.1.11 and the extensions that define them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Extensions } from "../../src/smtp/extensions.ts";
import { NO_EXTENSIONS } from "../../src/smtp/extensions.ts";
import type { Parameter, ParameterFault } from "../../src/smtp/parameters.ts";
import { checkMailParameters, checkRcptParameters, readParameters } from "../../src/smtp/parameters.ts";

const KEYWORDS = [
  ...["SIZE", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "DSN", "AUTH", "REQUIRETLS", "DELIVERBY"],
  ...["FUTURERELEASE", "MT-PRIORITY", "RRVS"],
];
const ALL: Extensions = new Map(KEYWORDS.map((keyword) => [keyword, ""]));

function without(...keywords: string[]): Extensions {
  return new Map([...ALL].filter(([keyword]) => !keywords.includes(keyword)));
}

function listOf(text: string): readonly Parameter[] {
  const read = readParameters(` ${text}`, 0);
  if ("fault" in read) throw new Error(`${text}: ${read.fault}`);
  return read.list;
}

function mail(text: string, offered = ALL): ParameterFault | undefined {
  return checkMailParameters(listOf(text), offered);
}

function rcpt(text: string, offered = ALL): ParameterFault | undefined {
  return checkRcptParameters(listOf(text), offered);
}

function faultOf(text: string): string {
  const read = readParameters(text, 0);
  return "fault" in read ? read.fault : `read as ${JSON.stringify(read.list)}`;
}

describe("reading", () => {
  test("nothing, or spaces only, is no parameter", () => {
    for (const text of ["", " ", "   "]) {
      expect(readParameters(`MAIL FROM:<>${text}`, 12)).toEqual({ list: [] });
    }
  });
  test("keywords are read in capitals, values as written, in their order", () => {
    expect(listOf("size=100 Body=8bitMIME SmtpUTF8 mt-priority=-3")).toEqual([
      { keyword: "SIZE", value: "100" },
      { keyword: "BODY", value: "8bitMIME" },
      { keyword: "SMTPUTF8", value: undefined },
      { keyword: "MT-PRIORITY", value: "-3" },
    ]);
  });
  test("several spaces between and spaces at the end are taken", () => {
    expect(listOf("  A=1   B  ")).toEqual([{ keyword: "A", value: "1" }, { keyword: "B", value: undefined }]);
  });
  test("a value holds every character but space, =, and controls", () => {
    let value = "";
    for (let code = 33; code < 256; code++) {
      if (code !== 61 && code !== 127) value += String.fromCharCode(code);
    }
    expect(listOf(`X=${value}`)).toEqual([{ keyword: "X", value }]);
  });
  const broken: readonly (readonly [text: string, reason: string])[] = [
    ["SIZE=1", "a space must stand"],
    ["\tSIZE=1", "a space must stand"],
    [">", "a space must stand"],
    [" =1", "no name"],
    [" -SIZE=1", "no name"],
    [" \tSIZE=1", "no name"],
    [" SIZE=1 <x>", "no name"],
    [" SIZE=", "no value"],
    [" SIZE= 1", "no value"],
    [" SIZE==1", "no value"],
    [" SI_ZE=1", "not allowed"],
    [" SIZE\t", "not allowed"],
    [" SIZE=1=2", "not allowed"],
    [" SIZE=1\t", "not allowed"],
    [" SIZE=1\x7f", "not allowed"],
    [" SIZE=1\0", "not allowed"],
    [" S\xc3\xa9=1", "not allowed"],
  ];
  for (const [text, reason] of broken) {
    test(`${JSON.stringify(text)} is refused`, () => expect(faultOf(text)).toContain(reason));
  }
});

describe("values that may stand", () => {
  const inMail = [
    ...["SIZE=0", "SIZE=1", "SIZE=99999999999999999999", "SIZE=007"],
    ...["BODY=7BIT", "BODY=8BITMIME", "body=8bitmime", "BODY=BINARYMIME", "BODY=BinaryMime"],
    ...["SMTPUTF8", "REQUIRETLS", "smtputf8 requiretls"],
    ...["RET=FULL", "RET=hdrs"],
    ...[
      "ENVID=QQ314159",
      "ENVID=a+20b+2B",
      "ENVID=+3d",
      `ENVID=${"x".repeat(100)}`,
      `ENVID=${"+2B".repeat(100)}`,
    ],
    ...["AUTH=<>", "AUTH=user@example.com", "AUTH=e+3Dmc2@example.com", "AUTH=+C3+A9@example.com"],
    ...["BY=120;R", "BY=0;N", "BY=-10;N", "BY=+999999999;RT", "by=1;rt", "BY=-999999999;nt"],
    ...["HOLDFOR=1", "HOLDFOR=999999999"],
    ...["HOLDUNTIL=2030-01-31T12:00:00Z", "HOLDUNTIL=2028-02-29t23:59:60.25z"],
    ...["MT-PRIORITY=0", "MT-PRIORITY=9", "MT-PRIORITY=-9"],
    "SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=1 AUTH=<> REQUIRETLS BY=1;R HOLDFOR=1 MT-PRIORITY=1",
  ];
  for (const text of inMail) test(`MAIL ${text}`, () => expect(mail(text)).toBeUndefined());

  const inRcpt = [
    ...[
      "NOTIFY=NEVER",
      "NOTIFY=never",
      "NOTIFY=SUCCESS",
      "NOTIFY=Delay,Failure,Success",
      "NOTIFY=FAILURE,DELAY",
    ],
    ...[
      "ORCPT=rfc822;Bob@Example.COM",
      "ORCPT=rfc822;a+2Bb@example.com",
      "ORCPT=x400;c+3Dde+3Ba",
      "ORCPT=rfc822;",
    ],
    `ORCPT=rfc822;${"x".repeat(493)}`,
    ...["ORCPT=utf-8;user@example.com", "ORCPT=UTF-8;\\x{E9}\\x{2B}\\x{10FFFF}@example.com"],
    ...["ORCPT=utf-8;\xc3\xa9@example.com", "ORCPT=utf-8;a+b@example.com", 'ORCPT=utf-8;"a\\"b"@example.com'],
    ...["RRVS=2014-04-03T23:01:00Z", "RRVS=2014-04-03T23:01:00Z;C", "RRVS=2014-04-03T23:01:00+05:30;r"],
    "NOTIFY=NEVER ORCPT=rfc822;a@b RRVS=2014-04-03T23:01:00.5-08:00;R",
  ];
  for (const text of inRcpt) test(`RCPT ${text}`, () => expect(rcpt(text)).toBeUndefined());

  test("no parameters may stand anywhere", () => {
    expect(checkMailParameters([], NO_EXTENSIONS)).toBeUndefined();
    expect(checkRcptParameters([], NO_EXTENSIONS)).toBeUndefined();
  });
});

describe("a wrong value gives 501 5.5.4, the keyword and what is allowed", () => {
  const inMail: readonly (readonly [text: string, allowed: string])[] = [
    ...["SIZE", "SIZE=-1", "SIZE=1k", "SIZE=0x10", `SIZE=${"9".repeat(21)}`, "SIZE=\xb2"]
      .map((text) => [text, "1 to 20 digits"] as const),
    ...["BODY", "BODY=9BIT", "BODY=8BIT", "BODY=8BITMIMES"].map((text) =>
      [text, "7BIT, 8BITMIME or BINARYMIME"] as const
    ),
    ...["SMTPUTF8=1", "REQUIRETLS=yes"].map((text) => [text, "none"] as const),
    ...["RET", "RET=BODY", "RET=FULL,HDRS"].map((text) => [text, "FULL or HDRS"] as const),
    ...["ENVID", "ENVID=a+", "ENVID=a+2", "ENVID=a+0D+0Ab", "ENVID=+00", "ENVID=+C3+A9", "ENVID=\xc3\xa9"]
      .map((text) => [text, "100 printable"] as const),
    ...[`ENVID=${"x".repeat(101)}`, `ENVID=${"+2B".repeat(101)}`].map((text) =>
      [text, "100 printable"] as const
    ),
    ...["AUTH", "AUTH=+", "AUTH=a+0Ab@c", "AUTH=a+7F", "AUTH=\xc3\xa9@c"].map((text) =>
      [text, "or <>"] as const
    ),
    ...[
      "BY",
      "BY=1",
      "BY=;R",
      "BY=1;",
      "BY=1;X",
      "BY=1;RN",
      "BY=1;TR",
      "BY=1234567890;N",
      "BY=0;R",
      "BY=-1;R",
      "BY=-0;RT",
    ]
      .map((text) => [text, "seconds, ;N or"] as const),
    ...["HOLDFOR", "HOLDFOR=0", "HOLDFOR=01", "HOLDFOR=1000000000", "HOLDFOR=-1"]
      .map((text) => [text, "1 to 999999999"] as const),
    ...[
      "HOLDUNTIL",
      "HOLDUNTIL=2030-01-31",
      "HOLDUNTIL=2030-01-31T12:00:00+01:00",
      "HOLDUNTIL=2030-01-31T12:00Z",
    ]
      .map((text) => [text, "a date and time"] as const),
    ...["MT-PRIORITY", "MT-PRIORITY=10", "MT-PRIORITY=+1", "MT-PRIORITY=-0", "MT-PRIORITY=1.5"]
      .map((text) => [text, "-9 to 9"] as const),
  ];
  for (const [text, allowed] of inMail) {
    test(`MAIL ${text}`, () => {
      const fault = mail(text)!;
      expect([fault.code, fault.enhanced]).toEqual([501, "5.5.4"]);
      expect(fault.text).toContain(
        `Cannot take the parameter ${text.split("=")[0]}: its value is wrong; allowed: `,
      );
      expect(fault.text).toContain(allowed);
    });
  }

  const notify = [
    "",
    "=SUCCES",
    "=SUCCE\xdf",
    "=NEVER,DELAY",
    "=DELAY,NEVER",
    "=DELAY,DELAY",
    "=DELAY,",
    "=,DELAY",
    "=A,B,C,D",
  ];
  const orcpt = [
    "",
    "=rfc822",
    "=;a@b",
    "=a(b;c",
    "=rfc822;a+b@c",
    "=rfc822;a+0A",
    "=rfc822;\xc3\xa9@b",
    "=\xe9;a",
  ];
  const utf8 = [
    "",
    "\xe9",
    "\\x{0A}",
    "\\x{0D}",
    "\\x{41}",
    "\\x{D800}",
    "\\x{110000}",
    "\\x{}",
    "\\x{E9",
    "\\x{00E9}",
  ];
  const dates = [
    ...["2014-13-01T00:00:00Z", "2014-00-01T00:00:00Z", "2014-02-29T00:00:00Z", "2100-02-29T00:00:00Z"],
    ...["2014-04-31T00:00:00Z", "2014-04-00T00:00:00Z", "2014-04-03T24:00:00Z", "2014-04-03T00:60:00Z"],
    ...["2014-04-03T00:00:61Z", "2014-04-03T00:00:00", "2014-04-03T00:00:00.Z", "2014-04-03T00:00:00+24:00"],
    ...["2014-04-03T00:00:00Z;X", "2014-04-03T00:00:00Z;", "2014-04-03T00:00:00Z;CR", ";C", "Z", "now"],
  ];
  const inRcpt = [
    ...notify.map((value) => `NOTIFY${value}`),
    ...orcpt.map((value) => `ORCPT${value}`),
    `ORCPT=rfc822;${"x".repeat(494)}`,
    ...utf8.map((address) => `ORCPT=utf-8;${address}`),
    "RRVS",
    ...dates.map((date) => `RRVS=${date}`),
  ];
  for (const text of inRcpt) {
    test(`RCPT ${text}`, () => {
      const fault = rcpt(text)!;
      expect([fault.code, fault.enhanced]).toEqual([501, "5.5.4"]);
      expect(fault.text).toContain(
        `Cannot take the parameter ${text.split("=")[0]}: its value is wrong; allowed: `,
      );
    });
  }
});

describe("ORCPT of type utf-8 where SMTPUTF8 was not offered", () => {
  const offered = without("SMTPUTF8");
  test("takes the form that is ASCII all through", () => {
    expect(rcpt("ORCPT=utf-8;\\x{E9}\\x{2B}\\x{5C}@example.com", offered)).toBeUndefined();
  });
  for (const address of ["\xc3\xa9@example.com", "a+b@example.com", "a\\b@example.com"]) {
    test(`refuses ${address}`, () => expect(rcpt(`ORCPT=utf-8;${address}`, offered)!.code).toBe(501));
  }
});

describe("a parameter whose extension was not offered gives 555 5.5.4 and the keyword", () => {
  const mailNeeds: readonly (readonly [text: string, extension: string])[] = [
    ["SIZE=1", "SIZE"],
    ["BODY=7BIT", "8BITMIME"],
    ["BODY=8BITMIME", "8BITMIME"],
    ["BODY=BINARYMIME", "BINARYMIME"],
    ["BODY=binarymime", "CHUNKING"],
    ["SMTPUTF8", "SMTPUTF8"],
    ["RET=FULL", "DSN"],
    ["ENVID=1", "DSN"],
    ["AUTH=<>", "AUTH"],
    ["REQUIRETLS", "REQUIRETLS"],
    ["BY=1;R", "DELIVERBY"],
    ["HOLDFOR=1", "FUTURERELEASE"],
    ["HOLDUNTIL=2030-01-31T12:00:00Z", "FUTURERELEASE"],
    ["MT-PRIORITY=1", "MT-PRIORITY"],
  ];
  const rcptNeeds = [["NOTIFY=NEVER", "DSN"], ["ORCPT=rfc822;a", "DSN"], [
    "RRVS=2014-04-03T23:01:00Z",
    "RRVS",
  ]] as const;

  function expectNotOffered(fault: ParameterFault | undefined, text: string) {
    expect(fault).toEqual({
      code: 555,
      enhanced: "5.5.4",
      text: `Cannot take the parameter ${text.split("=")[0]}: it belongs to no extension that was offered`,
    });
  }
  for (const [text, extension] of mailNeeds) {
    test(`MAIL ${text} without ${extension}`, () => expectNotOffered(mail(text, without(extension)), text));
  }
  for (const [text, extension] of rcptNeeds) {
    test(`RCPT ${text} without ${extension}`, () => expectNotOffered(rcpt(text, without(extension)), text));
  }
  test("so does one nobody knows, or one of the other command", () => {
    for (const text of ["FOO", "FOO=bar", "NOTIFY=NEVER", "CONSTRUCTOR"]) expectNotOffered(mail(text), text);
    for (const text of ["FOO", "SIZE=1", "SMTPUTF8", "BODY=7BIT"]) expectNotOffered(rcpt(text), text);
  });
  test("a long keyword is cut, so that the reply stays within 512 octets", () => {
    expect(mail("X".repeat(4000))!.text).toContain(`parameter ${"X".repeat(64)}...:`);
  });
});

describe("what may stand once", () => {
  for (
    const text of ["SIZE=1 BODY=7BIT size=1", "SMTPUTF8 SMTPUTF8", "ENVID=1 ENVID=2", "RET=FULL RET=FULL"]
  ) {
    test(`MAIL ${text} gives 501 5.5.4`, () => {
      const fault = mail(text)!;
      expect([fault.code, fault.enhanced]).toEqual([501, "5.5.4"]);
      expect(fault.text).toContain("it was given before, and is allowed once");
    });
  }
  test("RCPT NOTIFY twice gives 501 5.5.4", () => {
    expect(rcpt("NOTIFY=DELAY NOTIFY=SUCCESS")).toMatchObject({ code: 501, enhanced: "5.5.4" });
  });
  test("HOLDFOR and HOLDUNTIL exclude each other (RFC 4865 §4.2)", () => {
    for (
      const text of ["HOLDFOR=1 HOLDUNTIL=2030-01-31T12:00:00Z", "HOLDUNTIL=2030-01-31T12:00:00Z HOLDFOR=1"]
    ) {
      expect(mail(text)).toMatchObject({ code: 501, enhanced: "5.5.4" });
    }
  });
});

describe("properties", () => {
  const keyword = fc.tuple(
    fc.constantFrom(..."AZ09"),
    fc.string({ unit: fc.constantFrom(..."AZ09-"), maxLength: 8 }),
  )
    .map((parts) => parts.join(""));
  const value = fc.string({ unit: fc.constantFrom(..."aZ0!<>~+;,@\xc3\xff"), minLength: 1, maxLength: 12 });
  const parameter = fc.record({ keyword, value: fc.oneof(value, fc.constant(undefined)) });
  const known = fc.constantFrom(
    ...[
      "SIZE",
      "BODY",
      "SMTPUTF8",
      "RET",
      "ENVID",
      "AUTH",
      "REQUIRETLS",
      "BY",
      "HOLDFOR",
      "HOLDUNTIL",
      "MT-PRIORITY",
    ],
    ...["NOTIFY", "ORCPT", "RRVS"],
  );

  test("what was written as parameters reads back", () => {
    fc.assert(fc.property(fc.array(parameter), fc.integer({ min: 1, max: 3 }), (list, spaces) => {
      const words = list.map((one) => one.value === undefined ? one.keyword : `${one.keyword}=${one.value}`);
      const text = words.map((word) => " ".repeat(spaces) + word).join("");
      expect(readParameters(`<>${text}`, 2)).toEqual({ list });
    }));
  });

  test("random junk never throws, and each refusal is one line of printable ASCII", () => {
    const junk = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(..." =A1-+;\\x{}\xc3\xa9\t") }),
    );
    const hold = fc.tuple(known, junk).map(([name, text]) => ` ${name}=${text}`);
    fc.assert(
      fc.property(fc.oneof(junk, hold), fc.constantFrom(ALL, NO_EXTENSIONS), (text, offered) => {
        const read = readParameters(text, 0);
        if ("fault" in read) {
          expect(read.fault).toMatch(/^[ -~]+$/);
          return;
        }
        for (const check of [checkMailParameters, checkRcptParameters]) {
          expect(check(read.list, offered)?.text ?? "fine").toMatch(/^[ -~]{1,400}$/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
