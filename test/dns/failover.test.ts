/**
 * Several name servers: who is asked when one fails, in which order, for how long, and what is told when all do.
 */
import { describe, expect, test } from "bun:test";
import { type DnsScene, failureOf, scene } from "../support/dns_scene.ts";
import { type Asked, closedPort, type FakeDnsServer } from "../support/fake_dns_server.ts";
import { promisesSettle } from "../support/fake_timers.ts";

const GOOD = "192.0.2.1";
const good = (asked: Asked) => asked.address(GOOD);
const refuse = (rcode: number) => (asked: Asked) => asked.reply({ rcode });

/** A server that hears and says nothing, and one that answers. */
async function deadAndAlive(scene: DnsScene): Promise<readonly [FakeDnsServer, FakeDnsServer]> {
  return [await scene.server(), await scene.server(good)];
}

/** Lets the first server's time pass, once it has been asked for the `count`th time. */
async function timeOut(scene: DnsScene, server: FakeDnsServer, count: number): Promise<void> {
  await server.queries(count);
  scene.timers.advance(1500);
}

test(
  "a dead first server costs one timeout, and the next lookups none",
  scene(async (scene) => {
    const [dead, alive] = await deadAndAlive(scene);
    const resolver = scene.resolver([dead, alive]);
    const first = resolver.resolve("a.example", "A");
    await timeOut(scene, dead, 1);
    expect((await first).records).toEqual([GOOD]);
    for (const name of ["b.example", "c.example"]) {
      expect((await resolver.resolve(name, "A")).records).toEqual([GOOD]);
    }
    expect([dead.asked.length, alive.asked.length]).toEqual([1, 3]);
  }),
);

test(
  "a server that failed is tried again after 30 seconds, by one question alone",
  scene(async (scene) => {
    const [dead, alive] = await deadAndAlive(scene);
    const resolver = scene.resolver([dead, alive]);
    const first = resolver.resolve("a.example", "A");
    await timeOut(scene, dead, 1);
    await first;
    scene.timers.advance(29_999);
    await resolver.resolve("b.example", "A");
    expect(dead.asked).toHaveLength(1);
    scene.timers.advance(1);
    const names = ["c.example", "d.example", "e.example"];
    const [probing, ...others] = names.map((name) => resolver.resolve(name, "A"));
    await Promise.all(others);
    expect(dead.asked.map(({ name }) => name)).toEqual(["a.example", "c.example"]);
    scene.timers.advance(1500);
    expect((await probing!).records).toEqual([GOOD]);
    await resolver.resolve("f.example", "A");
    expect(dead.asked).toHaveLength(2);
  }),
);

test(
  "a server that has come back is the first again",
  scene(async (scene) => {
    const [first, second] = await deadAndAlive(scene);
    const resolver = scene.resolver([first, second]);
    const lookup = resolver.resolve("a.example", "A");
    await timeOut(scene, first, 1);
    await lookup;
    first.script = good;
    scene.timers.advance(30_000);
    for (const name of ["b.example", "c.example"]) await resolver.resolve(name, "A");
    expect(first.asked.map(({ name }) => name)).toEqual(["a.example", "b.example", "c.example"]);
    expect(second.asked).toHaveLength(1);
  }),
);

test(
  "a question that times out does not count against a server that answers others",
  scene(async (scene) => {
    const first = await scene.server((asked) => asked.name !== "slow.example" && asked.address(GOOD));
    const second = await scene.server(good);
    const resolver = scene.resolver([first, second]);
    const slow = resolver.resolve("slow.example", "A");
    await first.queries(1);
    await resolver.resolve("quick.example", "A");
    scene.timers.advance(1500);
    await slow;
    await resolver.resolve("later.example", "A");
    expect(first.asked.map(({ name }) => name)).toEqual(["slow.example", "quick.example", "later.example"]);
  }),
);

