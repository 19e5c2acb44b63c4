/** The entrance: TLS behind a header, how many may wait there, whom they count for, and the way out. */
import { describe, expect, test } from "bun:test";
import { proxyLocal, proxyV1, proxyV2 } from "../../src/net/proxy_protocol.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { tlsSettings } from "../../src/policy/tls_settings.ts";
import { definePlugin } from "../../src/policy/plugin.ts";
import { atDoor, CLIENT, type Door, GREETING, HOST, STRANGER } from "../support/door.ts";
import { octets } from "../support/proxy_header.ts";

const DESTINATION = { host: "198.51.100.25", port: 25 };
const header = (host: string = CLIENT) => proxyV1({ host, port: 41234 }, DESTINATION);
const HELLO = "\x16\x03\x01 the rest of a ClientHello";
const TLS = tlsSettings({ cert: "c", key: "k" });
const EHLO = "EHLO x\r\n";

/** A session of the client that a header names. */
async function introduced(door: Door, host: string = CLIENT) {
  const guest = await door.call();
  await guest.say(header(host));
  return guest;
}

describe("implicit TLS behind a header", () => {
  for (const proxy of ["optional", "required"] as const) {
    test(
      `begins with the octets that came in one write with it (${proxy})`,
      atDoor({ listen: "tls://192.0.2.25:465", proxy }, async (door) => {
        expect(door.network.listening[0]!.tls).toBeUndefined();
        const guest = await door.call();
        expect(await guest.say(octets(header(), HELLO))).toBe("");
        // The octets it was given are its own: the view they came in is long spoilt.
        expect(latin1Text(guest.wire.early)).toBe(HELLO);
        await guest.shake();
        expect(guest.heard).toBe(GREETING);
        expect(await guest.say(EHLO)).not.toContain("STARTTLS");
        const { client, tls, conduct } = door.known[0]!;
        expect([client.host, tls?.version, conduct.spokeEarly]).toEqual([CLIENT, "TLSv1.3", false]);
      }),
    );
    test(
      `begins behind a header that came alone (${proxy})`,
      atDoor({ listen: "tls://192.0.2.25:465", proxy }, async (door) => {
        const guest = await door.call();
        await guest.spell(header());
        expect(guest.wire.early.length).toBe(0);
        await guest.shake();
        expect(guest.heard).toBe(GREETING);
      }),
    );
    test(
      `is not waited for any longer than anywhere, and then nobody is left waiting (${proxy})`,
      atDoor({ listen: "tls://192.0.2.25:465", proxy, sessions: 2 }, async (door) => {
        for (let i = 0; i < 5; i++) {
          const guest = await door.call();
          await guest.say(header());
          await door.pass(60_000);
          expect([guest.wire.ended, guest.heard]).toEqual(["abort", ""]);
        }
        const guest = await introduced(door);
        await guest.shake();
        expect(guest.heard).toBe(GREETING);
      }),
    );
  }
  test(
    "of a trusted host that sends no header: its first octets are the handshake's",
    atDoor({ listen: "tls://192.0.2.25:465" }, async (door) => {
      const guest = await door.call();
      await guest.say(HELLO);
      expect(latin1Text(guest.wire.early)).toBe(HELLO);
      await guest.shake();
      expect(guest.heard).toBe(GREETING);
      const silent = await door.call();
      await door.pass(400);
      await silent.shake();
      expect(silent.heard).toBe(GREETING);
    }),
  );
  test(
    "of a stranger, on a listener where trusted hosts send headers",
    atDoor({ listen: "tls://192.0.2.25:465" }, async (door) => {
      const guest = await door.call(STRANGER);
      await guest.shake();
      expect(guest.heard).toBe(GREETING);
      await guest.say(EHLO);
      expect(door.known[0]!.tls?.version).toBe("TLSv1.3");
      const other = await door.call(STRANGER);
      // Sent before the proxy has read anything.
      expect([await other.say(octets(header(), EHLO)), other.wire.over]).toEqual(["", true]);
    }),
  );
  test(
    "begins once, however soon the first octets come",
    atDoor({ listen: "tls://192.0.2.25:465" }, async (door) => {
      for (const host of [STRANGER, HOST]) {
        const wire = door.network.call(host)!;
        let begun = 0;
        const secure = wire.secure.bind(wire);
        wire.secure = (...given) => (begun++, secure(...given));
        wire.send(latin1(HELLO));
        // Before anything that waits for the end of the call.
        door.network.events.settle();
        expect([begun, latin1Text(wire.early)]).toEqual([1, HELLO]);
        await door.pass(1000);
        expect(begun).toBe(1);
      }
    }),
  );
  test(
    "of a trusted host that takes its time: its header is a header however late it comes",
    atDoor({ listen: "tls://192.0.2.25:465" }, async (door) => {
      const guest = await door.call();
      await door.pass(4_000);
      await guest.say(header());
      await guest.shake();
      await guest.say(EHLO);
      expect(door.known[0]!.client.host).toBe(CLIENT);
    }),
  );
  for (const way of ["say", "spell"] as const) {
    test(
      `of a stranger: a header in its place is not taken, and the log says so (${way})`,
      atDoor({ listen: "tls://192.0.2.25:465", sessions: 1 }, async (door) => {
        for (
          const words of [header(), proxyV2({ source: { host: HOST, port: 1 }, destination: DESTINATION })]
        ) {
          const guest = await door.call(STRANGER);
          expect([await guest[way](words), guest.wire.ended]).toEqual(["", "abort"]);
          expect(guest.wire.handshake).toBeUndefined();
        }
        expect(door.told("session", "client")).toEqual([]);
        expect(door.told("no handshake", "client")).toEqual([]);
        const line =
          `${STRANGER} tls://192.0.2.25:465 Cannot take a PROXY header from ${STRANGER}: that is an ` +
          "untrusted address; allowed are those of the setting trusted (SALLYPORT_TRUSTED)";
        expect(door.told("proxy header", "client", "listener", "detail")).toEqual([line, line]);
      }),
    );
  }
  test(
    "of a stranger whose octets begin like a header and go on otherwise: they are the handshake's",
    atDoor({ listen: "tls://192.0.2.25:465" }, async (door) => {
      const guest = await door.call(STRANGER);
      await guest.spell(latin1("PRO"));
      expect(guest.wire.handshake).toBeUndefined();
      await guest.say("OF");
      expect(latin1Text(guest.wire.early)).toBe("PROOF");
    }),
  );
  test(
    "that comes to nothing is in the log, with the listener and the reason; a client that only leaves is not",
    atDoor({ listen: "tls://192.0.2.25:465" }, async (door) => {
      const broken = await door.call(STRANGER);
      await broken.say(HELLO);
      broken.wire.reset();
      await door.rest();
      await door.call(STRANGER);
      await door.pass(60_000);
      (await door.call(STRANGER)).wire.reset();
      await door.rest();
      expect(door.told("no handshake", "client", "listener", "error")).toEqual([
        `${STRANGER} tls://192.0.2.25:465 ECONNRESET`,
        `${STRANGER} tls://192.0.2.25:465 Cannot speak TLS with the client: no handshake within 30000 ms`,
      ]);
    }),
  );
  test(
    "holds a place from the first moment on, where no header can come too",
    atDoor(
      { listen: "tls://192.0.2.25:465", trusted: [], sessions: 3, sessionsPerClient: 1 },
      async (door) => {
        const held = await door.call(STRANGER);
        expect((await door.call(STRANGER)).wire.ended).toBe("abort");
        expect(held.wire.ended).toBeUndefined();
        await held.shake();
        expect(held.heard).toBe(GREETING);
        const other = await door.call(CLIENT);
        await other.shake();
        expect(other.heard).toBe(GREETING);
        const stray = await door.call("203.0.113.8");
        await stray.say(header());
        expect(stray.wire.ended).toBe("abort");
        expect(door.told("proxy header", "client")).toEqual(["203.0.113.8"]);
      },
    ),
  );
  test(
    "ends with the drain, where no header can come too",
    atDoor({ listen: "tls://192.0.2.25:465", trusted: [] }, async (door) => {
      const held = await door.call(STRANGER);
      const stopped = door.proxy.stop(1_000);
      await door.rest();
      expect(held.wire.ended).toBe("abort");
      await stopped;
    }),
  );
  test("is refused in the clear to strangers where a header is required", () =>
    atDoor({ listen: "proxy+tls://192.0.2.25:465" }, async (door) => {
      expect((await door.call(STRANGER)).heard).toMatch(/^554 5\.7\.1 /);
    })());
});

