/**
 * Zones that do not answer: what they may take of the questions on their way, for how long they are remembered, and that
 * the names of others are asked for meanwhile.
 */
import { describe, expect, test } from "bun:test";
import { type DnsEvent, Resolver } from "../../src/dns/resolver.ts";
import { Zones } from "../../src/dns/zones.ts";
import { type DnsScene, failureOf, scene } from "../support/dns_scene.ts";
import type { Asked, FakeDnsServer } from "../support/fake_dns_server.ts";
import { promisesSettle } from "../support/fake_timers.ts";

const GOOD = "192.0.2.1";
const SECOND = 1000;

/** A server that says nothing of names that end so, and answers to others. */
function silentOn(scene: DnsScene, end: string): Promise<FakeDnsServer> {
  return scene.server((asked) => !asked.name.endsWith(end) && asked.address(GOOD));
}

/** Lets everything on its way run into its time. */
async function timeOut({ timers }: DnsScene, lookups: readonly Promise<unknown>[]): Promise<void> {
  let over = false;
  const all = Promise.allSettled(lookups).then(() => over = true);
  while (!over) {
    timers.advance(1500);
    await promisesSettle();
  }
  await all;
}

/** A resolver that has found the zone silent, 5 timeouts in a row. */
async function silenced(scene: DnsScene): Promise<readonly [FakeDnsServer, Resolver]> {
  const server = await silentOn(scene, ".slow.example");
  const resolver = scene.resolver([server]);
  await timeOut(scene, [1, 2, 3, 4, 5].map((i) => failureOf(resolver.resolve(`e${i}.slow.example`, "A"))));
  await server.queries(10);
  return [server, resolver];
}

/** How many questions of a zone may be on their way, up to `most`; they are from now on. */
function room(zones: Zones, zone: string, most: number): number {
  let asked = 0;
  while (asked < most && zones.obstacle(zone) === undefined) {
    zones.asked(zone);
    asked++;
  }
  return asked;
}

describe("a thousand names of a zone that does not answer", () => {
  test.each([
    ["a domain", (i: number) => `e${i}.slow.example`, "slow.example", "mail.other.example"],
    ["a domain of a country", (i: number) => `e${i}.slow.co.uk`, "slow.co.uk", "mail.other.co.uk"],
    [
      "a /16",
      (i: number) => `${i % 256}.${i >> 8}.0.203.in-addr.arpa`,
      "0.203.in-addr.arpa",
      "1.2.0.192.in-addr.arpa",
    ],
    [
      "a /32",
      (i: number) => `${[...String(i).padStart(4, "0")].join(".")}.8.b.d.0.1.0.0.2.ip6.arpa`,
      "8.b.d.0.1.0.0.2.ip6.arpa",
      "1.9.b.d.0.1.0.0.2.ip6.arpa",
    ],
  ])(
    "of %s take its share, and those of others are still asked for",
    (_, name, zone, other) =>
      scene(async (scene) => {
        const server = await silentOn(scene, zone);
        const events: DnsEvent[] = [];
        const resolver = scene.resolver([server], { onQuery: (event) => void events.push(event) });
        const lookups = Array.from({ length: 1000 }, (_, i) => failureOf(resolver.resolve(name(i), "A")));
        const refused = await lookups[999]!;
        expect(refused).toMatchObject({ code: "ETIMEOUT", question: `${name(999)} A` });
        expect(refused.message).toContain(`200 other questions of ${zone} wait`);
        expect(events.filter(({ source }) => source === "local")).toHaveLength(800);
        expect((await resolver.resolve(other, "A")).records).toEqual([GOOD]);
        await timeOut(scene, lookups);
        expect(events.filter(({ source }) => source === "servers")).toHaveLength(201);
      })(),
  );

  test(
    "do not keep a name of it from being told that is known past its time",
    scene(async (scene) => {
      const server = await scene.server((asked) =>
        asked.name === "www.slow.example" && asked.address(GOOD, 60)
      );
      const resolver = scene.resolver([server]);
      await resolver.resolve("www.slow.example", "A");
      scene.timers.advance(60 * SECOND);
      const lookups = Array.from(
        { length: 200 },
        (_, i) => failureOf(resolver.resolve(`${i}.slow.example`, "A")),
      );
      expect(await resolver.resolve("www.slow.example", "A")).toMatchObject({ records: [GOOD], stale: true });
      await timeOut(scene, lookups);
    }),
  );
});

test(
  "fifty zones that fall silent at once do not keep those of others from being asked for",
  scene(async (scene) => {
    const server = await scene.server((asked) => asked.name.endsWith("good.example") && asked.address(GOOD));
    // No more than a socket's buffer takes: what is lost there is asked again, but no time passes here.
    const resolver = scene.resolver([server], { inFlight: 100 });
    const lookups = Array.from(
      { length: 50 * 4 },
      (_, i) => failureOf(resolver.resolve(`${i % 4}.silent${Math.floor(i / 4)}.example`, "A")),
    );
    expect((await resolver.resolve("www.good.example", "A")).records).toEqual([GOOD]);
    await timeOut(scene, lookups);
  }),
);