describe("the next server is asked at once where one", () => {
  test.each([
    ["answers SERVFAIL", refuse(2)],
    ["answers NOTIMP", refuse(4)],
    ["answers REFUSED", refuse(5)],
    ["answers with a code of no meaning", refuse(11)],
    ["only refers to others", (asked: Asked) => {
      const authorities = [{ name: "example", type: "NS", ttl: 1, data: "ns.example" }] as const;
      asked.reply({ recursive: false, authorities });
    }],
    ["sends aliases in a circle", (asked: Asked) => {
      asked.reply({ answers: [{ name: asked.name, type: "CNAME", ttl: 1, data: asked.name }] });
    }],
    ["breaks off over TCP", (asked: Asked) => {
      if (asked.over === "tcp") asked.connection!.destroy();
      else asked.reply({ truncated: true });
    }],
  ])("%s", (_, script) =>
    scene(async (scene) => {
      const servers = [await scene.server(script), await scene.server(good)];
      expect((await scene.resolver(servers).resolve("a.example", "A")).records).toEqual([GOOD]);
      expect(servers[1]!.asked).toHaveLength(1);
    })());

  test(
    "does not listen, within one timeout",
    scene(async (scene) => {
      const closed = { server: { host: "127.0.0.1", port: await closedPort() } };
      const alive = await scene.server(good);
      const lookup = scene.resolver([closed, alive]).resolve("a.example", "A");
      if (!("Bun" in globalThis)) {
        await promisesSettle();
        scene.timers.advance(1500);
      }
      expect((await lookup).records).toEqual([GOOD]);
    }),
  );
});

test(
  "no such name is an answer: no other server is asked",
  scene(async (scene) => {
    const servers = [await scene.server(refuse(3)), await scene.server(good)];
    expect(await scene.resolver(servers).resolve("a.example", "A")).toMatchObject({ status: "nxdomain" });
    expect(servers[1]!.asked).toHaveLength(0);
  }),
);

test(
  "a server that answered SERVFAIL keeps its place, one that refuses loses it",
  scene(async (scene) => {
    for (const [rcode, times] of [[2, 2], [5, 1]] as const) {
      const servers = [await scene.server(refuse(rcode)), await scene.server(good)];
      const resolver = scene.resolver(servers);
      for (const name of ["a.example", "b.example"]) await resolver.resolve(name, "A");
      expect(servers[0]!.asked).toHaveLength(times);
    }
  }),
);

describe("where all fail", () => {
  test(
    "those that said nothing are asked again, those that refused are not",
    scene(async (scene) => {
      const servers = [await scene.server(), await scene.server(refuse(2))];
      const failure = failureOf(scene.resolver(servers).resolve("a.example", "A"));
      await timeOut(scene, servers[0]!, 1);
      await timeOut(scene, servers[0]!, 2);
      expect((await failure).code).toBe("ESERVFAIL");
      expect(servers.map(({ asked }) => asked.length)).toEqual([2, 1]);
      expect((await failure).message).toBe(
        `Cannot look up a.example A: 127.0.0.1:${servers[0]!.port}: no answer in time; ` +
          `127.0.0.1:${servers[1]!.port}: it answered SERVFAIL`,
      );
    }),
  );

  test.each([
    ["SERVFAIL is told rather than a refusal", [5, 2], "ESERVFAIL"],
    ["a refusal is told rather than nonsense", [11, 5], "EREFUSED"],
    ["FORMERR is told rather than a refusal", [5, 1], "EFORMERR"],
  ])("%s", (_, rcodes, code) =>
    scene(async (scene) => {
      const servers = await Promise.all(rcodes.map((rcode) => scene.server(refuse(rcode))));
      expect((await failureOf(scene.resolver(servers).resolve("a.example", "A"))).code as string).toBe(code);
    })());

  test(
    "it is over after 4.5 seconds, however many there are",
    scene(async (scene) => {
      const servers = await Promise.all([1, 2, 3, 4].map(() => scene.server()));
      const began = scene.timers.now;
      const failure = failureOf(scene.resolver(servers).resolve("a.example", "A"));
      for (const server of servers.slice(0, 3)) await timeOut(scene, server, 1);
      expect((await failure).code).toBe("ETIMEOUT");
      expect(scene.timers.now - began).toBe(4500);
      expect(servers[3]!.asked).toHaveLength(0);
    }),
  );

  test(
    "a last try gets what is left of the time",
    scene(async (scene) => {
      const server = await scene.server();
      const options = { totalTimeout: 2000 };
      const failure = failureOf(scene.resolver([server], options).resolve("a.example", "A"));
      await timeOut(scene, server, 1);
      await server.queries(2);
      scene.timers.advance(500);
      expect((await failure).code).toBe("ETIMEOUT");
    }),
  );
});
