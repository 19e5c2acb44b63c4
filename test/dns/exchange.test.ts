/**
 * One question to one server over UDP and TCP, against servers and strangers that do not behave.
 */
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { describe, expect, test } from "bun:test";
import { failureOf, scene } from "../support/dns_scene.ts";
import { type Asked, closedPort, framed } from "../support/fake_dns_server.ts";
import { promisesSettle } from "../support/fake_timers.ts";

const GOOD = "192.0.2.1";
const BAD = "192.0.2.66";
const answer = (asked: Asked, data: string) => asked.message({ answers: [record(asked, data)] });
const record = (asked: Asked, data: string, ttl = 300) =>
  ({ name: asked.name, type: "A", ttl, data }) as const;

/** The answer, with some octets replaced. */
function bent(bytes: Buffer, at: number, ...octets: number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(octets, at);
  return copy;
}

test(
  "a question is asked over UDP and its answer is told",
  scene(async (scene) => {
    const server = await scene.server((asked) => asked.address(GOOD, 60));
    const told = await scene.resolver([server]).resolve("Mail.Example.org", "A");
    expect(told).toEqual({ status: "ok", records: [GOOD], ttl: 60_000, stale: false });
    expect(server.asked.map(({ name, type, over }) => [name, type, over])).toEqual([
      ["mail.example.org", "A", "udp"],
    ]);
  }),
);

test(
  "a question that is answered leaves no timer",
  scene(async (scene) => {
    const server = await scene.server((asked) => {
      if (asked.over === "udp" && asked.name === "tcp.example") asked.reply({ truncated: true });
      else asked.address(GOOD);
    });
    const resolver = scene.resolver([server]);
    for (const name of ["udp.example", "tcp.example"]) await resolver.resolve(name, "A");
    expect(scene.timers.advance(60_000)).toBe(false);
  }),
);

test(
  "a server may have an IPv6 address",
  scene(async (scene) => {
    const server = await scene.server((asked) => asked.address(GOOD), "::1");
    expect((await scene.resolver([server]).resolve("a.example", "A")).records).toEqual([GOOD]);
  }),
);

describe("over UDP is ignored", () => {
  test.each<[string, (asked: Asked) => Buffer]>([
    [
      "a message with another id",
      (asked) => bent(answer(asked, BAD), 0, ~asked.id >> 8 & 255, ~asked.id & 255),
    ],
    ["a message with another name", (asked) => bent(answer(asked, BAD), 13, 0x62)],
    ["a message with another type", (asked) => bent(answer(asked, BAD), 12 + 11 + 1, 28)],
    ["a query", (asked) => bent(answer(asked, BAD), 2, 1)],
    ["a message that is cut off", (asked) => answer(asked, BAD).subarray(0, -2)],
    ["a message of one octet", (asked) => Buffer.from([asked.id >> 8])],
    ["a message that claims 65535 records", (asked) => bent(answer(asked, BAD), 6, 255, 255)],
    ["a name that points to itself", (asked) => bent(answer(asked, BAD), 12 + 11 + 4, 0xc0, 12 + 11 + 4)],
  ])("%s, and the answer behind it taken", (_, lie) =>
    scene(async (scene) => {
      const server = await scene.server((asked) => {
        asked.send(lie(asked));
        asked.address(GOOD);
      });
      expect((await scene.resolver([server]).resolve("a.example", "A")).records).toEqual([GOOD]);
      expect(server.asked).toHaveLength(1);
    })());

  test.each([
    ["another port", "127.0.0.1"],
    ["another address", "127.0.0.2"],
  ])(
    "a stranger's answer from %s, though it has the id and the question",
    (_, host) =>
      scene(async (scene) => {
        const stranger = createSocket("udp4");
        await new Promise<void>((resolve) => stranger.bind(0, host, resolve));
        const server = await scene.server((asked) => {
          stranger.send(answer(asked, BAD), asked.port, "127.0.0.1", () => asked.address(GOOD));
        });
        try {
          expect((await scene.resolver([server]).resolve("a.example", "A")).records).toEqual([GOOD]);
        } finally {
          stranger.close();
        }
      })(),
  );
});

