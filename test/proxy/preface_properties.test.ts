/**
 * Any octets before the greeting, in any pieces, from a trusted host: the session that comes of them has the client that
 * the header says, read by its reader alone; or there is none. Nobody waits longer than the bound.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { proxyLocal, proxyV1, proxyV2 } from "../../src/net/proxy_protocol.ts";
import { atDoor, type Door, GREETING, HOST } from "../support/door.ts";
import { IPV4, octets, type Outcome, readWhole, tlv, v2 } from "../support/proxy_header.ts";

const ends = fc.record({
  source: fc.record({ host: fc.constantFrom("192.0.2.1", "2001:db8::1", "10.0.0.9"), port: fc.nat(65535) }),
  destination: fc.record({ host: fc.constantFrom("198.51.100.2", "2001:db8::2"), port: fc.nat(65535) }),
});
const header: fc.Arbitrary<Uint8Array> = fc.oneof(
  ends.map(({ source, destination }) => proxyV1(source, destination)),
  fc.tuple(ends, fc.boolean()).map(([both, crc32c]) => proxyV2({ ...both, crc32c, tls: {} })),
  fc.constantFrom<1 | 2>(1, 2).map(proxyLocal),
  fc.tuple(fc.nat(255), fc.nat(255), fc.nat(300)).map(([command, family, length]) =>
    v2(command, family, octets(IPV4, tlv(4, "x".repeat(9))), length)
  ),
);
/** One octet becomes another, or all from there on is missing. */
const damaged = fc.tuple(header, fc.nat(80), fc.nat(255), fc.boolean()).map(([whole, at, octet, torn]) => {
  const copy = Uint8Array.from(whole);
  if (torn) return copy.subarray(0, at);
  copy[at % copy.length] = octet;
  return copy;
});
const behind = fc.constantFrom("", "EHLO x\r\n", "QUIT\r\n", "\r\n", "PROXY ", "\0", "\x16\x03\x01");
const spoken = fc.tuple(
  fc.oneof(header, damaged, fc.uint8Array({ maxLength: 60 }), fc.constantFrom("", "EHLO y\r\n", "P", "\r\n")),
  behind,
).map((parts) => octets(...parts));
const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 4 });

/** Whose session comes of it; undefined where there is none. */
function whose(read: Outcome): string | undefined {
  if (read === "more" || "fault" in read || read.header.command === "unknown") return undefined;
  return read.header.command === "local" ? HOST : read.header.source.host;
}

/** By string search, whether a header may begin here. */
function mayBegin(bytes: Uint8Array): boolean {
  const text = String.fromCharCode(...bytes);
  return ["PROXY ", "\r\n\r\n\0\r\nQUIT\n"].some((signature) =>
    signature.startsWith(text.slice(0, signature.length))
  );
}

async function play(door: Door, bytes: Uint8Array, pieces: readonly number[]): Promise<string | undefined> {
  const guest = await door.call();
  let heard = "";
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = pieces[turn % pieces.length]!;
    heard += await guest.say(bytes.subarray(at, at + size));
    at += size;
  }
  guest.heard = "";
  await door.pass(5_100);
  heard += guest.heard;
  // It was greeted or sent away, and nothing in between.
  expect(heard).toMatch(/^(220|421) /);
  guest.wire.reset();
  await door.rest();
  expect(door.proxy.sessions).toBe(0);
  if (!heard.startsWith("220 ")) {
    if (heard.startsWith("421 4.3.0 ")) return undefined;
    // What stands behind a header begins like another one.
    expect(heard).toMatch(/^421 4\.7\.1 A PROXY header is not taken here/);
  } else expect(heard.startsWith(GREETING)).toBe(true);
  return door.told("session", "client").at(-1);
}

for (const proxy of ["required", "optional"] as const) {
  test(`where a header is ${proxy}`, async () => {
    await fc.assert(
      fc.asyncProperty(spoken, sizes, async (bytes, pieces) => {
        const none = proxy === "optional" && (bytes.length === 0 || !mayBegin(bytes));
        await atDoor({ proxy }, async (door) => {
          expect(await play(door, bytes, pieces)).toBe(none ? HOST : whose(readWhole(bytes)));
        })();
      }),
      { numRuns: 300 },
    );
  });
}
