/**
 * How many may be there at the same time, and what happens while the store is away.
 */
import { describe, expect, test } from "bun:test";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import type { Setup } from "../../src/mod.ts";
import { Door, HOUR, limit, MESSAGES, MINUTE, SECOND, times } from "./rate_limit_scene.ts";

describe("at the same time", () => {
  const FULL = "421 Too many connections at the same time, try again later";

  test("so many sessions, and a place is free when one ends", async () => {
    const door = new Door({ concurrency: [{ per: "client", most: 2 }] });
    const visits = [door.session(), door.session(), door.session(), door.session("203.0.113.8")];
    expect(await Promise.all(visits.map((visit) => visit.at("connect")))).toEqual([
      "pass",
      "pass",
      FULL,
      "pass",
    ]);
    await visits[2]!.end();
    expect(await door.connect()).toBe(FULL);
    await visits[0]!.end();
    expect(await door.connect()).toBe("pass");
    expect(await door.connect()).toBe("pass");
    expect(door.counted("client", "defer")).toBe(2);
  });

  test("in networks within networks, all of which must have a place", async () => {
    const door = new Door({ concurrency: [{ per: "client", most: 1, prefixes: { ipv4: [32, [24, 2]] } }] });
    const one = door.session("203.0.113.1");
    expect(await one.at("connect")).toBe("pass");
    // The address is refused, and leaves no trace in the network.
    expect(await door.connect("203.0.113.1")).toBe(FULL);
    expect(await door.session("203.0.113.2").at("connect")).toBe("pass");
    expect(await door.connect("203.0.113.3")).toBe(FULL);
    await one.end();
    expect(await door.connect("203.0.113.3")).toBe("pass");
  });

  test("transactions of a user, one after the other in one session or another", async () => {
    const door = new Door({ concurrency: [{ per: "user", most: 1 }] });
    const [one, other] = [door.session(), door.session()];
    expect(await times(3, () => one.mail({ user: "anna" }))).toEqual(Array(3).fill("taken"));
    expect(await one.at("mail", { user: "anna" })).toBe("pass");
    expect(await other.mail({ user: "anna" })).toBe(
      "450 Too many transactions at the same time, try again later",
    );
    one.dossier.transactionOver("not taken");
    await one.chain.settled();
    expect(await other.mail({ user: "anna" })).toBe("taken");
  });

  test("what is refused for want of a place draws on no rate, and the reverse", async () => {
    const door = new Door({
      ...limit({ per: "user", rate: "2/h" }),
      concurrency: [{ per: "user", most: 1 }],
    });
    const user = "anna";
    const holder = door.session();
    await holder.at("mail", { user });
    expect((await times(5, () => door.mail({ user }))).every((answer) => answer.includes("at the same time")))
      .toBe(true);
    holder.dossier.transactionOver("not taken");
    await holder.chain.settled();
    expect(await times(4, () => door.mail({ user }))).toEqual([
      "taken",
      "taken",
      "450 Too many messages, try again in 1800 seconds",
      "450 Too many messages, try again in 1800 seconds",
    ]);
  });

  test("a place that was taken for who could not be judged is free at once", async () => {
    const door = new Door({
      ...limit({ per: "client", of: "connections", rate: "2/h" }),
      concurrency: [{ per: "client", most: 1 }],
      onError: "reject",
    });
    door.away = (call) => {
      door.slow = call.startsWith("draw ") ? Promise.reject(new RangeError("Cannot draw")) : undefined;
      return false;
    };
    const visit = door.session();
    expect(await visit.at("connect")).toBe("550 A check of this server failed");
    door.away = false;
    door.slow = undefined;
    expect(await door.connect()).toBe("pass");
  });

  test("a place that its process does not renew is free after its time, and one that it renews is not", async () => {
    const plugin = rateLimit({ concurrency: [{ per: "client", most: 1 }], ttl: 300_000 });
    const door = new Door([plugin]);
    const work = new Map<number, () => Promise<void>>();
    const { store, now } = door.sessions.chain.engine.effects;
    const io = { store, local: store, now, log: { info() {}, warn() {} }, count() {} };
    const every = (ms: number, renew: () => Promise<void>) => void work.set(ms, renew);
    await plugin.setup!({ io, every } as unknown as Setup);
    const visit = door.session();
    await visit.at("connect");
    for (let i = 0; i < 10; i++) {
      door.now += 100_000;
      await work.get(100_000)!();
    }
    expect(await door.connect()).toBe(FULL);
    door.now += 300_000;
    expect(await door.connect()).toBe("pass");
  });

  test("a session that ends while its place is being renewed keeps none", async () => {
    const plugin = rateLimit({ concurrency: [{ per: "client", most: 1 }] });
    const door = new Door([plugin]);
    let renew = () => Promise.resolve();
    const { now } = door.sessions.chain.engine.effects;
    const io = { store: door.store, local: door.store, now, log: { info() {}, warn() {} }, count() {} };
    await plugin.setup!(
      { io, every: (_: number, work: typeof renew) => void (renew = work) } as unknown as Setup,
    );
    const visit = door.session();
    await visit.at("connect");
    let go = () => {};
    door.slow = new Promise((resolve) => go = resolve);
    const renewing = renew();
    door.slow = undefined;
    await visit.end();
    go();
    await renewing;
    expect(await door.connect()).toBe("pass");
  });
});

