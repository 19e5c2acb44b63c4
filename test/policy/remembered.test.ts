/**
 * What look-ups came to: remembered for as long as their answers hold, and within bounds.
 */
import { describe, expect, test } from "bun:test";
import type { Dns, DnsAnswer } from "../../src/policy/effects.ts";
import { Remembered, TimedDns } from "../../src/policy/remembered.ts";

describe("a value", () => {
  test("holds for its time, for five minutes at the most, and not after", () => {
    const remembered = new Remembered<string>();
    remembered.keep("short", "a", 1000, 0);
    remembered.keep("long", "b", 3_600_000, 0);
    expect([remembered.get("short", 999), remembered.get("short", 1000)]).toEqual(["a", undefined]);
    expect([remembered.get("long", 299_999), remembered.get("long", 300_000)]).toEqual(["b", undefined]);
  });

  test("of no time is not kept, and takes the place of none", () => {
    const remembered = new Remembered<string>();
    remembered.keep("key", "old", 1000, 0);
    remembered.keep("key", "new", 0, 0);
    expect(remembered.get("key", 0)).toBeUndefined();
  });

  test("does not hold for longer when the clock is put back", () => {
    const remembered = new Remembered<string>();
    remembered.keep("key", "value", 1000, 5000);
    expect(remembered.get("key", 4000)).toBeUndefined();
  });

  test("under a key that only an attacker would write is not kept", () => {
    const remembered = new Remembered<string>();
    remembered.keep("x".repeat(1001), "value", 1000, 0);
    expect(remembered.get("x".repeat(1001), 0)).toBeUndefined();
  });

  test("may be one that counts as false", () => {
    const remembered = new Remembered<boolean>();
    remembered.keep("key", false, 1000, 0);
    expect([remembered.get("key", 0), remembered.of("key", 0, () => true)]).toEqual([false, false]);
  });

  test("is forgotten when that is asked for", () => {
    const remembered = new Remembered<string>();
    remembered.keep("key", "value", 1000, 0);
    remembered.forget("key");
    expect(remembered.get("key", 0)).toBeUndefined();
  });

  test("that is dear to make is made once", () => {
    const remembered = new Remembered<number>();
    let made = 0;
    for (let i = 0; i < 5; i++) expect(remembered.of("key", i, () => ++made)).toBe(1);
  });
});

test("of many, those that are used stay, and no more than the bound are kept", () => {
  const remembered = new Remembered<number>(100);
  remembered.keep("used", 0, 1000, 0);
  let found = 0;
  for (let i = 0; i < 10_000; i++) {
    remembered.keep(`key ${i}`, i, 1000, 0);
    expect(remembered.get("used", 0)).toBe(0);
  }
  for (let i = 0; i < 10_000; i++) if (remembered.get(`key ${i}`, 0) !== undefined) found++;
  expect(found).toBeLessThanOrEqual(100);
  expect(found).toBeGreaterThanOrEqual(40);
});

describe("a DNS that is listened to", () => {
  const answer = (ttl: number, stale = false): DnsAnswer<"A"> => ({ status: "ok", records: [], ttl, stale });
  const answering = (...answers: readonly (DnsAnswer<"A"> | Error)[]) => {
    const left = [...answers];
    const resolve = () => {
      const next = left.shift()!;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    };
    return new TimedDns({ resolve } as unknown as Dns);
  };
  async function ttlAfter(...answers: readonly (DnsAnswer<"A"> | Error)[]): Promise<number> {
    const dns = answering(...answers);
    for (const _ of answers) await dns.resolve("a.example", "A").catch(() => {});
    return dns.ttl;
  }

  test("holds as long as the shortest of its answers", async () => {
    expect(await ttlAfter()).toBe(Infinity);
    expect(await ttlAfter(answer(5000), answer(3000), answer(4000))).toBe(3000);
  });
  test("holds for no time where an answer is an error, past its time, or has not come", async () => {
    expect(await ttlAfter(answer(5000), new Error("ESERVFAIL"))).toBe(0);
    expect(await ttlAfter(answer(5000), answer(3000, true))).toBe(0);
    const dns = answering(answer(5000));
    const asked = dns.resolve("a.example", "A");
    expect(dns.ttl).toBe(0);
    await asked;
    expect(dns.ttl).toBe(5000);
  });
});
