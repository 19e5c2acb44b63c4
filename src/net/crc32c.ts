/** CRC32c, the Castagnoli polynomial (RFC 4960 Appendix B), for the checksum of PROXY protocol version 2. */

/** Made when it is first needed: making it wakes the compiler, which costs 2 MB that most proxies never use. */
let table: Uint32Array | undefined;

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, octet) => {
    let crc = octet;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
    return crc;
  });
}

/** The checksum of octets, as an unsigned 32-bit number. */
export function crc32c(octets: Uint8Array): number {
  const known = table ??= makeTable();
  let crc = 0xffffffff;
  for (let at = 0; at < octets.length; at++) crc = crc >>> 8 ^ known[(crc ^ octets[at]!) & 255]!;
  return ~crc >>> 0;
}