describe("after its time", () => {
  test(
    "a server that says nothing has been asked twice, and that is all",
    scene(async (scene) => {
      const server = await scene.server();
      const failure = failureOf(scene.resolver([server]).resolve("a.example", "A"));
      await server.queries(1);
      scene.timers.advance(1499);
      await promisesSettle();
      expect(server.asked).toHaveLength(1);
      scene.timers.advance(1);
      await server.queries(2);
      scene.timers.advance(1500);
      expect(await failure).toMatchObject({
        code: "ETIMEOUT",
        question: "a.example A",
        temporary: true,
        message: `Cannot look up a.example A: 127.0.0.1:${server.port}: no answer in time`,
      });
      expect(server.asked).toHaveLength(2);
    }),
  );

  test(
    "a server that has sent garbage is said to have",
    scene(async (scene) => {
      const server = await scene.server((asked) => {
        if (asked.name === "a.example") asked.send(answer(asked, BAD).subarray(0, -2));
        else asked.address(GOOD);
      });
      // The first socket always, so that the second answer comes behind the garbage.
      let draws = 0;
      const random = () => draws++ % 2 === 0 ? 0 : draws / 1000;
      const resolver = scene.resolver([server], { tries: 1, random });
      const failure = failureOf(resolver.resolve("a.example", "A"));
      await server.queries(1);
      await resolver.resolve("b.example", "A");
      scene.timers.advance(1500);
      expect((await failure).code).toBe("EBADRESP");
    }),
  );

  test(
    "an answer that comes late is nobody's",
    scene(async (scene) => {
      const server = await scene.server();
      const resolver = scene.resolver([server], { tries: 1 });
      const failure = failureOf(resolver.resolve("a.example", "A"));
      await server.queries(1);
      scene.timers.advance(1500);
      expect((await failure).code).toBe("ETIMEOUT");
      server.asked[0]!.address(BAD);
      server.script = (asked) => asked.address(GOOD);
      expect((await resolver.resolve("b.example", "A")).records).toEqual([GOOD]);
      expect(await failureOf(resolver.resolve("a.example", "A"))).toBe(await failure);
    }),
  );
});

describe("a refusal is told by its code", () => {
  test.each([
    [2, "ESERVFAIL", "it answered SERVFAIL"],
    [5, "EREFUSED", "it answered REFUSED"],
    [9, "EBADRESP", "it answered code 9"],
  ])("rcode %d is %s, and the server is not asked again", (rcode, code, detail) =>
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.reply({ rcode }));
      const failure = await failureOf(scene.resolver([server]).resolve("a.example", "A"));
      expect(failure.code as string).toBe(code);
      expect(failure.message).toContain(detail);
      expect(server.asked).toHaveLength(1);
    })());

  test(
    "a header alone is one too",
    scene(async (scene) => {
      const server = await scene.server((asked) =>
        asked.send(Buffer.from([asked.id >> 8, asked.id & 255, 0x81, 0x82, 0, 0, 0, 0, 0, 0, 0, 0]))
      );
      const failure = await failureOf(scene.resolver([server]).resolve("a.example", "A"));
      expect(failure.code).toBe("ESERVFAIL");
    }),
  );
});

describe("EDNS", () => {
  test.each([[1], [4]])(
    "is left out where the server answers rcode %d to it, and stays so",
    (rcode) =>
      scene(async (scene) => {
        const server = await scene.server((asked) =>
          asked.edns ? asked.reply({ rcode }) : asked.address(GOOD)
        );
        const resolver = scene.resolver([server]);
        for (const name of ["a.example", "b.example"]) {
          expect((await resolver.resolve(name, "A")).records).toEqual([GOOD]);
        }
        expect(server.asked.map(({ edns }) => edns)).toEqual([true, false, false]);
        scene.timers.advance(60 * 60_000);
        await resolver.resolve("c.example", "A");
        expect(server.asked.map(({ edns }) => edns)).toEqual([true, false, false, true, false]);
      })(),
  );

  test(
    "is not what a server refuses that refuses without it too",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.reply({ rcode: 1 }));
      const resolver = scene.resolver([server]);
      expect((await failureOf(resolver.resolve("a.example", "A"))).code).toBe("EFORMERR");
      expect((await failureOf(resolver.resolve("b.example", "A"))).code).toBe("EFORMERR");
      expect(server.asked.map(({ edns }) => edns)).toEqual([true, false, true, false]);
    }),
  );
});

