/** What comes before a session: a PROXY header from a trusted host, none, or something that is neither. */
import { describe, expect, test } from "bun:test";
import { proxyLocal, proxyV1, proxyV2 } from "../../src/net/proxy_protocol.ts";
import { latin1 } from "../../src/smtp/reply.ts";
import { atDoor, CLIENT, type Door, GREETING, HOST, STRANGER } from "../support/door.ts";
import { IPV4, octets, tlv, v2 } from "../support/proxy_header.ts";

const [SOURCE, DESTINATION] = [{ host: CLIENT, port: 41234 }, { host: "198.51.100.25", port: 25 }];
const V1 = proxyV1(SOURCE, DESTINATION);
const V2 = proxyV2({ source: SOURCE, destination: DESTINATION, crc32c: true });
const HEADERS = [["version 1", V1], ["version 2", V2]] as const;
const EHLO = latin1("EHLO x\r\n");
const NOT_SAID = /^421 4\.3\.0 The host before this one did not say for whom it speaks \[ref \w+\]\r\n$/;

/** Whom the last EHLO was told to come from. */
function client({ known }: Door): string {
  const { client: { host, port }, local, trusted } = known.at(-1)!;
  return `${host} ${port} at ${local.host}${trusted ? ", trusted" : ""}`;
}
const unreferred = (heard: string) => heard.replaceAll(/\[ref \w+\]/g, "[ref]");
const NAMED = `${CLIENT} 41234 at 198.51.100.25`;

