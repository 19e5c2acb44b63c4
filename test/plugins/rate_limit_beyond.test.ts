/**
 * What a client hears beyond a limit, and what its errors bring about.
 */
import { describe, expect, test } from "bun:test";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { definePlugin, reject } from "../../src/mod.ts";
import { path } from "../../src/testing.ts";
import { Door, limit, SECOND, times } from "./rate_limit_scene.ts";

describe("beyond a limit", () => {
  test("reject is for good", async () => {
    const door = new Door(limit({ action: "reject" }));
    expect((await times(3, () => door.mail())).at(-1)).toBe("550 Too many messages");
    const connections = new Door(limit({ action: "reject", of: "connections" }));
    expect((await times(3, () => connections.connect())).at(-1)).toBe("550 Too many connections");
  });

  test("score adds points, and the other limits count all the same", async () => {
    const door = new Door({
      limits: [
        { name: "soft", per: "client", of: "messages", rate: "1/h", action: "score", points: 3 },
        { name: "hard", per: "client", of: "messages", rate: "3/h" },
      ],
    });
    const scores = await times(3, async () => {
      const visit = door.session();
      const answer = await visit.at("mail");
      const { score } = visit.dossier.findings("mail");
      visit.dossier.transactionOver("taken");
      return [answer, score];
    });
    expect(scores).toEqual([["pass", 0], ["pass", 3], ["pass", 3]]);
    expect(await door.mail()).toBe("450 Too many messages, try again in 1200 seconds");
    expect([door.counted("soft", "score"), door.counted("hard", "defer")]).toEqual([2, 1]);
  });

  test("delay lets the client wait until it is its turn, whoever else waits", async () => {
    const door = new Door(limit({ action: "delay", rate: "60/min burst 2", longestDelay: 3000 }));
    const delays = await times(5, async () => (await door.session().judge("mail"))?.delay ?? 0);
    expect(delays).toEqual([0, 0, 1000, 2000, 3000]);
    expect(await door.mail()).toBe("450 Too many messages, try again in 1 second");
    door.now += 3000;
    expect((await door.session().judge("mail"))?.delay).toBe(1000);
    expect([door.counted("some", "delay"), door.counted("some", "defer")]).toEqual([4, 1]);
  });

  test("what can never pass is refused for good, and says why", async () => {
    const never = "552 A message may count 5000 octets here, and this one counts 5001";
    const door = new Door(limit({ of: "octets", rate: "5000/h" }));
    expect(await door.mail({ size: 5001 })).toBe(never);
    const parameters = [{ keyword: "SIZE", value: "5001" }];
    const visit = door.session();
    expect(await visit.at("mail", { parameters })).toBe(never);
    expect(await visit.at("mail", { parameters: [{ keyword: "SIZE", value: "5000" }] })).toBe("pass");
    expect(await visit.at("mail", { parameters: [{ keyword: "SIZE", value: "9".repeat(20) }] })).toContain(
      "552 ",
    );
    const heavy = new Door(limit({ of: "recipients", weight: () => 3 }));
    expect(await heavy.session().rcpt()).toBe("550 This counts as 3, and 2 is the most that is ever taken");
  });

  test("a size that is announced does not matter where beyond it there are only points", async () => {
    const door = new Door(limit({ of: "octets", rate: "5000/h", action: "score" }));
    expect(await door.session().at("mail", { parameters: [{ keyword: "SIZE", value: "5001" }] })).toBe(
      "pass",
    );
    expect(await door.mail({ size: 5001 })).toBe("taken");
  });

  test("of several the one that lasts longest is told, and the log knows the name", async () => {
    const door = new Door({
      limits: [
        { name: "per-minute", per: "client", of: "messages", rate: "1/min" },
        { name: "per-listener", per: "listener", of: "messages", rate: "1/h" },
      ],
    });
    expect(await times(2, () => door.mail())).toEqual([
      "taken",
      "450 Too many messages, try again in 3600 seconds",
    ]);
    const visit = door.session();
    await visit.at("mail");
    expect(visit.dossier.takeTrail()).toContain("rate-limit@mail:beyond=per-listener");
  });
});

