// The URLs of stores: which are taken, what is said of the others, and that nobody ever reads a password.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, storeMistakes, storeName } from "../../src/store/open.ts";
import { redisTarget } from "../../src/store/redis_url.ts";
import { rejection } from "./rig.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the URL of a store", () => {
  test.each([
    "memory:",
    "sqlite:state.db",
    "sqlite:/var/lib/sallyport/state.db",
    "sqlite:///var/lib/sallyport/state.db",
    "redis://127.0.0.1",
    "redis://cache.example:6380/3",
    "redis://[2001:db8::1]:6379",
    "redis://:password@cache.example?timeout=200&prefix=mail:",
    "rediss://user:p%40ss@cache.example/0?ca=/etc/ca.pem&cert=/etc/c.pem&key=/etc/k.pem",
    "redis-cluster://a:7000,b,[::1]:7002",
    "rediss-cluster://user:password@a,b/0",
    "redis-sentinel://h1:26379,h2/mail",
    "rediss-sentinel://:password@h1,h2/mail/2?sentinel-user=u&sentinel-password=secret",
  ])("%s has no mistake", (url) => {
    expect(storeMistakes(url)).toEqual([]);
  });

  test.each([
    ["", 'the URL: "" was given; allowed is memory:, sqlite:PATH, redis://'],
    ["postgres://h/db", 'the URL: "postgres://h/db" was given; allowed is memory:, '],
    ["/var/lib/state.db", 'the URL: "/var/lib/state.db" was given'],
    ["memory:big", 'the URL: "memory:big" was given'],
    ["sqlite:", 'the path: "" was given; allowed is sqlite:PATH'],
    ["sqlite::memory:", 'the path: ":memory:" was given; allowed is the path of a file, or memory: alone'],
    ["sqlite:file:x?mode=memory", 'the path: "file:x?mode=memory" was given'],
    [
      "sqlite://state.db",
      'the path: "//state.db" was given; allowed is sqlite:relative/path or sqlite:/absolute',
    ],
    ["redis:h:1", 'the URL: "redis:h:1" was given; allowed is redis://'],
    ["redis://", 'the host: "" was given; allowed is a name, an IPv4 or [IPv6] address'],
    ["redis://:6379", 'the host: "none" was given'],
    ["redis://h i", 'the host: "h i" was given'],
    ["redis://h:0", 'the port: "0" was given; allowed is a number from 1 to 65535'],
    ["redis://h:65536", 'the port: "65536" was given'],
    ["redis://h:x", 'the port: "something else" was given'],
    [
      "redis://a,b",
      'the host: "a,b" was given; allowed is one host, or redis-cluster:// or redis-sentinel://',
    ],
    ["redis://2001:db8::1", 'the port: "something else" was given'],
    ["redis://user@h", 'the login: "a user without a password" was given; allowed is user:password@'],
    ["redis://:a%zz@h", 'the password: "a % that begins no code" was given; allowed is %25 for a %'],
    ["redis://h/mail", 'the database: "mail" was given; allowed is a number from 0'],
    ["redis://h/1/2", 'the path: "1/2" was given'],
    ["redis-cluster://a,b/1", 'the database: "1" was given; allowed is 0, the only one of a cluster'],
    ["redis-cluster://a,,b", 'the host: "" was given'],
    ["redis-sentinel://a,b", 'the master\'s name: "none" was given; allowed is /name after the hosts'],
    ["redis-sentinel://a/mail/x", 'the database: "x" was given'],
    ["redis://h?tiemout=5", 'the setting: "tiemout" was given; allowed is prefix, timeout, ca, cert, key'],
    ["redis://h?timeout=0", 'timeout: "0" was given; allowed is milliseconds from 10 to 60000'],
    ["redis://h?timeout=1s", 'timeout: "1s" was given'],
    ["redis://h?prefix={x}", 'prefix: "{x}" was given; allowed is anything without braces'],
    ["redis://h?ca=/x", 'ca: "a file without TLS" was given; allowed is it only with rediss://'],
    [
      "rediss://h?cert=/x",
      'the client\'s certificate: "only a half" was given; allowed is cert and key together',
    ],
  ])("%s is a mistake that is told", (url, told) => {
    expect(storeMistakes(url).join("\n")).toContain(told);
  });

  test("is read as it is meant", () => {
    const read = (url: string) =>
      redisTarget(url, (what) => {
        throw new Error(what);
      });
    expect(read("rediss-sentinel://mail:a%3Ab%2F@h1,[::1]:7/mas%20ter/4?timeout=50&ca=/c%20a")).toEqual({
      kind: "sentinel",
      hosts: [{ host: "h1", port: 26379 }, { host: "::1", port: 7 }],
      login: { user: "mail", password: "a:b/" },
      master: "mas ter",
      db: 4,
      sentinelLogin: { user: undefined, password: undefined },
      prefix: "sallyport:",
      timeout: 50,
      tls: { ca: "/c a" },
    });
    expect(read("redis://:p/a?s:s@h")).toMatchObject({
      kind: "single",
      hosts: [{ host: "h", port: 6379 }],
      login: { user: undefined, password: "p/a?s:s" },
      db: 0,
      timeout: 1000,
      tls: undefined,
    });
  });
});

