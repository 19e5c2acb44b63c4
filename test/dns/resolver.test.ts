/**
 * The resolver: what is asked on the wire and what is not, aliases, answers past their time, limits, and its end.
 */
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import type { Answer } from "dns-packet";
import { type DnsEvent, Resolver } from "../../src/dns/resolver.ts";
import { type DnsScene, failureOf, scene } from "../support/dns_scene.ts";
import type { Asked, FakeDnsServer, ReplyParts } from "../support/fake_dns_server.ts";
import { promisesSettle } from "../support/fake_timers.ts";

const GOOD = "192.0.2.1";
const SECOND = 1000;
const MINUTE = 60 * SECOND;

const address = (name: string, ttl = 300): Answer => ({ name, type: "A", ttl, data: GOOD });
const alias = (name: string, data: string, ttl = 300): Answer => ({ name, type: "CNAME", ttl, data });
const soa = (name: string, ttl: number, minimum: number): Answer => {
  const times = { serial: 1, refresh: 2, retry: 3, expire: 4, minimum };
  return { name, type: "SOA", ttl, data: { mname: "ns.example", rname: "root.example", ...times } };
};

/** A server that knows these names and answers NXDOMAIN to others. */
function knowing(scene: DnsScene, names: Readonly<Record<string, ReplyParts>>): Promise<FakeDnsServer> {
  return scene.server((asked) => asked.reply(names[asked.name] ?? { rcode: 3 }));
}

describe("one question on the wire is enough", () => {
  test(
    "for 50 who ask at the same time, in any case and with or without the final dot",
    scene(async (scene) => {
      const server = await scene.server();
      const resolver = scene.resolver([server]);
      const forms = ["mail.example", "MAIL.example", "mail.example."];
      const lookups = Array.from({ length: 50 }, (_, i) => resolver.resolve(forms[i % 3]!, "A"));
      await server.queries(1);
      server.asked[0]!.address(GOOD);
      const answers = await Promise.all(lookups);
      expect(answers.every(({ records }) => records[0] === GOOD)).toBe(true);
      expect(server.asked).toHaveLength(1);
    }),
  );

  test(
    "for those who share a failure",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.reply({ rcode: 2 }));
      const resolver = scene.resolver([server]);
      const failures = await Promise.all([1, 2, 3].map(() => failureOf(resolver.resolve("a.example", "A"))));
      expect(new Set(failures).size).toBe(1);
      expect(server.asked).toHaveLength(1);
    }),
  );

  test(
    "for whoever asks while the answer holds, and is told how long it still does",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.address(GOOD, 60));
      const resolver = scene.resolver([server]);
      await resolver.resolve("a.example", "A");
      scene.timers.advance(59 * SECOND);
      expect(await resolver.resolve("A.example", "A")).toMatchObject({ records: [GOOD], ttl: SECOND });
      expect(server.asked).toHaveLength(1);
      scene.timers.advance(SECOND);
      expect(await resolver.resolve("a.example", "A")).toMatchObject({ records: [GOOD], ttl: MINUTE });
      expect(server.asked).toHaveLength(2);
    }),
  );

  test(
    "for one type only",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.type === "A" ? asked.address(GOOD) : asked.reply());
      const resolver = scene.resolver([server]);
      expect((await resolver.resolve("a.example", "A")).status).toBe("ok");
      expect((await resolver.resolve("a.example", "AAAA")).status).toBe("nodata");
      expect(server.asked).toHaveLength(2);
    }),
  );
});

