/** Who can take an ECDSA certificate. */

import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { takesEcdsa } from "../../src/net/client_hello.ts";

/** A ClientHello in records of at most `most` octets. */
function hello(suites: number[], schemes: number[] | undefined, most = 16_384): Uint8Array {
  const two = (value: number) => [value >> 8, value & 255];
  const list = (values: number[]) => [...two(values.length * 2), ...values.flatMap(two)];
  const name = [0, 0, 0, 4, 1, 2, 3, 4];
  const signatures = schemes === undefined ? [] : [0, 13, ...two(schemes.length * 2 + 2), ...list(schemes)];
  const extensions = [...name, ...signatures];
  const body = [
    3,
    3,
    ...new Array(32).fill(7),
    1,
    9,
    ...list(suites),
    1,
    0,
    ...two(extensions.length),
    ...extensions,
  ];
  const message = [1, 0, ...two(body.length), ...body];
  const records: number[] = [];
  for (let at = 0; at < message.length; at += most) {
    const part = message.slice(at, at + most);
    records.push(0x16, 3, 1, ...two(part.length), ...part);
  }
  return Uint8Array.from(records);
}

const [TLS13, ECDHE_ECDSA, ECDHE_RSA] = [0x1301, 0xc02b, 0xc02f] as const;
const [ECDSA_P256, RSA_PSS, RSA] = [0x0403, 0x0804, 0x0401] as const;

test.each([
  ["TLS 1.3 with both", [TLS13], [ECDSA_P256, RSA_PSS], true],
  ["TLS 1.3 with RSA only", [TLS13], [RSA_PSS], false],
  ["TLS 1.2 with both", [ECDHE_RSA, ECDHE_ECDSA], [RSA, ECDSA_P256], true],
  ["TLS 1.2 with suites for RSA only", [ECDHE_RSA], [RSA, ECDSA_P256], false],
  ["TLS 1.2 that names no signatures", [ECDHE_RSA, ECDHE_ECDSA], undefined, true],
  ["TLS 1.2 with RSA only that names no signatures", [ECDHE_RSA], undefined, false],
  ["nothing at all", [], [], false],
])("%s", (_name, suites, schemes, expected) => {
  expect(takesEcdsa(hello(suites, schemes))).toBe(expected);
  expect(takesEcdsa(hello(suites, schemes, 9))).toBe(expected);
});

test("what cannot be read is left to the library", () => {
  const whole = hello([ECDHE_RSA], [RSA]);
  for (let length = 0; length < whole.length; length++) {
    expect(takesEcdsa(whole.subarray(0, length))).toBe(true);
  }
  expect(takesEcdsa(Buffer.from("EHLO client.example\r\n"))).toBe(true);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    takesEcdsa(Uint8Array.of(0x16, 3, 1, ...bytes));
  }));
});