describe("errors", () => {
  const errors = { name: "wrong", per: "client", of: "errors", rate: "3/min" } as const;
  const no = definePlugin("no", () => ({
    onError: "pass",
    rcpt: ({ forwardPath }) => (forwardPath.localPart.startsWith("bad") ? reject("5.1.1", "No") : undefined),
  }))();
  const wrong = async (door: Door, count: number, client?: string) => {
    const visit = door.session(client);
    await times(count, () => visit.rcpt({ forwardPath: path("bad@mx.example") }));
    await visit.end();
  };

  test("are refusals by plugins; a client that has made too many may not connect for a while", async () => {
    const door = new Door([rateLimit({ limits: [errors] }), no]);
    await wrong(door, 2);
    expect(await door.connect()).toBe("pass");
    await wrong(door, 5);
    expect(await door.connect()).toBe("421 Too many errors, try again in 20 seconds");
    expect(await door.connect("203.0.113.8")).toBe("pass");
    door.now += 20 * SECOND;
    expect(await door.connect()).toBe("pass");
  });

  test("are recipients whom the backend refuses, while the session goes on", async () => {
    const door = new Door([rateLimit({ limits: [errors] })]);
    const visit = door.session();
    await times(4, () => visit.rcpt({}, false));
    expect(await door.connect()).toContain("421 ");
  });

  test("are counted once each, whoever refuses", async () => {
    const door = new Door([rateLimit({ limits: [{ ...errors, rate: "6/min" }] }), no]);
    const visit = door.session();
    await times(2, () => visit.rcpt({ forwardPath: path("bad@mx.example") }));
    await times(3, () => visit.rcpt({}, false));
    await visit.end();
    expect(await door.connect()).toBe("pass");
    await wrong(door, 1);
    expect(await door.connect()).toContain("421 ");
  });

  test("being refused for them is none, so a client that keeps trying comes in all the same", async () => {
    const door = new Door([rateLimit({ limits: [errors] }), no]);
    await wrong(door, 3);
    for (let second = 0; second < 19; second++) {
      door.now += SECOND;
      expect(await door.connect()).toContain("421 ");
    }
    door.now += SECOND;
    expect(await door.connect()).toBe("pass");
  });

  test("are lines that were no command, as many as there is room for", async () => {
    const door = new Door([rateLimit({ limits: [errors] })]);
    const visit = door.session();
    await visit.at("helo");
    visit.conduct.unknownCommands = 50;
    expect(await door.connect()).toBe("pass");
    await visit.end();
    expect(await door.connect()).toContain("421 Too many errors");
  });

  test("are not what a client is told to try again", async () => {
    const door = new Door({ limits: [errors, { name: "few", per: "client", of: "messages", rate: "1/h" }] });
    await times(9, () => door.mail());
    expect(await door.connect()).toBe("pass");
  });

  test("fill a network's share even where an address has none left", async () => {
    const prefixes = { ipv4: [32, [24, 2]] } as const;
    const door = new Door([rateLimit({ limits: [{ ...errors, prefixes }] }), no]);
    await wrong(door, 6);
    expect(await door.connect("203.0.113.99")).toContain("421 ");
  });

  test("may cost points or the session for good", async () => {
    for (const [action, answer] of [["score", "pass"], ["reject", "550 Too many errors"]] as const) {
      const door = new Door([rateLimit({ limits: [{ ...errors, action }] }), no]);
      await wrong(door, 3);
      expect(await door.connect()).toBe(answer);
      expect(door.counted("wrong", action)).toBe(1);
    }
  });

  test("nobody is told everything where no errors are counted", () => {
    expect(rateLimit(limit()).observe).toBeUndefined();
  });
});