describe("a no", () => {
  test.each([
    ["no such name", 3, "nxdomain"],
    ["no such record", 0, "nodata"],
  ])("%s is kept for the minimum of the zone's SOA", (_, rcode, status) =>
    scene(async (scene) => {
      const server = await scene.server((asked) =>
        asked.reply({ rcode, authorities: [soa("example", 300, 20)] })
      );
      const resolver = scene.resolver([server]);
      const told = { status, records: [], stale: false } as never;
      expect(await resolver.resolve("a.example", "A")).toEqual(
        { ...told as object, ttl: 20 * SECOND } as never,
      );
      scene.timers.advance(19 * SECOND);
      expect(await resolver.resolve("a.example", "A")).toMatchObject({ status, ttl: SECOND } as never);
      expect(server.asked).toHaveLength(1);
      scene.timers.advance(SECOND);
      await resolver.resolve("a.example", "A");
      expect(server.asked).toHaveLength(2);
    })());

  test(
    "to a name that cannot exist is given without asking",
    scene(async (scene) => {
      const server = await scene.server();
      const resolver = scene.resolver([server]);
      for (
        const name of ["", ".", "a..example", "a b.example", `${"a".repeat(64)}.example`, "bücher.example"]
      ) {
        expect(await resolver.resolve(name, "TXT")).toMatchObject({
          status: "nxdomain",
          records: [],
          stale: false,
        });
      }
      expect(server.asked).toHaveLength(0);
    }),
  );
});

describe("an alias", () => {
  test(
    "whose end is not in the reply is followed, and the answer holds as long as its shortest part",
    scene(async (scene) => {
      const server = await knowing(scene, {
        "a.example": {
          answers: [alias("a.example", "b.example", 300), alias("b.example", "c.example", 200)],
        },
        "c.example": { answers: [alias("c.example", "D.example", 50)] },
        "d.example": { answers: [address("d.example", 100)] },
      });
      const resolver = scene.resolver([server]);
      const told = { status: "ok", records: [GOOD], ttl: 50 * SECOND, stale: false } as const;
      expect(await resolver.resolve("a.example", "A")).toEqual(told);
      expect(server.asked.map(({ name }) => name)).toEqual(["a.example", "c.example", "d.example"]);
    }),
  );

  test(
    "of a name without the record, or of no name, is that",
    scene(async (scene) => {
      const server = await knowing(scene, {
        "a.example": { answers: [alias("a.example", "b.example", 40)] },
        "b.example": { authorities: [soa("example", 300, 60)] },
        "x.example": { answers: [alias("x.example", "gone.example", 40)] },
      });
      const resolver = scene.resolver([server]);
      expect(await resolver.resolve("a.example", "A")).toMatchObject({ status: "nodata", ttl: 40 * SECOND });
      expect(await resolver.resolve("x.example", "A")).toMatchObject({
        status: "nxdomain",
        ttl: 30 * SECOND,
      });
    }),
  );

  test(
    "of a name that cannot exist leads nowhere",
    scene(async (scene) => {
      const server = await knowing(scene, { "a.example": { answers: [alias("a.example", ".", 40)] } });
      expect(await scene.resolver([server]).resolve("a.example", "A"))
        .toMatchObject({ status: "nxdomain", ttl: 40 * SECOND });
    }),
  );

  test(
    "is followed eight times and no further",
    scene(async (scene) => {
      const names: Record<string, ReplyParts> = {};
      for (let i = 0; i < 9; i++) {
        names[`${i}.example`] = { answers: [alias(`${i}.example`, `${i + 1}.example`)] };
      }
      names["9.example"] = { answers: [address("9.example")] };
      const server = await knowing(scene, names);
      const resolver = scene.resolver([server]);
      expect((await resolver.resolve("1.example", "A")).records).toEqual([GOOD]);
      const failure = await failureOf(resolver.resolve("0.example", "A"));
      expect(failure.code).toBe("EBADRESP");
      expect(failure.message).toContain("more than 8 aliases");
    }),
  );

  test(
    "that leads in a circle from reply to reply ends",
    scene(async (scene) => {
      const server = await knowing(scene, {
        "a.example": { answers: [alias("a.example", "b.example")] },
        "b.example": { answers: [alias("b.example", "a.example")] },
      });
      expect((await failureOf(scene.resolver([server]).resolve("a.example", "A"))).code).toBe("EBADRESP");
      expect(server.asked).toHaveLength(9);
    }),
  );

  test(
    "says nothing of its end to others who ask for that",
    scene(async (scene) => {
      const server = await knowing(scene, {
        "liar.example": { answers: [alias("liar.example", "bank.example"), address("bank.example")] },
        "bank.example": { rcode: 3 },
      });
      const resolver = scene.resolver([server]);
      expect((await resolver.resolve("liar.example", "A")).status).toBe("ok");
      expect((await resolver.resolve("bank.example", "A")).status).toBe("nxdomain");
    }),
  );

  test(
    "takes its time from the same 4.5 seconds",
    scene(async (scene) => {
      const server = await scene.server((asked) => {
        if (asked.name === "a.example" && server.asked.length > 1) {
          asked.reply({ answers: [alias("a.example", "b.example")] });
        }
      });
      const failure = failureOf(scene.resolver([server]).resolve("a.example", "A"));
      await server.queries(1);
      scene.timers.advance(1500);
      await server.queries(3);
      scene.timers.advance(1500);
      await server.queries(4);
      scene.timers.advance(1500);
      expect((await failure).code).toBe("ETIMEOUT");
      expect(server.asked.map(({ name }) => name)).toEqual([
        "a.example",
        "a.example",
        "b.example",
        "b.example",
      ]);
    }),
  );
});

