/**
 * Networks and domains that have come again often enough.
 */
import { describe, expect, test } from "bun:test";
import { DAY, Door, type Mail, MINUTE, WAIT } from "./greylist_scene.ts";

describe("after five passes", () => {
  const five = async (door: Door, mail: (i: number) => Mail, passes = 5) => {
    for (let i = 0; i < passes; i++) expect((await door.sendTwice(mail(i))).at(-1)).toBe("taken");
  };

  test("a network is let through, whatever it sends", async () => {
    const door = new Door();
    await five(door, (i) => ({ client: `203.0.113.${i}`, to: `b${"abcde"[i]}@mx.example` }));
    expect(await door.send({ from: "new@other.example", to: "new@mx.example" })).toBe("taken");
    expect(await door.send({ client: "203.0.114.1" })).toBe(WAIT);
  });

  test("four are not enough, nor are five messages of one triplet", async () => {
    const door = new Door({ cache: 0 });
    await five(door, (i) => ({ to: `b${"abcde"[i]}@mx.example` }), 4);
    for (let i = 0; i < 5; i++) await door.send({ to: "ba@mx.example" });
    expect(await door.send({ to: "new@mx.example" })).toBe(WAIT);
  });

  test("a network's time is extended by what it sends", async () => {
    const door = new Door();
    await five(door, (i) => ({ to: `b${"abcde"[i]}@mx.example` }));
    for (const to of ["x@mx.example", "y@mx.example", "z@mx.example"]) {
      door.now += 34 * DAY;
      expect(await door.send({ to })).toBe("taken");
    }
    door.now += 35 * DAY;
    expect(await door.send({ to: "b@mx.example" })).toBe(WAIT);
  });

  for (
    const [how, mail] of [
      ["SPF passes for", { from: "a@mail.provider.example", spf: "pass" }],
      ["SPF passes for a subdomain of", {
        from: "a@provider.example",
        spf: "pass",
        spfDomain: "spf.provider.example",
      }],
      ["the client's name is in", { from: "a@provider.example", name: "out7.mail.provider.example" }],
      ["the client, which sends a bounce, says and proves that it is of", {
        from: "",
        helo: "out7.provider.example",
        spf: "pass",
      }],
    ] as const
  ) {
    test(`a domain that ${how} is let through from wherever it sends`, async () => {
      const door = new Door();
      await five(door, (i) => ({ ...mail, client: `198.51.${i}.1` }));
      expect(await door.send({ ...mail, client: "192.0.2.1", to: "new@mx.example" })).toBe("taken");
      // What the pool has earned is not given to the network.
      expect(await door.send({ client: "192.0.2.1", to: "new@mx.example" })).toBe(WAIT);
    });
  }

  for (
    const [how, mail] of [
      ["SPF fails for", { from: "a@provider.example", spf: "softfail" }],
      ["another domain passes for", { from: "a@provider.example", spf: "pass", spfDomain: "spam.example" }],
      ["another domain's client sends for", { from: "a@provider.example", name: "host.spam.example" }],
      ["is no organization's but a registry's", { from: "a@co.uk", name: "co.uk" }],
      ["shares nothing but a host's suffix with", { from: "a@one.github.io", name: "two.github.io" }],
      ["nobody can own", { from: "a@[192.0.2.1]", name: "192.0.2.1" }],
    ] as const
  ) {
    test(`not a domain that ${how}`, async () => {
      const door = new Door();
      await five(door, (i) => ({ ...mail, client: `198.51.${i}.1` }));
      expect(await door.send({ ...mail, client: "192.0.2.1" })).toBe(WAIT);
      expect(door.asked.filter((call) => call.includes("greylist-domain"))).toEqual([]);
    });
  }

  test("a domain that is let through costs the store nothing for a minute, and slides", async () => {
    const door = new Door();
    const mail = { from: "a@provider.example", spf: "pass" } as const;
    await five(door, (i) => ({ ...mail, client: `198.51.${i}.1` }));
    for (let i = 0; i < 3; i++) {
      door.now += 34 * DAY;
      expect(await door.send({ ...mail, client: `192.0.${i}.1` })).toBe("taken");
    }
    door.asked.length = 0;
    expect(await door.send({ ...mail, client: "192.0.100.1", to: "c@mx.example" })).toBe("taken");
    expect(door.asked).toEqual([]);
    door.now += 35 * DAY;
    expect(await door.send({ ...mail, client: "192.0.101.1" })).toBe(WAIT);
  });

  test("a domain's passes are those of triplets: sessions side by side make one of the same", async () => {
    const door = new Door();
    const mail = { from: "a@provider.example", spf: "pass" } as const;
    await door.send(mail);
    door.now += 5 * MINUTE;
    await Promise.all(Array.from({ length: 20 }, () => door.send(mail)));
    expect(await door.store.count("greylist-domain:provider.example", 0, DAY)).toBe(1);
    expect(door.count("greylist_delayed", "10 min")).toBe(1);
  });

  test("with passes 0 nobody is let through", async () => {
    const door = new Door({ passes: 0 });
    const mail = { from: "a@provider.example", spf: "pass" } as const;
    await five(door, (i) => ({ ...mail, to: `b${"abcde"[i]}@mx.example` }));
    expect(await door.send({ ...mail, to: "new@mx.example" })).toBe(WAIT);
  });
});