describe("an answer that is cut short is asked for over TCP", () => {
  /** A server whose answers over UDP are cut short and bear another address. */
  const short = (overTcp: (asked: Asked) => void) => (asked: Asked) =>
    asked.over === "tcp" ? overTcp(asked) : asked.reply({ truncated: true, answers: [record(asked, BAD)] });

  test(
    "and it is the one that counts",
    scene(async (scene) => {
      const server = await scene.server(short((asked) => asked.address(GOOD)));
      expect((await scene.resolver([server]).resolve("a.example", "A")).records).toEqual([GOOD]);
      expect(server.asked.map(({ over }) => over)).toEqual(["udp", "tcp"]);
      await server.idle();
    }),
  );

  test(
    "and may come octet by octet",
    scene(async (scene) => {
      const server = await scene.server(short(async (asked) => {
        asked.connection!.setNoDelay(true);
        for (const octet of framed(answer(asked, GOOD))) {
          asked.connection!.write(Uint8Array.of(octet));
          await promisesSettle();
        }
      }));
      expect((await scene.resolver([server]).resolve("a.example", "A")).records).toEqual([GOOD]);
    }),
  );

  test(
    "and may be as large as a message can be",
    scene(async (scene) => {
      const answers = (asked: Asked) =>
        Array.from({ length: 2500 }, (_, i) => record(asked, `10.0.${i >> 8}.${i & 255}`));
      const server = await scene.server(short((asked) => asked.reply({ answers: answers(asked) })));
      const { records } = await scene.resolver([server]).resolve("a.example", "A");
      expect(records).toHaveLength(2500);
      expect(records.at(-1)).toBe("10.0.9.195");
    }),
  );

  test(
    "on 500 connections at a time, whose silence is no fault of the zone that finds none",
    scene(async (scene) => {
      const server = await scene.server(short(() => {}));
      const resolver = scene.resolver([server]);
      const lookups: Promise<unknown>[] = [];
      for (let i = 0; i < 500; i++) {
        lookups.push(failureOf(resolver.resolve(`a.${i}.example`, "A")));
        if (lookups.length % 50 === 0) await server.queries(2 * lookups.length);
      }
      for (let i = 0; i < 6; i++) {
        const failure = await failureOf(resolver.resolve(`${i}.other.example`, "A"));
        expect(failure.code).toBe("ECONNREFUSED");
        expect(failure.message).toContain("500 other questions wait over TCP");
      }
      server.script = (asked) => asked.address(GOOD);
      const others = ["a", "b"].map((label) => resolver.resolve(`${label}.other.example`, "A"));
      expect((await Promise.all(others)).map(({ status }) => status)).toEqual(["ok", "ok"]);
      resolver.close();
      await Promise.all(lookups);
    }),
  );

  test.each<[string, (asked: Asked) => void, string]>([
    ["that is closed before an octet", (asked) => asked.connection!.end(), "closed the TCP connection"],
    [
      "that is closed inside the answer",
      (asked) => asked.connection!.end(framed(answer(asked, BAD)).subarray(0, -1)),
      "closed the TCP connection",
    ],
    ["that is reset", (asked) => asked.connection!.resetAndDestroy(), "closed the TCP connection"],
    [
      "with another id",
      (asked) => asked.send(bent(answer(asked, BAD), 0, ~asked.id >> 8 & 255)),
      "no answer to the",
    ],
    [
      "with another name",
      (asked) => asked.send(bent(answer(asked, BAD), 13, 0x62)),
      "no answer to the question",
    ],
    ["with garbage", (asked) => asked.send(bent(answer(asked, BAD), 7, 200)), "no answer to the question"],
    ["with a message of no octets", (asked) => asked.send(Buffer.alloc(0)), "no answer to the question"],
    ["that is cut short again", (asked) => asked.reply({ truncated: true }), "cut short over TCP"],
  ])(
    "on a connection %s: that is no answer, least of all the short one",
    (_, overTcp, detail) =>
      scene(async (scene) => {
        const server = await scene.server(short(overTcp));
        const failure = await failureOf(scene.resolver([server], { tries: 1 }).resolve("a.example", "A"));
        expect(failure.code).toBe("EBADRESP");
        expect(failure.message).toContain(detail);
        await server.idle();
      })(),
  );

  test(
    "and has its time too",
    scene(async (scene) => {
      const server = await scene.server(short(() => {}));
      const failure = failureOf(scene.resolver([server], { tries: 1 }).resolve("a.example", "A"));
      await server.queries(2);
      scene.timers.advance(1500);
      expect(await failure).toMatchObject({ code: "ETIMEOUT" });
      expect((await failure).message).toContain("no answer in time over TCP");
      await server.idle();
    }),
  );
});