describe("a failure", () => {
  test(
    "is remembered for 5 seconds, so that a dead zone is not asked for by every session",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.reply({ rcode: 2 }));
      const resolver = scene.resolver([server]);
      const first = await failureOf(resolver.resolve("a.example", "A"));
      scene.timers.advance(4999);
      expect(await failureOf(resolver.resolve("a.example", "A"))).toBe(first);
      expect(server.asked).toHaveLength(1);
      scene.timers.advance(1);
      server.script = (asked) => asked.address(GOOD);
      expect((await resolver.resolve("a.example", "A")).records).toEqual([GOOD]);
    }),
  );
});

describe("an answer past its time", () => {
  /** A resolver whose one answer has just run out. */
  async function expired(
    scene: DnsScene,
    onQuery?: (event: DnsEvent) => void,
  ): Promise<[FakeDnsServer, Resolver]> {
    const server = await scene.server((asked) => asked.address(GOOD, 60));
    const resolver = scene.resolver([server], onQuery === undefined ? {} : { onQuery });
    await resolver.resolve("a.example", "A");
    scene.timers.advance(MINUTE);
    return [server, resolver];
  }

  test(
    "is given where the servers refuse, marked as such, and not asked for again for 30 seconds",
    scene(async (scene) => {
      const [server, resolver] = await expired(scene);
      server.script = (asked) => asked.reply({ rcode: 2 });
      const told = { status: "ok", records: [GOOD], ttl: 30 * SECOND, stale: true } as const;
      expect(await resolver.resolve("a.example", "A")).toEqual(told);
      scene.timers.advance(29 * SECOND);
      expect(await resolver.resolve("a.example", "A")).toEqual({ ...told, ttl: SECOND });
      expect(server.asked).toHaveLength(2);
      scene.timers.advance(SECOND);
      server.script = (asked) => asked.address("192.0.2.2", 60);
      expect(await resolver.resolve("a.example", "A")).toMatchObject({
        records: ["192.0.2.2"],
        stale: false,
      });
    }),
  );

  test(
    "is given after 1.8 seconds where they say nothing",
    scene(async (scene) => {
      const [server, resolver] = await expired(scene);
      server.script = () => {};
      const lookup = resolver.resolve("a.example", "A");
      await server.queries(2);
      scene.timers.advance(1500);
      await server.queries(3);
      scene.timers.advance(300);
      expect(await lookup).toMatchObject({ records: [GOOD], stale: true });
    }),
  );

  test(
    "gives way to a no",
    scene(async (scene) => {
      const [server, resolver] = await expired(scene);
      server.script = (asked) => asked.reply({ rcode: 3 });
      expect(await resolver.resolve("a.example", "A")).toMatchObject({ status: "nxdomain", stale: false });
    }),
  );

  test(
    "is no longer given an hour later",
    scene(async (scene) => {
      const [server, resolver] = await expired(scene);
      server.script = (asked) => asked.reply({ rcode: 2 });
      scene.timers.advance(60 * MINUTE - 1);
      expect((await resolver.resolve("a.example", "A")).stale).toBe(true);
      scene.timers.advance(1);
      expect((await failureOf(resolver.resolve("a.example", "A"))).code).toBe("ESERVFAIL");
    }),
  );
});