describe("TLS that the trusted host has ended", () => {
  const ended = proxyV2({
    source: { host: CLIENT, port: 1 },
    destination: DESTINATION,
    authority: "mx.example",
    tls: { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
  });
  test(
    "is the client's: no STARTTLS is offered within it",
    atDoor({ tls: TLS }, async (door) => {
      const guest = await door.call();
      await guest.say(ended);
      expect(await guest.say(EHLO)).not.toContain("STARTTLS");
      expect(door.known[0]!.tls).toEqual({
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384",
        serverName: "mx.example",
      });
      expect(await guest.say("STARTTLS\r\n")).toMatch(/^502 /);
    }),
  );
  test(
    "is offered to a client that has none",
    atDoor({ tls: TLS }, async (door) => {
      expect(await (await introduced(door)).say(EHLO)).toContain("STARTTLS");
    }),
  );
});

describe("sessionsPerClient", () => {
  test(
    "counts for the client that a header names, not for the host that speaks for many",
    atDoor({ sessionsPerClient: 1 }, async (door) => {
      const one = await introduced(door);
      const two = await introduced(door);
      expect([one.heard, two.heard]).toEqual([GREETING, expect.stringMatching(/^421 4\.7\.0 Too many/)]);
      expect((await introduced(door, "192.0.2.2")).heard).toBe(GREETING);
      one.wire.reset();
      await door.rest();
      expect((await introduced(door)).heard).toBe(GREETING);
    }),
  );
  test(
    "who is refused for it takes no place from others, however long he stays",
    atDoor({ sessions: 2, sessionsPerClient: 1 }, async (door) => {
      const guests = [];
      for (let i = 0; i < 4; i++) guests.push(await door.call(STRANGER));
      expect(guests.map(({ heard }) => heard.slice(0, 3))).toEqual(["220", "421", "421", "421"]);
      expect((await door.call(CLIENT)).heard).toBe(GREETING);
      expect((await door.call("192.0.2.2")).heard).toMatch(/^421 4\.3\.2 Too many sessions, /);
      for (const { wire } of guests) wire.reset();
      await door.rest();
      expect((await door.call("192.0.2.3")).heard).toBe(GREETING);
      expect((await door.call("192.0.2.4")).heard).toMatch(/^421 /);
    }),
  );
  test(
    "counts an IPv6 /64 as one client, and its other neighbours not",
    atDoor({ sessionsPerClient: 1 }, async (door) => {
      const one = await door.call("2001:db8:1:2::1");
      expect((await door.call("2001:db8:1:2:ffff::2")).heard).toMatch(/^421 4\.7\.0 /);
      expect((await door.call("2001:db8:1:3::1")).heard).toBe(GREETING);
      expect([(await door.call("192.0.2.7")).heard, (await door.call("192.0.2.8")).heard]).toEqual([
        GREETING,
        GREETING,
      ]);
      one.wire.reset();
      await door.pass(6_000);
      expect((await door.call("2001:db8:1:2::3")).heard).toBe(GREETING);
    }),
  );
  test(
    "counts a client that comes by itself and by a trusted host as one",
    atDoor({ sessionsPerClient: 1 }, async (door) => {
      await door.call(CLIENT);
      expect((await introduced(door)).heard).toMatch(/^421 4\.7\.0 /);
    }),
  );
  test(
    "does not count the host when it speaks for itself, or for nobody known",
    atDoor({ sessionsPerClient: 1, proxyUnknown: "take" }, async (door) => {
      for (const header of [proxyLocal(2), proxyLocal(2), proxyLocal(1), proxyLocal(1)]) {
        expect(await (await door.call()).say(header)).toBe(GREETING);
      }
    }),
  );
  test(
    "counts for the client that XCLIENT names, and no more when that one leaves or is another's",
    atDoor({ sessionsPerClient: 1, proxy: "off" }, async (door) => {
      const named = async (address: string) => {
        const guest = await door.call();
        return { guest, heard: await guest.say(`XCLIENT ADDR=${address}\r\n`) };
      };
      const one = await named(CLIENT);
      const two = await named(CLIENT);
      expect(one.heard).toBe(GREETING);
      expect(two.heard).toMatch(/^421 4\.7\.0 Too many sessions from your address.*\r\n$/);
      expect(two.guest.wire.ended).toBe("close");
      one.guest.wire.reset();
      await door.rest();
      expect((await named(CLIENT)).heard).toBe(GREETING);
      // Trusted itself, so named again: the first name is not counted any more.
      const { guest } = await named("10.0.0.9");
      expect(await guest.say("XCLIENT ADDR=192.0.2.8\r\n")).toBe(GREETING);
      expect((await named("192.0.2.8")).heard).toMatch(/^421 /);
      guest.wire.reset();
      await door.rest();
      expect((await named("192.0.2.8")).heard).toBe(GREETING);
    }),
  );
  test(
    "counts strangers whose handshake is awaited",
    atDoor({ listen: "tls://192.0.2.25:465", sessionsPerClient: 2 }, async (door) => {
      const guests = [await door.call(STRANGER), await door.call(STRANGER), await door.call(STRANGER)];
      expect(guests.map(({ wire }) => wire.ended)).toEqual([undefined, undefined, "abort"]);
      await guests[0]!.shake();
      expect(guests[0]!.heard).toBe(GREETING);
      expect((await door.call(STRANGER)).wire.ended).toBe("abort");
      guests[1]!.wire.reset();
      await door.rest();
      expect((await door.call(STRANGER)).wire.ended).toBeUndefined();
    }),
  );
});

test(
  "sessions: who waits for a header takes a place, and gives it back",
  atDoor({ sessions: 2 }, async (door) => {
    const [one, two] = [await door.call(), await door.call()];
    expect((await door.call()).wire.ended).toBe("abort");
    expect((await door.call(STRANGER)).heard).toMatch(/^421 4\.3\.2 Too many sessions/);
    await one.say(header());
    expect(one.heard).toBe(GREETING);
    two.wire.reset();
    await door.rest();
    expect((await door.call(STRANGER)).heard).toBe(GREETING);
  }),
);

test(
  "a proxy that stops ends who waits for a header, and greets nobody any more",
  atDoor({ proxy: "required" }, async (door) => {
    const [silent, half] = [await door.call(), await door.call()];
    await half.say(header().subarray(0, 9));
    await door.proxy.stop(1000);
    await door.rest();
    expect([silent, half].map(({ wire, heard }) => [wire.ended, heard])).toEqual(
      Array(2).fill(["abort", ""]),
    );
    await door.pass(10_000);
    expect([silent.heard, half.heard, door.told("session", "client")]).toEqual(["", "", []]);
  }),
);

test(
  "a proxy that stops ends who has not finished a handshake",
  atDoor({ listen: "tls://192.0.2.25:465" }, async (door) => {
    const guest = await door.call(STRANGER);
    await door.proxy.stop(1000);
    await door.rest();
    expect(guest.wire.ended).toBe("abort");
  }),
);

test("plugins judge the client that a header names, before its greeting, and are told what it said early", () => {
  const judged: string[] = [];
  const judge = definePlugin("judge", () => ({
    onError: "pass",
    judges: "client",
    connect: async ({ client }, io) => {
      const silent = await io.silence(1000);
      judged.push(`${client.host} ${silent ? "silent" : "spoke"}`);
    },
  }))();
  return atDoor({ plugins: [judge] }, async (door) => {
    const patient = await introduced(door);
    expect(patient.heard).toBe("");
    await door.pass(1000);
    expect(patient.heard).toBe(GREETING);
    const hasty = await door.call();
    await hasty.say(octets(header("192.0.2.2"), EHLO));
    const itself = await door.call();
    await door.pass(400);
    expect(itself.heard).toBe(GREETING);
    expect(judged).toEqual([`${CLIENT} silent`, "192.0.2.2 spoke"]);
  })();
});

test(
  "a connection that closes before it has said anything leaves no trace",
  atDoor({}, async (door) => {
    for (const leave of ["sendEnd", "sendClose", "reset"] as const) {
      const guest = await door.call();
      guest.wire[leave]();
      await door.pass(1000);
      expect(guest.wire.over).toBe(true);
    }
    expect([door.proxy.sessions, door.told("session", "client")]).toEqual([0, []]);
    expect((await door.call(HOST)).heard).toBe("");
  }),
);