describe("a password", () => {
  const urls = [
    "redis://:secret@h",
    "redis://user:secret@h:1/2?timeout=50",
    "redis://user:se:secret@h",
    "redis://user:se/secret?x@h",
    "redis://user:secret@h:99999",
    "redis://user:secret@",
    "redis://user:secret@a,b/x/y/z?what=1",
    "redis://user:secret@h@i",
    "redis://:secret",
    "redis://user:secret",
    "redis:secret@h",
    "redis://user:%secret@h",
    "rediss-cluster://user:secret@a,b/7",
    "redis-sentinel://a/mail?sentinel-password=secret",
    "redis-sentinel://a/mail?sentinel-password=%secret",
    "redis-sentinel://a/?sentinel-password=secret&x=y",
    "redis-unknown://user:secret@h",
    "postgres://user:secret@h/db",
    "user:secret@h",
  ];

  test.each(urls)("is told in no mistake of %s", async (url) => {
    expect(storeMistakes(url).join()).not.toContain("secret");
    if (storeMistakes(url).length === 0) return;
    const error = await rejection(openStore(url, { now: Date.now }));
    expect((error as Error).message).toContain("Cannot open the store: ");
    expect((error as Error).message).not.toContain("secret");
  });

  test("is *** in the name", () => {
    for (const url of urls) expect(storeName(url)).not.toContain("secret");
    expect(storeName("redis://user:secret@h:1/2?timeout=50")).toBe("redis://user:***@h:1/2?timeout=50");
    expect(storeName("redis://:secret@h")).toBe("redis://:***@h");
    expect(storeName("redis-sentinel://a/m?sentinel-password=secret&timeout=50"))
      .toBe("redis-sentinel://a/m?sentinel-password=***&timeout=50");
    expect(storeName("redis://a:b:secret@c@h")).toBe("redis://***");
    expect(storeName("memory:")).toBe("memory:");
    expect(storeName("sqlite:/a@b.db")).toBe("sqlite:/a@b.db");
  });
});

describe("opening", () => {
  test("makes a store of each kind that needs no server", async () => {
    for (const url of ["memory:", `sqlite:${join(folder, "state.db")}`]) {
      const store = await openStore(url, { now: () => 1000 });
      await store.set("key", url, 1000);
      expect(await store.get("key")).toBe(url);
      await store.close();
    }
  });

  test("names the file that cannot be opened", async () => {
    const path = join(folder, "missing", "state.db");
    const error = await rejection(openStore(`sqlite:${path}`, { now: Date.now }));
    expect((error as Error).message).toContain(`Cannot open the store ${path}: unable to open database file`);
  });
});
