/**
 * Who waits and who is let in, what is remembered of mail that was taken, and what a shadowed greylist says it would cost.
 */
import { describe, expect, test } from "bun:test";
import { Memory } from "../../plugins/greylist/memory.ts";
import { greylist, type GreylistOptions } from "../../plugins/greylist/mod.ts";
import { ALLOWED, shadow, type Store, StoreError } from "../../src/mod.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { ask, factsAt, findingsOf, path } from "../../src/testing.ts";
import { DAY, Door, HOUR, type Mail, MINUTE, SECOND, WAIT } from "./greylist_scene.ts";

describe("a stranger", () => {
  test("is told to come again, how long it lasts, and is let in then", async () => {
    const door = new Door();
    expect(await door.send()).toBe(WAIT);
    door.now += 100 * SECOND + 1;
    expect(await door.send()).toBe("450 Greylisted, try again in 200 seconds");
    door.now += 199 * SECOND - 1;
    expect(await door.send()).toBe("450 Greylisted, try again in 1 second");
    door.now += SECOND;
    expect(await door.send()).toBe("taken");
  });

  test("has two days to come again", async () => {
    expect(await new Door().sendTwice({}, 2 * DAY - 1)).toEqual([WAIT, "taken"]);
    expect(await new Door().sendTwice({}, 2 * DAY)).toEqual([WAIT, WAIT]);
  });

  test("of the same network may come again from another address", async () => {
    for (const [one, other] of [["203.0.113.7", "203.0.113.200"], ["2001:db8::1", "2001:db8::ffff:1"]]) {
      const door = new Door();
      expect(await door.send({ client: one! })).toBe(WAIT);
      door.now += 5 * MINUTE;
      expect(await door.send({ client: other! })).toBe("taken");
    }
  });

  test("of another network, with another sender or for another recipient is another", async () => {
    const door = new Door();
    await door.sendTwice();
    for (
      const other of [
        { client: "203.0.114.7" },
        { from: "c@client.example" },
        { from: "a@other.example" },
        { to: "c@mx.example" },
        { to: "Postmaster" },
      ]
    ) expect(await door.send(other)).toBe(WAIT);
  });

  test("that the backend refuses has not passed, and need not wait again", async () => {
    const door = new Door();
    await door.send();
    door.now += 5 * MINUTE;
    expect(await door.send({ refused: true })).toBe("taken");
    expect(door.count("greylist_delayed", "10 min")).toBe(0);
    door.now += 2 * DAY;
    expect(await door.send()).toBe(WAIT);
  });
});

describe("who has passed", () => {
  test("is remembered for 35 days after the last message", async () => {
    const door = new Door({ passes: 0 });
    await door.sendTwice();
    for (let i = 0; i < 3; i++) {
      door.now += 34 * DAY;
      expect(await door.send()).toBe("taken");
    }
    door.now += 35 * DAY;
    expect(await door.send()).toBe(WAIT);
  });

  test("costs the store nothing for a minute", async () => {
    const door = new Door();
    await door.sendTwice();
    door.asked.length = 0;
    door.now += MINUTE - 1;
    expect(await door.send()).toBe("taken");
    expect(door.asked).toEqual([]);
    door.now += 1;
    await door.send();
    expect(door.asked).toEqual(["greylist greylist:203.0.113.0/24"]);
  });

  test("is asked about each time with cache 0", async () => {
    const door = new Door({ cache: 0 });
    await door.sendTwice();
    door.asked.length = 0;
    await door.send();
    await door.send();
    expect(door.asked).toEqual(Array(2).fill("greylist greylist:203.0.113.0/24"));
  });

  test("has the time in the store extended once an hour", async () => {
    const door = new Door();
    await door.sendTwice();
    const renewals = () => door.asked.filter((call) => call.startsWith("greylistPass")).length;
    expect(renewals()).toBe(1);
    for (let i = 0; i < 59; i++) {
      door.now += MINUTE;
      await door.send();
    }
    expect(renewals()).toBe(1);
    door.now += MINUTE;
    await door.send();
    await door.send();
    expect(renewals()).toBe(2);
  });

  test("is not extended by mail that the backend refuses", async () => {
    const door = new Door({ passes: 0 });
    await door.sendTwice();
    door.now += 34 * DAY;
    await door.send({ refused: true });
    door.now += DAY;
    expect(await door.send()).toBe(WAIT);
  });
});

