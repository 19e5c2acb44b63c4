/**
 * Every address of isemail's two test files (Dominic Sayers, in `../shared/vectors`) put to our readers.
 *
 * isemail judges addresses of every sort of mail, and an SMTP path is the strictest of them. So a diagnosis of
 * "valid", "valid for SMTP" (RFC5321_*) or "valid, the DNS has doubts" (DNSWARN_*) must be accepted, all else
 * (comments, folding, obsolete forms, RFC 5322 only, errors) refused.
 */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { readForwardPath, readReversePath } from "../../src/smtp/path.ts";

const VECTORS = new URL("../../../shared/vectors/address-isemail/test/", import.meta.url);
const FILES = ["tests.xml", "tests-original.xml"];
const CASES = 443;
const SMTP_CASES = 154;

/**
 * Where we differ from isemail on purpose. Both are taken by us: each is a General-address-literal of RFC 5321
 * §4.1.3 to the letter. isemail knows IANA's one tag, "IPv6"; which tags a backend knows is its business.
 */
const EXCEPTIONS: readonly string[] = [
  "first.last@[IPv5:::12.34.56.78]",
  "test@[1111:2222:3333:4444:5555:6666:7777:8888]",
];

interface Case {
  readonly file: string;
  readonly id: string;
  readonly address: string;
  readonly diagnosis: string;
}

const ENTITIES = new Map([["amp", "&"], ["lt", "<"], ["gt", ">"], ["quot", '"'], ["apos", "'"]]);

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9A-Fa-f]+)|#(\d+)|(\w+));/g, (_, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES.get(name)!;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : parseInt(hex, 16));
  });
}

/** One character per byte, as in a command line; a SYMBOL FOR … is its control character (the files' notes). */
function wire(text: string): string {
  const controls = text.replace(
    /[\u2400-\u241f]/g,
    (symbol) => String.fromCharCode(symbol.charCodeAt(0) - 0x2400),
  );
  return Array.from(new TextEncoder().encode(controls), (byte) => String.fromCharCode(byte)).join("");
}

function element(test: string, name: string): string {
  return new RegExp(`<${name}>([^]*?)</${name}>`).exec(test)?.[1] ?? "";
}

function casesOf(file: string): Case[] {
  const xml = readFileSync(new URL(file, VECTORS), "utf8").replace(/<!--[^]*?-->/g, "");
  return [...xml.matchAll(/<test id="(\d+)">([^]*?)<\/test>/g)].map(([, id, body]) => ({
    file,
    id: id!,
    address: wire(unescapeXml(element(body!, "address"))),
    diagnosis: element(body!, "diagnosis"),
  }));
}

/** Whether an SMTP server should take the address, by isemail's diagnosis. */
function isSmtp(diagnosis: string): boolean {
  // The RFC's sizes are what every server must take, not the most it may take: we take longer ones.
  const long = diagnosis === "ISEMAIL_RFC5322_LOCAL_TOOLONG" || diagnosis === "ISEMAIL_RFC5322_TOOLONG";
  return long || diagnosis === "ISEMAIL_VALID" || /^ISEMAIL_(RFC5321|DNSWARN)_/.test(diagnosis);
}

/** Whether `<address>` is a path from its first to its last character, to both readers alike. */
function isTaken(address: string): boolean {
  const line = `<${address}>`;
  // "<>" is a path, but not that of a mailbox.
  if (address === "") return false;
  const verdicts = [readReversePath(line, 0), readForwardPath(line, 0)]
    .map((read) => "path" in read && read.end === line.length && read.path.mailbox === address);
  expect(verdicts[0]).toBe(verdicts[1]!);
  return verdicts[0]!;
}

describe("isemail", () => {
  if (!existsSync(VECTORS)) {
    console.warn(`isemail: ${CASES} cases skipped, ${VECTORS.pathname} is absent`);
    test.skip(`${CASES} cases skipped: ${VECTORS.pathname} is absent`, () => {});
    return;
  }
  const cases = FILES.flatMap(casesOf);

  test(`all ${CASES} cases are read from the files`, () => {
    expect(cases.length).toBe(CASES);
    expect(cases.filter(({ diagnosis }) => !diagnosis.startsWith("ISEMAIL_"))).toEqual([]);
    expect(cases.filter(({ diagnosis }) => isSmtp(diagnosis)).length).toBe(SMTP_CASES);
  });

  test("each address is taken where it is good for SMTP and refused where it is not", () => {
    const wrong = cases.filter(({ address, diagnosis }) =>
      !EXCEPTIONS.includes(address) && isTaken(address) !== isSmtp(diagnosis)
    );
    expect(wrong).toEqual([]);
  });

  test("each exception is still one", () => {
    for (const address of EXCEPTIONS) {
      const found = cases.find((one) => one.address === address);
      expect(found).toBeDefined();
      expect(isTaken(address)).toBe(!isSmtp(found!.diagnosis));
    }
  });
});