describe("while the store is away", () => {
  test("this process counts alone, says so once a minute, and asks again after a second", async () => {
    const door = new Door({ ...limit(), concurrency: [{ per: "client", most: 1 }] });
    door.away = true;
    expect(await times(3, () => door.mail())).toEqual(["taken", "taken", MESSAGES]);
    expect(door.calls.length).toBe(1);
    expect(door.fallbacks()).toBe(3);
    door.now += SECOND;
    await door.mail();
    expect(door.calls.filter((call) => call.startsWith("draw")).length).toBe(2);
    expect(door.sessions.told("plugin", "text")).toEqual([
      "the store is away: limits are counted by this process alone",
    ]);
    door.now += MINUTE;
    await door.mail();
    expect(door.sessions.told("plugin", "text").length).toBe(2);
  });

  test("places are taken, and given up, in this process", async () => {
    const door = new Door({ concurrency: [{ per: "client", most: 1 }] });
    door.away = true;
    const visit = door.session();
    expect(await visit.at("connect")).toBe("pass");
    expect(await door.connect()).toContain("421 ");
    door.away = false;
    await visit.end();
    door.away = true;
    expect(await door.connect()).toBe("pass");
  });

  test("what was drawn in the store is given back there, or lost with it", async () => {
    const door = new Door(limit({ rate: "1/h" }));
    const visit = door.session();
    await visit.at("mail");
    door.away = true;
    visit.dossier.transactionOver("not taken");
    await visit.chain.settled();
    expect(door.sessions.told("plugin failed", "cause")).toEqual([]);
    door.away = false;
    door.now += SECOND;
    expect(await door.mail()).toContain("450 ");
    door.now += HOUR - SECOND;
    expect(await door.mail()).toBe("taken");
  });

  test("pass lets all in", async () => {
    const door = new Door({ ...limit(), concurrency: [{ per: "client", most: 1 }], fallback: "pass" });
    door.away = true;
    expect(await times(5, () => door.mail())).toEqual(Array(5).fill("taken"));
    const visits = [door.session(), door.session()];
    expect(await Promise.all(visits.map((visit) => visit.at("connect")))).toEqual(["pass", "pass"]);
  });

  test("defer refuses what would be limited, and nothing else", async () => {
    const door = new Door({
      ...limit({ per: "user" }),
      concurrency: [{ per: "listener", most: 1 }],
      fallback: "defer",
    });
    door.away = true;
    expect(await door.mail({ user: "anna" })).toBe("451 Limits cannot be looked up now, try again later");
    expect(await door.mail()).toBe("taken");
    expect(await door.connect()).toBe("421 Limits cannot be looked up now, try again later");
  });

  test("defer gives back what was drawn elsewhere", async () => {
    const door = new Door({
      limits: [
        { name: "one", per: "client", of: "messages", rate: "1/h" },
        { name: "two", per: "listener", of: "messages", rate: "9/h" },
      ],
      fallback: "defer",
    });
    door.away = (call) => call.startsWith("draw rate:listener");
    expect(await door.mail()).toContain("451 ");
    expect(door.calls.at(-1)).toBe("refund rate:client:203.0.113.7/32 1");
    door.away = false;
    door.now += SECOND;
    expect(await door.mail()).toBe("taken");
  });
});

