/** The set of pools: those of the policy, those made on demand, and what of them is kept. */
import { describe, expect, test } from "bun:test";
import { backendTls } from "../../src/backend/backend_tls.ts";
import { Pool } from "../../src/backend/pool.ts";
import { Pools, type PoolsSettings } from "../../src/backend/pools.ts";
import { type Routed, RouteFault } from "../../src/backend/route.ts";
import { BACKEND_DEFAULTS, completeBackend } from "../../src/policy/backend_address.ts";
import type { BackendAddress } from "../../src/policy/settings.ts";
import { DEFAULTS } from "../../src/policy/settings.ts";
import { factsAt } from "../../src/testing.ts";
import { FakeBackend } from "../../src/testing/backend.ts";
import { FakeEvents, FakeNetwork } from "../../src/testing/network.ts";

const ANYBODY: Routed = {
  listener: "one",
  user: undefined,
  recipient: undefined,
  facts: () => factsAt("mail"),
};

function at(name: string, host: string): BackendAddress {
  return { ...BACKEND_DEFAULTS, name, endpoint: { host, port: 25 } };
}

/** Pools whose backends greet and offer what `offers` says of their hosts; a host without is not there. */
function stage(given: Partial<PoolsSettings> = {}, offers: Readonly<Record<string, readonly string[]>> = {}) {
  const events = new FakeEvents();
  const network = new FakeNetwork(events);
  const dialled: string[] = [];
  const made: (readonly BackendAddress[])[] = [];
  const clock = { now: 0 };
  network.onDial = (dial) => {
    const { host } = dial.endpoint as { host: string };
    dialled.push(host);
    const lines = offers[host];
    if (lines === undefined) return dial.refuse();
    new FakeBackend(host, dial.open()).greet(lines);
  };
  const around = {
    network,
    hostname: "mx.example",
    times: DEFAULTS.times,
    tls: backendTls(),
    now: () => clock.now,
  };
  const pools = new Pools(
    { backends: [at("backend", "10.0.0.1")], pools: {}, routes: [], plugins: [], ...given },
    (backends) => {
      made.push(backends);
      return new Pool(backends, around, DEFAULTS);
    },
    () => clock.now,
  );
  const destination = (host: string) => pools.destination(ANYBODY, { host, port: 25 }).to;
  return { pools, events, dialled, made, clock, destination };
}

const NOBODY = { taken() {}, denied() {}, unavailable() {} };

describe("a pool made on demand", () => {
  test("is the same for the same address", () => {
    const { destination } = stage();
    const one = destination("192.0.2.1");
    expect(destination("192.0.2.1")).toBe(one);
    expect(destination("2001:DB8::1").name).toBe("[2001:db8::1]:25");
    expect(destination("2001:db8::1").name).toBe("[2001:db8::1]:25");
  });

  /** How a server at 192.0.2.1:25 is spoken to where these are the policy's backends. */
  function spokenTo(backends: readonly string[], pools: Readonly<Record<string, readonly string[]>> = {}) {
    const { made, destination } = stage({
      backends: backends.map(completeBackend),
      pools: Object.fromEntries(Object.entries(pools).map(([name, all]) => [name, all.map(completeBackend)])),
    });
    destination("192.0.2.1");
    return made.at(-1)![0]!;
  }
  const PIN = "A".repeat(43) + "=";

  const inherited: readonly (readonly [first: string, options: Partial<BackendAddress>])[] = [
    ["10.0.0.1:25", {}],
    ["10.0.0.1:25?weight=7&backup", {}],
    ["lmtp://10.0.0.1:24?identity=proxy-v2", { lmtp: true, identity: "proxy-v2" }],
    ["10.0.0.1:25?tls=opportunistic", { tls: "opportunistic" }],
    ["smtps://10.0.0.1:465?verify=ca&ca=a.pem", { tls: "implicit", verify: "ca", ca: "a.pem" }],
    ["10.0.0.1:587?login=me:secret", { tls: "required" }],
    ["10.0.0.1:25?cert=a.pem&key=b.pem", { tls: "required" }],
    ["10.0.0.1:25?serverName=mx.internal", { tls: "required" }],
    [`10.0.0.1:25?tls=required&verify=none&pins=${PIN}&login=me:secret`, { tls: "required", verify: "name" }],
    ["127.0.0.1:25?login=me:secret", {}],
  ];
  for (const [first, options] of inherited) {
    test(`is spoken to as ${first} is, without its secrets and its names`, () => {
      const endpoint = { host: "192.0.2.1", port: 25 };
      expect(spokenTo([first, "10.0.0.2:25?login=you:secret"])).toEqual({
        ...BACKEND_DEFAULTS,
        ...options,
        name: "192.0.2.1:25",
        endpoint,
      });
    });
  }

  test("is set as the backend of the policy's is that has its address", () => {
    const known = "192.0.2.1:25?tls=required&login=me:secret";
    const login = { user: "me", password: "secret" };
    expect(spokenTo(["10.0.0.1:25", known])).toMatchObject({ tls: "required", login });
    expect(spokenTo(["10.0.0.1:25"], { a: [known] })).toMatchObject({ tls: "required", login });
    expect(spokenTo(["10.0.0.1:25", "192.0.2.1:587?login=me:secret"]).login).toBeUndefined();
  });

  test("makes room for another when there are too many: the one that was not used for the longest time", () => {
    const { destination } = stage();
    const all = Array.from({ length: 256 }, (_, i) => destination(`192.0.2.${i}`));
    expect(destination("192.0.2.0")).toBe(all[0]!);
    destination("198.51.100.1");
    expect(destination("192.0.2.0")).toBe(all[0]!);
    expect(destination("192.0.2.1")).not.toBe(all[1]!);
  });

  test("stays while a transaction goes there, and past their bound no more are made", () => {
    const { destination } = stage();
    const all = Array.from({ length: 256 }, (_, i) => destination(`192.0.2.${i}`));
    for (const one of all) one.enter();
    expect(() => destination("198.51.100.1")).toThrow(RouteFault);
    all[7]!.leave();
    destination("198.51.100.1");
    expect(destination("192.0.2.6")).toBe(all[6]!);
    expect(() => destination("192.0.2.7")).not.toThrow();
  });

  test("is given up when nobody has used it for a while, and its deadlines are looked after till then", () => {
    const { pools, events, clock, destination } = stage({}, { "192.0.2.1": ["SIZE"] });
    const one = destination("192.0.2.1");
    one.enter();
    one.pool.take(NOBODY, new Set(), false);
    clock.now = 700_000;
    pools.tick(clock.now);
    expect(destination("192.0.2.1")).toBe(one);
    events.settle();
    one.leave();
    clock.now += 600_001;
    pools.tick(clock.now);
    expect(destination("192.0.2.1")).not.toBe(one);
  });

  test("that made room has its deadlines looked after until its last connection is gone", () => {
    const { pools, clock, destination } = stage({}, {});
    const one = destination("192.0.2.0");
    let told = "";
    one.pool.take(
      { taken() {}, denied() {}, unavailable: (reason) => void (told = reason) },
      new Set(),
      false,
    );
    for (let i = 1; i <= 256; i++) destination(`198.51.100.${i}`);
    expect(one.pool.size).toBe(1);
    clock.now = DEFAULTS.times.connect;
    pools.tick(clock.now);
    expect(told).toContain("connecting took too long");
    expect(one.pool.size).toBe(0);
  });
});

