/**
 * What limits count, by what, and what they give back.
 */
import { describe, expect, test } from "bun:test";
import { type LimitOptions, rateLimit } from "../../plugins/rate_limit/mod.ts";
import { ALLOWED, definePlugin, reject } from "../../src/mod.ts";
import type { Stages } from "../../src/policy/stages.ts";
import { findingsOf, path } from "../../src/testing.ts";
import { promisesSettle } from "../support/fake_timers.ts";
import { Door, limit, MESSAGES, SECOND, times } from "./rate_limit_scene.ts";

describe("what is counted", () => {
  test("connections", async () => {
    const door = new Door(limit({ of: "connections" }));
    expect(await times(3, () => door.connect())).toEqual([
      "pass",
      "pass",
      "421 Too many connections, try again in 30 seconds",
    ]);
    expect(await door.connect("203.0.113.8")).toBe("pass");
    door.now += 30 * SECOND;
    expect(await door.connect()).toBe("pass");
  });

  test("messages", async () => {
    const door = new Door(limit());
    expect(await times(3, () => door.mail())).toEqual(["taken", "taken", MESSAGES]);
  });

  test("recipients", async () => {
    const door = new Door(limit({ of: "recipients", rate: "3/min" }));
    const recipients = [path("b@mx.example"), path("c@mx.example")];
    expect(await door.mail({ recipients })).toBe("taken");
    const visit = door.session();
    expect(await visit.rcpt()).toBe("pass");
    expect(await visit.rcpt()).toBe("450 Too many recipients, try again in 20 seconds");
  });

  test("octets", async () => {
    const door = new Door(limit({ of: "octets", rate: "6000/min" }));
    expect(await door.mail({ size: 4000 })).toBe("taken");
    expect(await door.mail({ size: 2001 })).toBe("450 Too much mail, try again in 1 second");
    expect(await door.mail({ size: 2000 })).toBe("taken");
  });

  test("what a weight says, rounded up", async () => {
    const weight = (
      { user }: { readonly user?: string | undefined },
    ) => (user === "news" ? 0.1 : user === "free" ? 0 : 1.5);
    const door = new Door(limit({ rate: "4/min", weight }));
    expect(await times(3, () => door.mail())).toEqual([
      "taken",
      "taken",
      "450 Too many messages, try again in 30 seconds",
    ]);
    expect(await times(3, () => door.mail({ user: "free" }))).toEqual(Array(3).fill("taken"));
  });

  for (const weight of [NaN, -1, Infinity, "many"]) {
    test(`a weight of ${weight} is the plugin's failure`, async () => {
      const door = new Door({ ...limit({ weight: () => weight as number }), onError: "reject" });
      expect(await door.mail()).toContain("550 ");
      expect(door.sessions.told("plugin failed", "cause")).toEqual([
        `Cannot count for some: its weight returned ${weight}; allowed is a number from 0 to 1e9`,
      ]);
    });
  }

  test("only what a test says", async () => {
    const door = new Door(limit({ when: ({ helo }) => helo === "busy.example" }));
    expect(await times(3, () => door.mail())).toEqual(Array(3).fill("taken"));
    expect(door.calls).toEqual([]);
    expect((await times(3, () => door.mail({ helo: "busy.example" }))).at(-1)).toBe(MESSAGES);
  });
});