for (const proxy of ["optional", "required"] as const) {
  describe(`where a header is ${proxy}`, () => {
    for (const [name, header] of HEADERS) {
      test(
        `${name} names the client, whole or octet by octet`,
        atDoor({ proxy }, async (door) => {
          for (const way of ["say", "spell"] as const) {
            const guest = await door.call();
            expect(guest.heard).toBe("");
            expect(await guest[way](header)).toBe(GREETING);
            expect(await guest.say(EHLO)).toContain("250-mx.example");
            expect(client(door)).toBe(NAMED);
            await guest.say("QUIT\r\n");
          }
          expect(door.told("session", "client", "via")).toEqual(Array(2).fill(`${CLIENT} ${HOST}`));
        }),
      );
      test(
        `${name} with octets of the client behind it: it spoke before it was greeted, and is answered`,
        atDoor({ proxy }, async (door) => {
          const guest = await door.call();
          const heard = await guest.say(octets(header, EHLO));
          expect(heard.startsWith(`${GREETING}250-mx.example`)).toBe(true);
          expect(client(door)).toBe(NAMED);
          expect(door.known[0]!.conduct.spokeEarly).toBe(true);
        }),
      );
      test(
        `${name} alone is no speech of the client's`,
        atDoor({ proxy }, async (door) => {
          const guest = await door.call();
          await guest.say(header);
          await guest.say(EHLO);
          expect(door.known[0]!.conduct.spokeEarly).toBe(false);
        }),
      );
      test(
        `half of ${name}, and the host leaves: nobody was there`,
        atDoor({ proxy }, async (door) => {
          for (const leave of ["sendEnd", "sendClose", "reset"] as const) {
            const guest = await door.call();
            expect(await guest.say(header.subarray(0, 20))).toBe("");
            guest.wire[leave]();
            await door.rest();
            expect([guest.heard, guest.wire.over]).toEqual(["", true]);
          }
          await door.pass(10_000);
          expect(door.told("session", "client")).toEqual([]);
        }),
      );
      test(
        `half of ${name}, and nothing more for 5 seconds: 421`,
        atDoor({ proxy }, async (door) => {
          const guest = await door.call();
          await guest.say(header.subarray(0, 20));
          await door.pass(4_900);
          expect(guest.heard).toBe("");
          await door.pass(200);
          expect(guest.heard).toMatch(NOT_SAID);
          expect(guest.wire.ended).toBe("close");
          expect(door.told("proxy header", "detail")).toEqual([
            `Cannot take a connection by the PROXY protocol from ${HOST}: no whole PROXY header came within 5 s`,
          ]);
        }),
      );
      test(
        `a second header behind ${name} is not taken: the named client speaks for itself`,
        atDoor({ proxy }, async (door) => {
          const spoof = proxyV1({ host: "10.0.0.9", port: 1 }, DESTINATION);
          for (const second of [spoof, V2]) {
            const guest = await door.call();
            expect(await guest.say(octets(header, second, EHLO))).toMatch(
              /^421 4\.7\.1 A PROXY header is not taken here \[ref \w+\]\r\n$/,
            );
            expect(guest.wire.ended).toBe("close");
          }
          expect(door.known).toEqual([]);
          expect(door.told("proxy header", "client", "detail")[0]).toBe(
            `${CLIENT} Cannot take a PROXY header from ${CLIENT}: ${HOST} has named it in a header already`,
          );
        }),
      );
    }

    const lying = (rest: Uint8Array, length: number) => octets(v2(0x21, 0x11, rest, length), EHLO);
    const bad: readonly (readonly [name: string, header: Uint8Array])[] = [
      ["a line too long", octets("PROXY TCP4 ", "1".repeat(120), "\r\n")],
      ["a line that ends in a bare LF", octets("PROXY TCP4 192.0.2.1 198.51.100.2 1 25\n")],
      ["two spaces", octets("PROXY TCP4  192.0.2.1 198.51.100.2 1 25\r\n")],
      ["another family", octets("PROXY UDP4 192.0.2.1 198.51.100.2 1 25\r\n")],
      ["words behind the signature of version 1", octets("PROXY to mail\r\n")],
      ["a length below that of the addresses", lying(IPV4, 4)],
      ["a length past the limit", lying(IPV4, 0xffff)],
      ["a wrong checksum", v2(0x21, 0x11, octets(IPV4, tlv(0x03, octets(1, 2, 3, 4))))],
      ["a vector longer than the header", v2(0x21, 0x11, octets(IPV4, tlv(0x02, "mx", 99)))],
      ["another version", v2(0x31, 0x11, IPV4)],
      ["another command", v2(0x22, 0x11, IPV4)],
    ];
    test.each(bad)(
      "%s: 421, and nothing behind it is read",
      (_name, header) =>
        atDoor({ proxy }, async (door) => {
          const guest = await door.call();
          expect(await guest.say(octets(header, EHLO))).toMatch(NOT_SAID);
          expect(guest.wire.ended).toBe("close");
          expect([door.known.length, door.told("proxy header", "client", "listener")]).toEqual([
            0,
            [`${HOST} 192.0.2.25:25`],
          ]);
        })(),
    );
    test(
      "a length that takes in what the client says leaves a header unfinished, or the words unsaid",
      atDoor({ proxy }, async (door) => {
        const guest = await door.call();
        // 8 octets more than there are: EHLO is the value of a vector.
        await guest.say(v2(0x21, 0x11, octets(IPV4, tlv(0xe0, "EHLO x\r\n"))));
        expect([guest.heard, door.known.length]).toEqual([GREETING, 0]);
        const other = await door.call();
        expect(await other.say(v2(0x21, 0x11, IPV4, IPV4.length + 50))).toBe("");
        expect(await other.say("EHLO y\r\n")).toBe("");
        await door.pass(5_100);
        expect(other.heard).toMatch(NOT_SAID);
      }),
    );

    test(
      "LOCAL is the host itself, whatever addresses stand behind it",
      atDoor({ proxy }, async (door) => {
        for (const header of [proxyLocal(2), v2(0x20, 0x11, IPV4)]) {
          const guest = await door.call();
          expect(await guest.say(header)).toBe(GREETING);
          await guest.say(EHLO);
          expect(client(door)).toBe(`${HOST} 50000 at 192.0.2.25, trusted`);
        }
      }),
    );

    const unknown = [
      ["version 1", proxyLocal(1)],
      ["version 1 with addresses", octets("PROXY UNKNOWN 192.0.2.1 198.51.100.2 1 25\r\n")],
      ["version 2", v2(0x21, 0x00, octets())],
      ["a datagram", v2(0x21, 0x12, IPV4)],
      ["a unix socket", v2(0x21, 0x31, new Uint8Array(216))],
    ] as const;
    test.each([...unknown])(
      "an unknown client (%s) is refused unless the settings take it",
      async (_, header) => {
        await atDoor({ proxy }, async (door) => {
          expect(await (await door.call()).say(header)).toMatch(NOT_SAID);
          expect(door.told("proxy header", "detail")[0]).toContain(
            "the header says that the client is not known",
          );
        })();
        await atDoor({ proxy, proxyUnknown: "take" }, async (door) => {
          const guest = await door.call();
          expect(await guest.say(header)).toBe(GREETING);
          expect(await guest.say(EHLO)).not.toContain("XCLIENT");
          // Not the host's address, by which it may be allowed what others are not.
          expect(client(door)).toBe("unknown 0 at 192.0.2.25, trusted");
          await guest.say("QUIT\r\n");
          expect(door.told("session", "client", "via")).toEqual([`unknown ${HOST}`]);
        })();
      },
    );

    test(
      "IPv6, and IPv4 written as IPv6",
      atDoor({ proxy }, async (door) => {
        for (const host of ["2001:db8::1", "::ffff:192.0.2.1"]) {
          const guest = await door.call("2001:db8:5::1");
          await guest.say(octets(`PROXY TCP6 ${host} 2001:db8::2 1 25\r\n`));
          await guest.say(EHLO);
        }
        expect(door.known.map(({ client }) => client.host)).toEqual(["2001:db8::1", "192.0.2.1"]);
      }),
    );
    test(
      "a header may name another trusted host, which may name in turn",
      atDoor({ proxy }, async (door) => {
        const guest = await door.call();
        await guest.say(proxyV1({ host: "10.0.0.9", port: 1 }, DESTINATION));
        expect(await guest.say(EHLO)).toContain("XCLIENT");
        expect(client(door)).toBe("10.0.0.9 1 at 198.51.100.25, trusted");
      }),
    );
  });
}

