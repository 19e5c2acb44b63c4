/** CRC32c: the examples of RFC 3720 Appendix B.4, and the check value that catalogues of checksums give. */
import { describe, expect, test } from "bun:test";
import { crc32c } from "../../src/net/crc32c.ts";

/** Octets from hex digits. */
function octets(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

const READ_COMMAND = octets(
  "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000",
);

describe("the checksum of", () => {
  test.each([
    ["nothing", new Uint8Array(0), 0],
    ["the digits 1 to 9", new TextEncoder().encode("123456789"), 0xe3069283],
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(255), 0x62a8ab43],
    ["0 to 31", Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
    ["31 to 0", Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
    ["an iSCSI read command", READ_COMMAND, 0xd9963a56],
  ])("%s is as published", (_, bytes, sum) => {
    expect(crc32c(bytes)).toBe(sum);
  });
});