describe("by what it is counted", () => {
  const same:
    readonly (readonly [LimitOptions["per"], Partial<Stages["message"]>, Partial<Stages["message"]>])[] = [
      ["sender", { reversePath: path("A@client.example") }, { reversePath: path("c@client.example") }],
      ["sender-domain", { reversePath: path("a@Client.example") }, { reversePath: path("a@other.example") }],
      ["recipient", { recipients: [path("B@mx.example")] }, { recipients: [path("c@mx.example")] }],
      ["recipient-domain", { recipients: [path("x@MX.example")] }, { recipients: [path("x@my.example")] }],
      ["user", { user: "anna" }, { user: "berta" }],
      ["listener", { listener: "a:25" }, { listener: "b:25" }],
      ["helo", { helo: "One.example" }, { helo: "two.example" }],
      [({ tls }) => tls?.version, { tls: tls("TLSv1.3") }, { tls: tls("TLSv1.2") }],
    ];
  for (const [per, one, other] of same) {
    test(typeof per === "string" ? per : "text of one's own", async () => {
      const door = new Door(limit({ per, rate: "2/min" }));
      expect(await times(3, (i) => door.mail(one, `203.0.113.${i}`))).toEqual(["taken", "taken", MESSAGES]);
      expect(await door.mail(other)).toBe("taken");
    });
  }

  function tls(version: string) {
    return { version, cipher: "", serverName: undefined };
  }

  const none: readonly (readonly [LimitOptions["per"], Partial<Stages["message"]>])[] = [
    ["sender", { reversePath: path("") }],
    ["sender-domain", { reversePath: path("") }],
    ["recipient-domain", { recipients: [path("Postmaster")] }],
    ["user", {}],
    [() => undefined, {}],
    [() => "", {}],
  ];
  for (const [i, [per, mail]] of none.entries()) {
    test(`what is nobody's is not counted, ${i}: ${typeof per === "string" ? per : "text of one's own"}`, async () => {
      const door = new Door(limit({ per, rate: "1/min" }));
      expect(await times(2, () => door.mail(mail))).toEqual(["taken", "taken"]);
      expect(door.calls).toEqual([]);
    });
  }

  test("a client over a Unix socket is no client's network", async () => {
    const door = new Door(limit({ of: "connections", rate: "1/min" }));
    expect(await times(2, () => door.connect(""))).toEqual(["pass", "pass"]);
  });

  test("a message to several of one domain is one message to that domain", async () => {
    const door = new Door(limit({ per: "recipient-domain", rate: "2/min" }));
    const recipients = [
      path("a@mx.example"),
      path("b@MX.example"),
      path("a@my.example"),
      path("c@mx.example"),
    ];
    expect(await door.mail({ recipients })).toBe("taken");
    expect(await door.mail()).toBe("taken");
    expect(await door.mail()).toBe(MESSAGES);
  });

  test("octets are counted for each of the recipients, on all or on none", async () => {
    const door = new Door(limit({ of: "octets", per: "recipient", rate: "3000/min" }));
    const [b, c] = [path("b@mx.example"), path("c@mx.example")];
    expect(await door.mail({ recipients: [b], size: 2000 })).toBe("taken");
    expect(await door.mail({ recipients: [b, c], size: 2000 })).toContain("450 ");
    expect(await door.mail({ recipients: [c], size: 3000 })).toBe("taken");
  });
});

describe("networks within networks", () => {
  const nested = () =>
    new Door(limit({
      of: "connections",
      rate: "2/min",
      prefixes: { ipv4: [32, [24, 2], [16, 3]], ipv6: [64, [48, 2]] },
    }));

  test("each has its own number, and the widest the last word", async () => {
    const door = nested();
    const from = async (...clients: string[]) =>
      (await Promise.all(clients.map((client) => door.connect(client))))
        .map((answer) => answer.slice(0, 4));
    expect(await from("203.0.113.1", "203.0.113.1", "203.0.113.1")).toEqual(["pass", "pass", "421 "]);
    expect(await from("203.0.113.2", "203.0.113.3", "203.0.113.4")).toEqual(["pass", "pass", "421 "]);
    expect(await from("203.0.114.1", "203.0.115.1", "203.0.116.1")).toEqual(["pass", "pass", "421 "]);
    expect(await from("203.1.0.1")).toEqual(["pass"]);
    expect(await from("2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1::3")).toEqual([
      "pass",
      "pass",
      "421 ",
    ]);
    expect(await from("2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1")).toEqual([
      "pass",
      "pass",
      "421 ",
    ]);
    expect(await from("2001:db8:2:1::1")).toEqual(["pass"]);
  });

  test("are one question, together with all other limits of the client", async () => {
    const door = new Door({
      limits: [
        { name: "fast", per: "client", of: "connections", rate: "2/s" },
        { name: "slow", per: "client", of: "connections", rate: "9/h", prefixes: { ipv4: [32, [24, 4]] } },
        { name: "wrong", per: "client", of: "errors", rate: "9/h" },
        { name: "all", per: "listener", of: "connections", rate: "99/s" },
      ],
    });
    await door.connect();
    expect(door.calls).toEqual(["draw rate:client:203.0.113.0/24 4", "draw rate:listener:192.0.2.25:25 1"]);
  });
});