describe("the null sender", () => {
  test("waits at DATA: who asks whether a mailbox is there is answered", async () => {
    const door = new Door();
    const plugin = greylist();
    const facts = factsAt("rcpt", { reversePath: path("") });
    expect((await ask(plugin, "rcpt", facts)).verdict).toBeUndefined();
    expect(await door.sendTwice({ from: "" })).toEqual([WAIT, "taken"]);
    expect(door.asked[0]).toBe("greylist greylist:203.0.113.0/24");
  });

  test("has no triplet in common with other senders", async () => {
    const door = new Door();
    await door.sendTwice({ from: "" });
    expect(await door.send()).toBe(WAIT);
    expect(await door.send({ from: "", to: "c@mx.example" })).toBe(WAIT);
  });

  test("waits at RCPT, or nowhere, where told so", async () => {
    const { verdict } = await ask(
      greylist({ nullSender: "rcpt" }),
      "rcpt",
      factsAt("rcpt", { reversePath: path("") }),
      { effects: { store: memoryStore({ now: () => 0 }), now: () => 0 } },
    );
    expect(verdict).toMatchObject({ kind: "defer", text: WAIT.slice(4) });
    expect(await new Door({ nullSender: "exempt" }).send({ from: "" })).toBe("taken");
  });
});

describe("exempt", () => {
  const cases: readonly (readonly [who: string, GreylistOptions, Mail])[] = [
    ["who has authenticated", {}, { facts: { user: "anna" } }],
    ["who is on an allow list", {}, { facts: { findings: findingsOf([ALLOWED, "a list"]) } }],
    ["SPF pass, where told so", { spfPass: "exempt" }, { spf: "pass" }],
    ["whom a test of one's own says", { exempt: ({ helo }) => helo === "friend.example" }, {
      helo: "friend.example",
    }],
  ];
  for (const [who, options, mail] of cases) {
    test(who, async () => {
      const door = new Door(options);
      expect(await door.send(mail)).toBe("taken");
      expect(door.asked).toEqual([]);
      expect(await door.send()).toBe(WAIT);
    });
  }

  test("not SPF pass by itself, nor any other result with it", async () => {
    expect(await new Door().send({ spf: "pass" })).toBe(WAIT);
    for (const spf of ["none", "neutral", "fail", "softfail", "temperror", "permerror"] as const) {
      expect(await new Door({ spfPass: "exempt" }).send({ spf })).toBe(WAIT);
    }
  });
});

describe("shadowed, it", () => {
  test("lets all in, says what would have waited, and lets those pass who would have come again", async () => {
    const door = new Door(shadow(greylist()));
    expect(await door.send()).toBe("taken");
    expect(door.count("greylist", "new")).toBe(1);
    expect(door.count("greylist_would_delay")).toBe(1);
    expect(await door.send()).toBe("taken");
    expect(door.count("greylist_would_delay")).toBe(1);
    expect(door.count("greylist", "remembered")).toBe(1);
  });

  test("counts no mail that the backend refuses", async () => {
    const door = new Door(shadow(greylist()));
    await door.send({ refused: true });
    expect(door.count("greylist", "new")).toBe(1);
    expect(door.count("greylist_would_delay")).toBe(0);
  });

  test("remembers nothing for the one that counts", async () => {
    const plugin = greylist();
    const door = new Door(shadow(plugin));
    await door.sendTwice();
    const serious = new Door({}, door.store);
    serious.now = door.now;
    expect(await serious.send()).toBe(WAIT);
  });
});

test("what it costs is counted: who waits, who comes again, and how long mail was delayed", async () => {
  const door = new Door();
  await door.sendTwice({ to: "x@mx.example" });
  await door.sendTwice({ to: "y@mx.example" }, 50 * MINUTE);
  await door.sendTwice({ to: "z@mx.example" }, 30 * HOUR);
  await door.send({ to: "never@mx.example" });
  expect(door.count("greylist", "new")).toBe(4);
  expect(door.count("greylist", "matured")).toBe(3);
  expect(["10 min", "30 min", "1 h", "4 h", "1 d", "longer"].map((up) => door.count("greylist_delayed", up)))
    .toEqual([1, 0, 1, 0, 0, 1]);
  expect(door.count("greylist_would_delay")).toBe(0);
});

describe("the store is away", () => {
  const away = new Proxy({} as Store, {
    get: () => () => Promise.reject(new StoreError("ask", "it is away")),
  });

  test("mail passes, or what onError says", async () => {
    expect(await new Door({}, away).send()).toBe("taken");
    expect(await new Door({ onError: "defer" }, away).send()).toMatch(/^451 /);
    expect(await new Door({ onError: { timeout: "pass", temporary: "reject", crash: "pass" } }, away).send())
      .toMatch(/^550 /);
  });
});