describe("with letters in random case", () => {
  const upper = (bytes: Buffer) => bytes.subarray(13, 14).toString("latin1");
  /** Every letter becomes upper case, for the numbers alternate between id, socket and letters. */
  const options = { mixedCase: true, tries: 1, random: () => 0.75 };

  test(
    "an answer that repeats them is taken, and its names are lower case",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.address(GOOD));
      expect((await scene.resolver([server], options).resolve("a.example", "A")).records).toEqual([GOOD]);
      expect(upper(server.asked[0]!.bytes)).toBe("A");
    }),
  );

  test(
    "an answer that does not is a lie",
    scene(async (scene) => {
      const server = await scene.server((asked) => {
        asked.send(bent(answer(asked, BAD), 13, 0x61));
        asked.address(GOOD);
      });
      expect((await scene.resolver([server], options).resolve("a.example", "A")).records).toEqual([GOOD]);
    }),
  );
});

describe("what a liar must guess", () => {
  test(
    "is one of many ports and ids, new ones all the time",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.address(GOOD));
      const resolver = scene.resolver([server]);
      for (let i = 0; i < 400; i++) await resolver.resolve(`${i}.example`, "A");
      // Chance has it that 16 sockets are met in 400 draws, but for one time in 10^9; ids are equal now and then.
      expect(new Set(server.asked.map(({ port }) => port)).size).toBe(16);
      expect(new Set(server.asked.map(({ id }) => id)).size).toBeGreaterThan(380);
      const before = new Set(server.asked.map(({ port }) => port));
      scene.timers.advance(10_000);
      for (let i = 0; i < 50; i++) await resolver.resolve(`${i}.later.example`, "A");
      const after = server.asked.slice(400).map(({ port }) => port);
      expect(after.filter((port) => before.has(port)).length).toBeLessThan(after.length / 4);
    }),
  );

  test(
    "is a new port after 128 questions through one socket",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.address(GOOD));
      const resolver = scene.resolver([server], { random: () => 0.5 });
      for (let i = 0; i < 129; i++) await resolver.resolve(`${i}.example`, "A");
      const ports = server.asked.map(({ port }) => port);
      expect(new Set(ports.slice(0, 128)).size).toBe(1);
      expect(ports[128]).not.toBe(ports[127]);
    }),
  );

  test(
    "is an id that no other question of the socket has",
    scene(async (scene) => {
      const server = await scene.server();
      const chance = [0, 0, 0, 0, 0.5];
      const resolver = scene.resolver([server], { random: () => chance.shift() ?? 0.9 });
      const lookups = Promise.all(["a.example", "b.example"].map((name) => resolver.resolve(name, "A")));
      await server.queries(2);
      expect(server.asked.map(({ id }) => id).sort((a, b) => a - b)).toEqual([0, 0x8000]);
      expect(server.asked[0]!.port).toBe(server.asked[1]!.port);
      for (const asked of server.asked.toReversed()) asked.address(asked.name === "a.example" ? GOOD : BAD);
      expect((await lookups).map(({ records }) => records[0])).toEqual([GOOD, BAD]);
    }),
  );
});

test(
  "a port where nothing listens fails at once where the runtime says so, in time elsewhere",
  scene(async (scene) => {
    const server = { server: { host: "127.0.0.1", port: await closedPort() } };
    const failure = failureOf(scene.resolver([server], { tries: 1 }).resolve("a.example", "A"));
    const bun = "Bun" in globalThis;
    if (!bun) {
      await promisesSettle();
      scene.timers.advance(1500);
    }
    expect((await failure).code).toBe(bun ? "ECONNREFUSED" : "ETIMEOUT");
  }),
);