describe("given back", () => {
  test("messages, recipients and octets that the backend does not take", async () => {
    const door = new Door({
      limits: [
        { name: "messages", per: "client", of: "messages", rate: "2/h" },
        { name: "recipients", per: "user", of: "recipients", rate: "2/h" },
        { name: "octets", per: "client", of: "octets", rate: "2000/h" },
      ],
    });
    const visit = door.session();
    const user = "anna";
    expect(await times(5, () => visit.mail({ user }, false))).toEqual(Array(5).fill("taken"));
    expect(await times(3, () => visit.mail({ user }))).toEqual([
      "taken",
      "taken",
      "450 Too many messages, try again in 1800 seconds",
    ]);
  });

  test("a recipient whom somebody else refuses, at once", async () => {
    const door = new Door(limit({ of: "recipients", rate: "2/h" }));
    const visit = door.session();
    await visit.at("mail");
    expect(await times(5, () => visit.rcpt({}, false))).toEqual(Array(5).fill("pass"));
    expect(await times(3, () => visit.rcpt())).toEqual([
      "pass",
      "pass",
      "450 Too many recipients, try again in 1800 seconds",
    ]);
  });

  test("what another limit refuses: all are drawn on, or none", async () => {
    const door = new Door({
      limits: [
        { name: "wide", per: "listener", of: "messages", rate: "3/h" },
        { name: "narrow", per: "client", of: "messages", rate: "1/h" },
      ],
    });
    expect((await times(5, () => door.mail())).filter((answer) => answer === "taken").length).toBe(1);
    expect(await times(3, (i) => door.mail({}, `198.51.100.${i}`))).toEqual([
      "taken",
      "taken",
      "450 Too many messages, try again in 1200 seconds",
    ]);
  });

  test("not connections, whatever comes of them", async () => {
    const no = definePlugin("no", () => ({ onError: "pass", connect: () => reject("5.7.1", "No") }))();
    const door = new Door([rateLimit(limit({ of: "connections" })), no]);
    expect((await times(3, () => door.connect())).map((answer) => answer.slice(0, 3))).toEqual([
      "550",
      "550",
      "421",
    ]);
  });

  test("what was drawn for a client that left meanwhile", async () => {
    const door = new Door({ ...limit({ rate: "1/h" }), concurrency: [{ per: "user", most: 1 }] });
    const visit = door.session();
    const judged = visit.judge("mail", { user: "anna" });
    visit.dossier.leave();
    await judged;
    await visit.end();
    await promisesSettle();
    expect(await door.mail({ user: "anna" })).toBe("taken");
  });
});

describe("clients on an allow list", () => {
  const findings = findingsOf([ALLOWED, "friends"]);
  for (const per of ["client", "helo", "sender", "sender-domain"] as const) {
    test(`are not counted per ${per}, unless told so`, async () => {
      const door = new Door(limit({ per }));
      expect(await times(3, () => door.mail({ findings }))).toEqual(Array(3).fill("taken"));
      const counted = new Door(limit({ per, allowed: "counted" }));
      expect((await times(3, () => counted.mail({ findings }))).at(-1)).toBe(MESSAGES);
    });
  }
  for (
    const per of [
      "user",
      "recipient",
      "recipient-domain",
      "listener",
      ({ id: _ }: { id: string }) => "x",
    ] as const
  ) {
    test(`are counted per ${typeof per === "string" ? per : "text of one's own"}, unless told so`, async () => {
      const door = new Door(limit({ per }));
      expect((await times(3, () => door.mail({ findings, user: "anna" }))).at(-1)).toBe(MESSAGES);
      const exempt = new Door(limit({ per, allowed: "exempt" }));
      expect(await times(3, () => exempt.mail({ findings, user: "anna" }))).toEqual(Array(3).fill("taken"));
    });
  }
});