describe("a place that was granted too late for who asked", () => {
  const isLease = (call: string) => call.startsWith("lease");
  const releases = (door: Door) => door.calls.filter((call) => call.startsWith("release"));

  test("is given back at once, and no other with it", async () => {
    const door = new Door({ concurrency: [{ per: "client", most: 2 }], fallback: "pass" });
    const first = door.session();
    expect(await first.at("connect")).toBe("pass");
    door.tooLate = isLease;
    const late = door.session();
    expect(await late.at("connect")).toBe("pass");
    door.tooLate = () => false;
    door.now += SECOND;
    const next = [door.session(), door.session()];
    expect(await next[0]!.at("connect")).toBe("pass");
    expect(await next[1]!.at("connect")).toContain("421 ");
    // It never had a place, so it gives none up.
    await late.end();
    expect(releases(door)).toHaveLength(1);
    expect(await door.session().at("connect")).toContain("421 ");
  });

  test("is given back when the store answers again, where it was away for that as well", async () => {
    const door = new Door({ concurrency: [{ per: "client", most: 1 }], fallback: "pass" });
    door.tooLate = isLease;
    door.away = (call) => call.startsWith("release");
    await door.session().at("connect");
    door.tooLate = () => false;
    door.now += SECOND;
    expect(await door.session().at("connect")).toContain("421 ");
    door.away = false;
    door.now += SECOND;
    await door.connect("203.0.113.8");
    expect(await door.session().at("connect")).toBe("pass");
    const told = releases(door).length;
    await door.connect("203.0.113.8");
    // Its own, and no more.
    expect(releases(door)).toHaveLength(told + 1);
  });

  test("is given back when places are renewed, where nobody comes, and not any more once it has ended", async () => {
    const plugin = rateLimit({ concurrency: [{ per: "client", most: 1 }], fallback: "pass", ttl: 300_000 });
    const door = new Door([plugin]);
    let renew = () => Promise.resolve();
    const { now } = door.sessions.chain.engine.effects;
    const io = { store: door.store, local: door.store, now, log: { info() {}, warn() {} }, count() {} };
    await plugin.setup!(
      { io, every: (_: number, work: typeof renew) => void (renew = work) } as unknown as Setup,
    );
    const late = async () => {
      door.tooLate = isLease;
      door.away = (call) => call.startsWith("release");
      await door.session().at("connect");
      door.tooLate = () => false;
      door.away = false;
      door.now += SECOND;
    };
    await late();
    await renew();
    expect(await door.connect()).toBe("pass");
    await late();
    const told = releases(door).length;
    door.now += 300_000;
    await renew();
    expect(releases(door)).toHaveLength(told);
  });

  test("is given back within a second of the store's return, before anybody comes; one tries for all", async () => {
    const plugin = rateLimit({ concurrency: [{ per: "client", most: 3 }], fallback: "pass" });
    const door = new Door([plugin]);
    const work = new Map<number, () => Promise<void>>();
    const { now } = door.sessions.chain.engine.effects;
    const io = { store: door.store, local: door.store, now, log: { info() {}, warn() {} }, count() {} };
    const every = (ms: number, done: () => Promise<void>) => void work.set(ms, done);
    await plugin.setup!({ io, every } as unknown as Setup);
    door.tooLate = isLease;
    door.away = (call) => call.startsWith("release");
    await Promise.all(Array.from({ length: 3 }, () => door.session().at("connect")));
    door.tooLate = () => false;
    const told = releases(door).length;
    await work.get(SECOND)!();
    expect(releases(door)).toHaveLength(told + 1);
    door.away = false;
    door.now += SECOND;
    await work.get(SECOND)!();
    expect(releases(door)).toHaveLength(told + 4);
    const all = Array.from({ length: 3 }, () => door.session().at("connect"));
    expect(await Promise.all(all)).toEqual(["pass", "pass", "pass"]);
    await work.get(SECOND)!();
    expect(releases(door)).toHaveLength(told + 4);
  });

  test("is given back like one whose session ended while the store was away", async () => {
    const door = new Door({ concurrency: [{ per: "client", most: 1 }] });
    const visit = door.session();
    await visit.at("connect");
    door.away = true;
    await visit.end();
    door.away = false;
    door.now += SECOND;
    expect(await door.connect()).toContain("421 ");
    await Promise.resolve();
    expect(await door.connect()).toBe("pass");
  });
});

test("what a bucket has got back by itself is not given back once more: held draws are no savings", async () => {
  const door = new Door({
    limits: [{ name: "some", per: "client", of: "recipients", rate: "5/s burst 10" }],
  });
  const send = async () => {
    const visit = door.session();
    let passed = 0;
    while (passed < 10 && await visit.rcpt() === "pass") passed++;
    return { visit, passed };
  };
  // Five sessions draw all of the burst, two seconds apart, and hold it.
  const held = [];
  for (let i = 0; i < 5; i++) {
    const { visit, passed } = await send();
    expect(passed).toBe(10);
    held.push(visit);
    door.now += 2000;
  }
  // Now the burst is there once, however often somebody sends it and another gives up.
  let passed = 0;
  for (const visit of held) {
    passed += (await send()).passed;
    visit.dossier.transactionOver("not taken");
    await visit.chain.settled();
  }
  expect(passed).toBe(10);
});