describe("a zone that let 5 questions in a row time out", () => {
  test(
    "is asked by one question at a time, and the others fail at once",
    scene(async (scene) => {
      const [server, resolver] = await silenced(scene);
      const asked = server.asked.length;
      const probe = failureOf(resolver.resolve("p.slow.example", "A"));
      const refused = await failureOf(resolver.resolve("q.slow.example", "A"));
      expect(refused).toMatchObject({ code: "ETIMEOUT", question: "q.slow.example A" });
      expect(refused.message).toContain("slow.example does not answer");
      expect((await resolver.resolve("a.other.example", "A")).records).toEqual([GOOD]);
      await timeOut(scene, [probe]);
      const next = failureOf(resolver.resolve("r.slow.example", "A"));
      await timeOut(scene, [next]);
      await server.queries(asked + 5);
      const names = server.asked.slice(asked).map(({ name }) => name);
      expect(new Set(names)).toEqual(new Set(["p.slow.example", "a.other.example", "r.slow.example"]));
    }),
  );

  test.each([
    ["an answer", (asked: Asked) => asked.address(GOOD)],
    ["SERVFAIL, for nobody waits for that,", (asked: Asked) => asked.reply({ rcode: 2 })],
  ])("is asked as ever after %s", (_, script) =>
    scene(async (scene) => {
      const [server, resolver] = await silenced(scene);
      server.script = script;
      await resolver.resolve("p.slow.example", "A").catch(() => {});
      server.script = (asked) => asked.address(GOOD);
      const lookups = ["q", "r", "s"].map((label) => resolver.resolve(`${label}.slow.example`, "A"));
      expect((await Promise.all(lookups)).map(({ records }) => records)).toEqual([[GOOD], [GOOD], [GOOD]]);
    })());

  test(
    "is asked as ever 30 seconds after the last of them",
    scene(async (scene) => {
      const [server, resolver] = await silenced(scene);
      server.script = (asked) => asked.name !== "p.slow.example" && asked.address(GOOD);
      scene.timers.advance(30 * SECOND - 1);
      const probe = failureOf(resolver.resolve("p.slow.example", "A"));
      expect((await failureOf(resolver.resolve("q.slow.example", "A"))).code).toBe("ETIMEOUT");
      scene.timers.advance(1);
      expect((await resolver.resolve("q.slow.example", "A")).records).toEqual([GOOD]);
      await timeOut(scene, [probe]);
    }),
  );
});

describe("the questions on their way", () => {
  test("of one zone are 200 at most, and as many again as are answered", () => {
    const zones = new Zones(10_000, () => 0);
    expect(room(zones, "bl.example", 300)).toBe(200);
    for (let i = 0; i < 50; i++) zones.ended("bl.example");
    expect(room(zones, "bl.example", 300)).toBe(50);
  });

  test.each([
    [9, 200],
    [50, 70],
    [100, 20],
    [200, 1],
  ])("of %i zones that take all they get leave room for %i of any other", (silent, left) => {
    const zones = new Zones(10_000, () => 0);
    for (let i = 0; i < silent; i++) room(zones, `${i}.example`, 1000);
    expect(room(zones, "bl.example", left)).toBe(left);
    expect(room(zones, "other.example", left)).toBeGreaterThanOrEqual(Math.ceil(left * 0.9));
  });

  test("are all that may be, whatever zone the next one is of", () => {
    const zones = new Zones(3, () => 0);
    for (const zone of ["a.example", "b.example", "c.example"]) expect(room(zones, zone, 1)).toBe(1);
    expect(zones.obstacle("d.example")?.detail).toBe("3 other questions wait for their answers");
    zones.ended("a.example");
    expect(zones.obstacle("d.example")).toBeUndefined();
  });
});

describe("timeouts", () => {
  test("that an answer comes between are not in a row", () => {
    const zones = new Zones(10_000, () => 0);
    for (let i = 0; i < 20; i++) i % 5 === 4 ? zones.answered("a.example") : zones.timedOut("a.example");
    expect(room(zones, "a.example", 2)).toBe(2);
  });

  test("that lie more than 30 seconds apart are not in a row", () => {
    let now = 0;
    const zones = new Zones(10_000, () => now);
    for (let i = 0; i < 20; i++, now += 30 * SECOND) zones.timedOut("a.example");
    expect(room(zones, "a.example", 2)).toBe(2);
  });

  test("are remembered of 10,000 zones, and forgotten first where the last is longest ago", () => {
    const zones = new Zones(10_000, () => 0);
    const silence = (zone: string) => {
      for (let i = 0; i < 5; i++) zones.timedOut(zone);
    };
    for (let i = 0; i < 10_000; i++) silence(`${i}.example`);
    silence("0.example");
    silence("new.example");
    expect(["0.example", "1.example", "2.example", "new.example"].map((zone) => room(zones, zone, 2)))
      .toEqual([1, 2, 1, 1]);
  });
});