describe("what is told of a lookup", () => {
  test(
    "is who answered it, what came of it and how long it took",
    scene(async (scene) => {
      const events: DnsEvent[] = [];
      const server = await scene.server();
      const resolver = scene.resolver([server], { onQuery: (event) => void events.push(event) });
      const lookups = [resolver.resolve("A.example", "A"), resolver.resolve("a.example", "A")];
      await server.queries(1);
      scene.timers.advance(70);
      server.asked[0]!.address(GOOD, 60);
      await Promise.all(lookups);
      await resolver.resolve("a.example", "A");
      server.script = (asked) => asked.reply({ rcode: 2 });
      scene.timers.advance(MINUTE);
      for (let i = 0; i < 2; i++) await resolver.resolve("a.example", "A");
      for (let i = 0; i < 2; i++) await failureOf(resolver.resolve("b.example", "MX"));
      await resolver.resolve("b..example", "MX");
      expect(events.map(({ name, type, outcome, source, ms }) => [name, type, outcome, source, ms].join(" ")))
        .toEqual([
          "a.example A ok servers 70",
          "a.example A ok merged 70",
          "a.example A ok cache 0",
          "a.example A ok stale 0",
          "a.example A ok stale 0",
          "b.example MX ESERVFAIL servers 0",
          "b.example MX ESERVFAIL cache 0",
          "b..example MX nxdomain local 0",
        ]);
    }),
  );
});

describe("a limit", () => {
  test(
    "of questions on their way refuses the next at once, but not those that are known or asked already",
    scene(async (scene) => {
      const events: DnsEvent[] = [];
      const server = await scene.server((asked) => asked.name === "known.example" && asked.address(GOOD));
      const onQuery = (event: DnsEvent) => void events.push(event);
      const resolver = scene.resolver([server], { inFlight: 2, onQuery });
      await resolver.resolve("known.example", "A");
      const lookups = ["a.example", "b.example", "b.example"].map((name) => resolver.resolve(name, "A"));
      const refused = await failureOf(resolver.resolve("c.example", "A"));
      expect(refused).toMatchObject({ code: "ETIMEOUT", question: "c.example A" });
      expect(refused.message).toContain("2 other questions wait");
      expect(events.at(-1)).toMatchObject({ name: "c.example", source: "local" });
      expect((await resolver.resolve("known.example", "A")).records).toEqual([GOOD]);
      await server.queries(3);
      for (const asked of server.asked.slice(1)) asked.address(GOOD);
      await Promise.all(lookups);
      // It was no fault of the name: it is asked for as soon as there is room.
      server.script = (asked: Asked) => asked.address(GOOD);
      expect((await resolver.resolve("c.example", "A")).records).toEqual([GOOD]);
    }),
  );

  test(
    "of answers forgets the one that was longest not asked for",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.address(GOOD));
      const resolver = scene.resolver([server], { cacheEntries: 2 });
      for (const name of ["a.example", "b.example", "c.example", "a.example"]) {
        await resolver.resolve(name, "A");
      }
      expect(server.asked).toHaveLength(4);
    }),
  );
});

const hasProc = existsSync("/proc/self/fd");

