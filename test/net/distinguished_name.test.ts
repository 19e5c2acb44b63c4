/** The names in certificates: one line each, whatever somebody has had written into them. */

import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { readNames } from "../../src/net/distinguished_name.ts";
import { makeIdentity } from "../support/certificate.ts";

const element = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const CN = [0x55, 0x04, 0x03];
const attribute = (type: readonly number[], tag: number, value: Uint8Array) =>
  element(0x30, element(0x06, Buffer.from(type)), element(tag, value));
const cn = (value: string) => attribute(CN, 0x0c, Buffer.from(value));
const name = (...sets: readonly Buffer[]) => element(0x30, ...sets.map((set) => element(0x31, set)));

/** A certificate as far as its subject. */
function certificate(
  issuer: Buffer,
  subject: Buffer,
  version: Buffer = element(0xa0, element(2, Buffer.of(2))),
) {
  const empty = element(0x30);
  return element(0x30, element(0x30, version, element(2, Buffer.of(1)), empty, issuer, empty, subject));
}
const subjectOf = (subject: Buffer) => readNames(certificate(name(cn("ca")), subject))?.subject;

describe("names", () => {
  test("are those of the certificate, issuer and subject", () => {
    const authority = makeIdentity({ names: ["Test CA"], authority: true });
    const { raw } = new X509Certificate(makeIdentity({ names: ["mx.example"], issuer: authority }).cert);
    expect(readNames(raw)).toEqual({ issuer: "CN=Test CA", subject: "CN=mx.example" });
  });

  test("of version 1 too, which does not say its version", () => {
    expect(readNames(certificate(name(cn("ca")), name(cn("me")), Buffer.alloc(0)))?.subject).toBe("CN=me");
  });

  test("begin with the most particular part; parts of one level are joined by +", () => {
    const country = attribute([0x55, 0x04, 0x06], 0x13, Buffer.from("DE"));
    const both = Buffer.concat([cn("a"), attribute([0x55, 0x04, 0x05], 0x13, Buffer.from("12"))]);
    expect(subjectOf(name(country, both))).toBe("serialNumber=12+CN=a,C=DE");
  });

  test.each([
    ["a, O=b", "a\\, O=b"],
    ['"+;<>\\', '\\"\\+\\;\\<\\>\\\\'],
    [" # ", "\\ #\\ "],
    ["#1", "\\#1"],
    [" ", "\\ "],
    ["", ""],
    ["a\r\nO=b\0\x7f", "a\\0D\\0AO=b\\00\\7F"],
    ["Bücher 字", "Bücher 字"],
  ])("%j is written so that it is one value", (given, written) => {
    expect(subjectOf(name(cn(given)))).toBe(`CN=${written}`);
  });

  test.each([
    ["TeletexString", 0x14, Buffer.from("B\xfccher", "latin1"), "CN=Bücher"],
    ["BMPString", 0x1e, Buffer.from([0, 0x42, 0, 0xfc]), "CN=Bü"],
    ["something that is no string", 0x02, Buffer.of(5), "CN=#020105"],
  ])("%s", (_, tag, value, written) => {
    expect(subjectOf(name(attribute(CN, tag, value)))).toBe(written);
  });

  test("a type without a name is told by its numbers, and its value by its octets", () => {
    const type = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x01]; // 1.3.6.1.4.1.311.1
    expect(subjectOf(name(attribute(type, 0x0c, Buffer.from("a"))))).toBe("1.3.6.1.4.1.311.1=#0C0161");
  });

  test("of no octets at all, or of a certificate cut short, are none or whole", () => {
    const whole = certificate(name(cn("ca")), name(cn("me")));
    for (let size = 0; size < whole.length; size++) {
      expect(readNames(whole.subarray(0, size))).toBe(undefined);
    }
  });

  test("are read from any octets without harm", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
      readNames(octets);
      readNames(element(0x30, element(0x30, ...Array(6).fill(octets))));
    }));
  });
});
