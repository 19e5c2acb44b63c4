/**
 * The cache: how long an answer, a "no" and a failure are kept, what is given past its time, and how much there is room for.
 */
import { describe, expect, test } from "bun:test";
import { Cache } from "../../src/dns/cache.ts";
import type { Found } from "../../src/dns/lookup.ts";
import { DnsError } from "../../src/policy/effects.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const ok = (ttl: number, size = 100): Found => ({ says: "ok", records: ["192.0.2.1"], ttl, size });
const no = (says: "nodata" | "nxdomain", ttl?: number): Found => ({ says, records: [], ttl, size: 100 });
const failed = new DnsError("ESERVFAIL", "a.example A", "test");

describe("an answer", () => {
  test("is given for its time, which grows shorter, and not a millisecond longer", () => {
    const cache = new Cache(10);
    const fresh = { status: "ok", records: ["192.0.2.1"], stale: false };
    expect(cache.keep("a", ok(60), 1000)).toEqual({ ...fresh, ttl: MINUTE } as never);
    expect(cache.get("a", 1000 + 20 * SECOND)).toEqual({ ...fresh, ttl: 40 * SECOND } as never);
    expect(cache.get("a", 1000 + MINUTE - 1)).toEqual({ ...fresh, ttl: 1 } as never);
    expect(cache.get("a", 1000 + MINUTE)).toBeUndefined();
    expect(cache.get("b", 1000)).toBeUndefined();
  });

  test.each([
    ["that holds for no time is kept for a second", ok(0), SECOND],
    ["that holds for a week is kept for a day", ok(7 * 86_400), 24 * HOUR],
    ["that there is no record is kept as its zone says", no("nodata", 60), MINUTE],
    ["that there is no name is kept as its zone says", no("nxdomain", 60), MINUTE],
    ["of no that holds for no time is kept for a second", no("nxdomain", 0), SECOND],
    ["of no that holds for a day is kept for 15 minutes", no("nxdomain", 86_400), 15 * MINUTE],
    ["of no that does not say for how long is kept for 30 seconds", no("nodata"), 30 * SECOND],
  ])("%s", (_, found, lifetime) => {
    const cache = new Cache(10);
    expect(cache.keep("a", found, 5)).toMatchObject({ status: found.says, ttl: lifetime });
    expect(cache.get("a", 5 + lifetime - 1)).toMatchObject({ status: found.says, ttl: 1, stale: false });
    expect(cache.get("a", 5 + lifetime)).toBeUndefined();
  });
});

describe("a failure", () => {
  test("is remembered for 5 seconds where nothing else is known", () => {
    const cache = new Cache(10);
    expect(cache.fail("a", failed, 0)).toBe(failed);
    expect(cache.get("a", 5 * SECOND - 1)).toBe(failed);
    expect(cache.get("a", 5 * SECOND)).toBeUndefined();
    expect(cache.getStale("a", 1)).toBeUndefined();
  });

  test("is forgotten at the next answer", () => {
    const cache = new Cache(10);
    cache.fail("a", failed, 0);
    cache.keep("a", ok(60), 1);
    expect(cache.get("a", 2)).toMatchObject({ status: "ok", stale: false });
    expect(cache.get("a", 1 + MINUTE)).toBeUndefined();
  });
});

describe("an answer past its time", () => {
  /** One that held until 0. */
  function expired(found: Found = ok(60)): Cache {
    const cache = new Cache(10);
    cache.keep("a", found, -MINUTE);
    return cache;
  }

  test("is not given unasked", () => {
    expect(expired().get("a", 1)).toBeUndefined();
  });

  test("is given where the servers fail, for 30 seconds until they are asked again", () => {
    const cache = expired();
    const stale = { status: "ok", records: ["192.0.2.1"], stale: true };
    expect(cache.fail("a", failed, SECOND)).toEqual({ ...stale, ttl: 30 * SECOND } as never);
    expect(cache.get("a", 21 * SECOND)).toEqual({ ...stale, ttl: 10 * SECOND } as never);
    expect(cache.get("a", 31 * SECOND)).toBeUndefined();
    expect(cache.fail("a", failed, 40 * SECOND)).toEqual({ ...stale, ttl: 30 * SECOND } as never);
  });

  test("is given so for an hour, then the failure is", () => {
    const cache = expired();
    expect(cache.fail("a", failed, HOUR - SECOND)).toMatchObject({ stale: true, ttl: SECOND });
    expect(cache.get("a", HOUR - 1)).toMatchObject({ stale: true, ttl: 1 });
    expect(cache.get("a", HOUR)).toBe(failed);
    expect(cache.get("a", HOUR + 29 * SECOND)).toBeUndefined();
    expect(cache.fail("a", failed, HOUR + 29 * SECOND)).toBe(failed);
    expect(cache.get("a", HOUR + 34 * SECOND)).toBeUndefined();
  });

  test("is a no as well as a yes", () => {
    expect(expired(no("nxdomain", 60)).fail("a", failed, 1)).toMatchObject({
      status: "nxdomain",
      stale: true,
    });
  });

  test("gives way to the next answer, though it be a no", () => {
    const cache = expired();
    cache.fail("a", failed, 1);
    cache.keep("a", no("nxdomain", 60), 2);
    expect(cache.get("a", 3)).toMatchObject({ status: "nxdomain", stale: false });
  });

  test("can be had where nobody was asked, which makes no failure of it", () => {
    const cache = expired();
    expect(cache.getStale("a", 1)).toMatchObject({ stale: true, ttl: 30 * SECOND });
    expect(cache.get("a", 1)).toBeUndefined();
    expect(cache.getStale("a", -1)).toBeUndefined();
    expect(cache.getStale("a", HOUR)).toBeUndefined();
  });
});

describe("there is room", () => {
  test("for so many questions; the one that was longest not asked for goes first", () => {
    const cache = new Cache(3);
    for (const key of ["a", "b", "c"]) cache.keep(key, ok(60), 0);
    cache.get("a", 1);
    cache.keep("d", ok(60), 1);
    expect(["a", "b", "c", "d"].filter((key) => cache.get(key, 2) !== undefined)).toEqual(["a", "c", "d"]);
    expect(cache.size).toBe(3);
  });

  test("for failures no more than for answers", () => {
    const cache = new Cache(3);
    for (let i = 0; i < 100; i++) cache.fail(`${i}`, failed, 0);
    expect(cache.size).toBe(3);
  });

  test("for few large answers: whoever fills them has no say over the memory", () => {
    const cache = new Cache(1000);
    for (let i = 0; i < 1000; i++) cache.keep(`${i}`, ok(60, 65_535), 0);
    expect(cache.size).toBeLessThan(10);
    expect(cache.get("999", 1)).toMatchObject({ status: "ok" });
  });

  test("for nothing once it is cleared", () => {
    const cache = new Cache(3);
    cache.keep("a", ok(60), 0);
    cache.clear();
    expect(cache.get("a", 1)).toBeUndefined();
  });
});