describe("an IPv6 site, which has as many networks as it likes,", () => {
  const from = (network: number) => ({ client: `2001:db8:7:${network.toString(16)}::1` });

  test("has four times the strangers of one network remembered in an hour, and no other site notices", async () => {
    const door = new Door({ strangers: 10 });
    for (let i = 0; i < 45; i++) expect(await door.send(from(i))).toBe(WAIT);
    expect([door.count("greylist", "new"), door.count("greylist", "crowded")]).toEqual([40, 5]);
    expect(await door.send({ client: "2001:db8:8::1" })).toBe(WAIT);
    expect(door.count("greylist", "new")).toBe(41);
    door.now += 5 * MINUTE;
    // Who is known has waited; who was not remembered has not.
    expect(await door.send(from(39))).toBe("taken");
    expect(await door.send(from(44))).toBe(WAIT);
    door.now += HOUR;
    expect(await door.sendTwice(from(43))).toEqual([WAIT, "taken"]);
  });

  test("that cannot be counted waits all the same", async () => {
    const store: Store = memoryStore({ now: () => 1_800_000_000_000 });
    store.count = () => Promise.reject(new StoreError("count", "Redis is away"));
    const door = new Door({}, store);
    expect(await door.send(from(1))).toBe(WAIT);
    expect(door.sessions.lines).toEqual([]);
  });

  test("is not counted where its own networks are as wide", async () => {
    const door = new Door({ strangers: 10, ipv6: 48 });
    for (let i = 0; i < 12; i++) await door.send({ ...from(i), to: `to${i}@mx.example` });
    expect(door.asked.filter((call) => call.includes("around"))).toEqual([]);
    expect(door.count("greylist", "crowded")).toBe(2);
  });
});

describe("a network with too many strangers", () => {
  const [MOST, ALSO] = [50, 5];
  const flood = async (door: Door) => {
    for (let i = 0; i < MOST + ALSO; i++) expect(await door.send({ to: `to${i}@mx.example` })).toBe(WAIT);
  };

  test("has no more of them remembered, told by the metric, and once a minute by the log", async () => {
    const door = new Door({ strangers: MOST });
    await flood(door);
    expect([door.count("greylist", "new"), door.count("greylist", "crowded")]).toEqual([MOST, ALSO]);
    expect(door.sessions.told("plugin", "network")).toEqual(["203.0.113.0/24"]);
    door.now += 5 * MINUTE;
    expect(await door.send({ to: `to${MOST}@mx.example` })).toBe(WAIT);
    expect(door.sessions.told("plugin", "network")).toHaveLength(2);
    expect(await door.send({ client: "203.0.114.7" })).toBe(WAIT);
    expect(door.count("greylist", "new")).toBe(MOST + 1);
  });

  test("is no longer asked once enough of them have come again, and takes strangers again in an hour", async () => {
    const door = new Door({ strangers: MOST, passes: 2 });
    await flood(door);
    door.now += 5 * MINUTE;
    expect(await door.send({ to: "to0@mx.example" })).toBe("taken");
    expect(await door.send({ to: "stranger@mx.example" })).toBe(WAIT);
    expect(await door.send({ to: "to1@mx.example" })).toBe("taken");
    expect(await door.send({ to: "stranger@mx.example" })).toBe("taken");
    const other = new Door({ strangers: MOST, passes: 0 });
    await flood(other);
    other.now += HOUR;
    expect(await other.sendTwice({ to: "stranger@mx.example" })).toEqual([WAIT, "taken"]);
  });

  test("lets in who is vouched for by a domain that has passed", async () => {
    const door = new Door({ strangers: MOST, passes: 1 });
    const vouched = { client: "198.51.100.7", spf: "pass" } as const;
    expect(await door.sendTwice(vouched)).toEqual([WAIT, "taken"]);
    await flood(door);
    expect(await door.send({ ...vouched, client: "203.0.113.7", to: "other@mx.example" })).toBe("taken");
  });
});

test("a client's address that is none is a network of its own", async () => {
  const door = new Door();
  expect(await door.sendTwice({ client: "" })).toEqual([WAIT, "taken"]);
});

test("mistakes are named", () => {
  const of = (options: unknown) => greylist(options as GreylistOptions).mistakes;
  expect(of({ delay: -1, passes: 1.5, nullSender: "mail", exempt: true, onError: "no", grey: 1 })).toEqual([
    "options.delay: -1 was given; allowed are milliseconds from 0 to 31536000000 (a year)",
    "options.passes: 1.5 was given; allowed is a whole number from 0 to 1000",
    'options.nullSender: "mail" was given; allowed are data, rcpt, exempt',
    "options.exempt: true was given; allowed is a function",
    'options.onError: "no" was given; allowed are pass, defer, reject, or one each for timeout, temporary, crash',
    expect.stringContaining("there is no option grey; allowed are cache, delay,"),
  ]);
  expect(of({ delay: 10, window: 10 })).toEqual([
    "options.window: 10 was given; allowed are milliseconds above the delay",
  ]);
  expect(of({})).toBeUndefined();
  expect(of(undefined)).toBeUndefined();
});

test("a flood of strangers pushes out those who are remembered and do not come, and no others", () => {
  const memory = new Memory(MINUTE, DAY);
  for (const key of ["busy", "idle"]) memory.learn(key, 0);
  for (let i = 0; i < 50_000; i++) {
    memory.learn(`stranger ${i}`, 0);
    if (i % 5000 === 0) expect(memory.knows("busy", 0)).toBe(true);
  }
  const known = Array.from({ length: 50_000 }, (_, i) => memory.knows(`stranger ${i}`, 0)).filter(Boolean);
  expect(known.length).toBeLessThanOrEqual(20_000);
  expect(memory.knows("idle", 0)).toBe(false);
});