describe("where a header is optional", () => {
  test(
    "a trusted host that is silent is greeted after 300 ms, as itself",
    atDoor({}, async (door) => {
      const guest = await door.call();
      await door.pass(200);
      expect(guest.heard).toBe("");
      await door.pass(100);
      expect(guest.heard).toBe(GREETING);
      expect(await guest.say(EHLO)).toContain("XCLIENT");
      expect(client(door)).toBe(`${HOST} 50000 at 192.0.2.25, trusted`);
    }),
  );
  test(
    "a stranger is greeted at once",
    atDoor({}, async (door) => expect((await door.call(STRANGER)).heard).toBe(GREETING)),
  );
  test(
    "what begins like a header and is none is an early word of the host itself",
    atDoor({}, async (door) => {
      for (const words of ["EHLO x\r\n", "P\r\nEHLO x\r\n", "PROX\r\nEHLO x\r\n", "\r\n\r\n\0no"]) {
        const [whole, spelled] = [await door.call(), await door.call()];
        expect((await whole.say(words)).startsWith(GREETING)).toBe(true);
        expect(unreferred(await spelled.spell(latin1(words)))).toBe(unreferred(whole.heard));
      }
      expect(client(door)).toBe(`${HOST} 50000 at 192.0.2.25, trusted`);
    }),
  );
  test(
    "half a signature is waited for as for a header",
    atDoor({}, async (door) => {
      const guest = await door.call();
      await guest.say("PRO");
      await door.pass(4_000);
      expect(guest.heard).toBe("");
      await door.pass(1_100);
      expect(guest.heard).toMatch(NOT_SAID);
    }),
  );
  test.each([...HEADERS])(
    "%s that comes when the host has been greeted ends the session: what follows is said by others",
    (_name, header) =>
      atDoor({}, async (door) => {
        const guest = await door.call();
        await door.pass(400);
        expect(await guest.say(octets(header, EHLO))).toMatch(
          /^421 4\.7\.1 A PROXY header is not taken here/,
        );
        expect([guest.wire.ended, door.known.length]).toEqual(["close", 0]);
        expect(door.told("proxy header", "detail")).toEqual([
          `Cannot take a PROXY header from ${HOST}: it came after the greeting, or to a listener that takes none`,
        ]);
      })(),
  );
});

describe("where a header is required", () => {
  test(
    "a host that is silent is not greeted, and told 421 after 5 seconds",
    atDoor({ proxy: "required" }, async (door) => {
      const guest = await door.call();
      await door.pass(4_900);
      expect(guest.heard).toBe("");
      await door.pass(200);
      expect(guest.heard).toMatch(NOT_SAID);
    }),
  );
  test(
    "SMTP without one is told 421",
    atDoor({ proxy: "required" }, async (door) => {
      expect(await (await door.call()).say(EHLO)).toMatch(NOT_SAID);
      expect(door.told("proxy header", "detail")[0]).toContain("this is no PROXY header");
    }),
  );
  test(
    "a stranger is told 554, and the log says that it is not trusted",
    atDoor({ listen: "proxy://192.0.2.25:25" }, async (door) => {
      const guest = await door.call(STRANGER);
      expect(guest.heard).toMatch(/^554 5\.7\.1 Only trusted hosts may connect here \[ref \w+\]\r\n$/);
      expect(guest.wire.ended).toBe("close");
      expect(await guest.say(octets(V1, EHLO))).toBe("");
      expect(door.told("proxy header", "client", "listener", "detail")).toEqual([
        `${STRANGER} proxy://192.0.2.25:25 Cannot take a connection by the PROXY protocol from ${STRANGER}: that address is not trusted`,
      ]);
    }),
  );
});

describe("where none is taken, or not from this host,", () => {
  test.each([...HEADERS])("%s is never believed, however it is cut", async (_name, header) => {
    for (
      const [options, host] of [[{}, STRANGER], [{ trusted: [] }, HOST], [{ proxy: "off" }, HOST]] as const
    ) {
      await atDoor(options, async (door) => {
        const guest = await door.call(host);
        expect(guest.heard).toBe(GREETING);
        expect(await guest.say(octets(header, EHLO))).toMatch(
          /^421 4\.7\.1 A PROXY header is not taken here/,
        );
        const spelled = await door.call(host);
        await spelled.spell(octets(header, EHLO));
        expect([guest.wire.ended, spelled.wire.ended, door.known.length]).toEqual(["close", "close", 0]);
      })();
    }
  });
  test(
    "the log says that the address is not trusted, once for a connection",
    atDoor({}, async (door) => {
      await (await door.call(STRANGER)).say(octets(V1, EHLO));
      expect(door.told("proxy header", "client", "detail")).toEqual([
        `${STRANGER} Cannot take a PROXY header from ${STRANGER}: that is an untrusted address; allowed are those of the setting trusted (SALLYPORT_TRUSTED)`,
      ]);
    }),
  );
  test(
    "a trusted host is not waited for",
    atDoor({ proxy: "off" }, async (door) => expect((await door.call()).heard).toBe(GREETING)),
  );
});