/** The sockets that this process has, each by its number in the kernel. */
function sockets(): Set<string> {
  const links = readdirSync("/proc/self/fd").map((each) => {
    try {
      return readlinkSync(`/proc/self/fd/${each}`);
    } catch {
      // The folder's own descriptor is gone by now.
      return "";
    }
  });
  return new Set(links.filter((each) => each.startsWith("socket:")));
}

/** How many there are besides those. */
function more(than: ReadonlySet<string>): number {
  return [...sockets()].filter((each) => !than.has(each)).length;
}

/** True as soon as there are only so many more; a runtime may close on its next turn. */
async function comesDownTo(count: number, than: ReadonlySet<string>): Promise<boolean> {
  for (let i = 0; i < 100 && more(than) > count; i++) await promisesSettle();
  return more(than) <= count;
}

test.skipIf(!hasProc)(
  "a socket that has had its questions is closed, when the last of them is answered (needs /proc)",
  scene(async (scene) => {
    const server = await scene.server((asked) => asked.name !== "slow.example" && asked.address(GOOD));
    // The first of the sockets always, with an id that is always another.
    let draws = 0;
    const resolver = scene.resolver([server], { random: () => draws++ % 2 === 0 ? 0 : draws / 1000 });
    const before = sockets();
    const slow = resolver.resolve("slow.example", "A");
    await server.queries(1);
    for (let i = 0; i < 200; i++) await resolver.resolve(`${i}.example`, "A");
    expect(more(before)).toBe(2);
    server.asked[0]!.address(GOOD);
    await slow;
    expect(await comesDownTo(1, before)).toBe(true);
  }),
);

describe("once it is closed", () => {
  test(
    "what was on its way has failed, over UDP and TCP, and nothing is answered any more",
    scene(async (scene) => {
      const server = await scene.server((asked) => {
        if (asked.over === "udp" && asked.name === "tcp.example") asked.reply({ truncated: true });
        if (asked.name === "known.example") asked.address(GOOD);
      });
      const resolver = scene.resolver([server]);
      await resolver.resolve("known.example", "A");
      const failures = ["udp.example", "tcp.example"].map((name) => failureOf(resolver.resolve(name, "A")));
      await server.queries(4);
      resolver.close();
      for (const failure of failures) {
        expect((await failure).code).toBe("ECONNREFUSED");
        expect((await failure).message).toContain("the resolver is closed");
      }
      await server.idle();
      for (const name of ["known.example", "new.example"]) {
        expect((await failureOf(resolver.resolve(name, "A"))).message).toContain("the resolver is closed");
      }
      expect(server.asked).toHaveLength(4);
    }),
  );

  test.skipIf(!hasProc)(
    "it holds no descriptor (needs /proc)",
    scene(async (scene) => {
      const server = await scene.server((asked) => asked.address(GOOD));
      const before = sockets();
      const resolver = scene.resolver([server]);
      for (let i = 0; i < 200; i++) await resolver.resolve(`${i}.example`, "A");
      expect(more(before)).toBe(16);
      resolver.close();
      expect(await comesDownTo(0, before)).toBe(true);
    }),
  );

  test(
    "twice, nothing happens",
    scene(async (scene) => {
      const resolver = scene.resolver([await scene.server()]);
      resolver.close();
      expect(() => resolver.close()).not.toThrow();
      await promisesSettle();
    }),
  );
});

test(
  "answers that are shared cannot be changed by whoever got them",
  scene(async (scene) => {
    const server = await scene.server((asked) => asked.address(GOOD));
    const resolver = scene.resolver([server]);
    const { records } = await resolver.resolve("a.example", "A");
    expect(() => (records as string[]).sort().push("192.0.2.66")).toThrow(TypeError);
    expect((await resolver.resolve("a.example", "A")).records).toEqual([GOOD]);
  }),
);

test("without a server there is no resolver", () => {
  expect(() => new Resolver({ servers: [] })).toThrow("Cannot look names up: no name server was given");
});