describe("looking at the backends", () => {
  const given = {
    pools: { a: [at("a", "10.0.0.2")], b: [at("b", "10.0.0.3"), at("c", "10.0.0.4")] },
    routes: [{ domain: "a.example", pool: "a" }, { listener: "two", pool: "b" }],
  };
  const offers = { "10.0.0.1": ["SIZE 10", "DSN"], "10.0.0.2": ["SIZE 5", "DSN"], "10.0.0.4": ["SIZE 3"] };

  test("asks those of all pools, and is over when each was seen or has failed", () => {
    const { pools, events, dialled } = stage(given, offers);
    let done = 0;
    pools.probe(() => done++);
    expect(pools.seen).toBe(false);
    events.settle();
    expect(done).toBe(1);
    expect(pools.seen).toBe(true);
    expect(dialled.sort()).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
  });

  test("what a listener reaches has in common is the same object until something changes", () => {
    const { pools, events } = stage(given, offers);
    const one = pools.reach("one");
    expect(one.extensions()).toBeUndefined();
    pools.probe(() => {});
    events.settle();
    expect([...one.extensions()!]).toEqual([["SIZE", "5"], ["DSN", ""]]);
    expect(one.extensions()).toBe(one.extensions()!);
    expect([...pools.reach("two").extensions()!]).toEqual([["SIZE", "3"]]);
  });

  test("goes on where none was seen, and only there", () => {
    const { pools, events, dialled, clock } = stage(given, { "10.0.0.1": ["SIZE"], "10.0.0.4": ["SIZE"] });
    pools.probe(() => {});
    events.settle();
    dialled.length = 0;
    clock.now = 1_000;
    pools.seek();
    events.settle();
    expect(dialled).toEqual(["10.0.0.2"]);
  });

  test("a pool that no route names counts where there are plugins", () => {
    const { pools, events } = stage({ ...given, routes: [], plugins: [{}] }, offers);
    pools.probe(() => {});
    events.settle();
    expect([...pools.reach("one").extensions()!]).toEqual([["SIZE", "3"]]);
  });
});

test("all pools can be looked at, those on demand last", () => {
  const { pools, destination } = stage({ pools: { a: [at("a", "10.0.0.2")] } });
  destination("192.0.2.1");
  expect(pools.all.map(({ name }) => name)).toEqual(["default", "a", "192.0.2.1:25"]);
  expect(pools.all[0]!.pool).toBe(pools.default);
});

test("a name that no pool has is a fault", () => {
  const { pools } = stage();
  expect(() => pools.destination(ANYBODY, "z")).toThrow(RouteFault);
});
