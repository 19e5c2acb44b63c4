/** The choice of a pool by routes: the first that holds says it. */
import { describe, expect, test } from "bun:test";
import { type Routed, RouteFault, Routes } from "../../src/backend/route.ts";
import type { Route } from "../../src/policy/route.ts";
import { factsAt, path } from "../../src/testing.ts";

const POOLS = new Set(["default", "a", "b", "c"]);

function routed(recipient: string | undefined, given: Partial<Routed> = {}): Routed {
  return {
    listener: "0.0.0.0:25",
    user: undefined,
    recipient: recipient === undefined ? undefined : path(recipient),
    facts: () => factsAt("mail"),
    ...given,
  };
}

function chosen(routes: readonly Route[], recipient: string | undefined, given: Partial<Routed> = {}) {
  const { pool, by } = new Routes(routes, POOLS).choose(routed(recipient, given));
  return by === undefined ? pool : `${pool} by ${by}`;
}

test("without a route that holds, mail goes to the default pool", () => {
  expect(chosen([], "x@a.example")).toBe("default");
  expect(chosen([{ domain: "a.example", pool: "a" }], "x@b.example")).toBe("default");
});

test("the first route that holds counts, whatever the later ones say", () => {
  const routes = [{ domain: "z.example", pool: "c" }, { domain: "a.example", pool: "a" }, { pool: "b" }];
  expect(chosen(routes, "x@a.example")).toBe("a by routes[1]");
  expect(chosen(routes, "x@b.example")).toBe("b by routes[2]");
});

describe("a domain:", () => {
  const rows: readonly (readonly [pattern: string, recipient: string, holds: boolean])[] = [
    ["a.example", "x@a.example", true],
    ["a.example", "x@A.EXAMPLE", true],
    ["A.Example", "x@a.example", true],
    ["a.example", "x@sub.a.example", false],
    ["*.a.example", "x@sub.a.example", true],
    ["*.a.example", "x@deep.sub.a.example", true],
    ["*.a.example", "x@a.example", false],
    ["*.a.example", "x@nota.example", false],
    ["bücher.example", "x@xn--bcher-kva.example", true],
    ["xn--bcher-kva.example", "x@bücher.example", true],
    ["*.bücher.example", "x@shop.BÜCHER.example", true],
    ["a.example", "x@[192.0.2.1]", false],
    ["a.example", '"y@a.example"@b.example', false],
  ];
  for (const [pattern, recipient, holds] of rows) {
    test(`${pattern} ${holds ? "holds" : "does not hold"} for ${recipient}`, () => {
      expect(chosen([{ domain: [pattern], pool: "a" }], recipient)).toBe(
        holds ? "a by routes[0]" : "default",
      );
    });
  }
  test("none is known at MAIL", () => {
    expect(chosen([{ domain: ["a.example", "*.a.example"], pool: "a" }], undefined)).toBe("default");
  });
});

describe("a user:", () => {
  const rows: readonly (readonly [pattern: string, user: string | undefined, holds: boolean])[] = [
    ["ann", "ann", true],
    ["ann", "Ann", false],
    ["ann", undefined, false],
    ["*@a.example", "ann@a.example", true],
    ["*@a.example", "ann@A.EXAMPLE", true],
    ["*@a.example", "ann@b.a.example", false],
    ["*@a.example", "a.example", false],
    ["*@a.example", undefined, false],
  ];
  for (const [pattern, user, holds] of rows) {
    test(`${pattern} ${holds ? "holds" : "does not hold"} for ${user}`, () => {
      expect(chosen([{ user: pattern, pool: "a" }], "x@y.example", { user })).toBe(
        holds ? "a by routes[0]" : "default",
      );
    });
  }
});

test("of several conditions all must hold, of several values one", () => {
  const routes = [{ listener: ["0.0.0.0:25", "0.0.0.0:587"], domain: ["a.example", "b.example"], pool: "a" }];
  expect(chosen(routes, "x@b.example", { listener: "0.0.0.0:587" })).toBe("a by routes[0]");
  expect(chosen(routes, "x@b.example", { listener: "0.0.0.0:465" })).toBe("default");
  expect(chosen(routes, "x@c.example", { listener: "0.0.0.0:587" })).toBe("default");
});

describe("a function", () => {
  test("is told the session and the recipient, and names a pool", () => {
    const seen: unknown[] = [];
    const routes: Route[] = [{
      pool: (session, recipient) => {
        seen.push(session.client.host, recipient?.mailbox);
        return recipient?.localPart === "x" ? "b" : undefined;
      },
    }];
    expect(chosen(routes, "x@a.example")).toBe("b by routes[0]");
    expect(chosen(routes, "y@a.example")).toBe("default");
    expect(chosen(routes, undefined)).toBe("default");
    expect(seen).toContain("x@a.example");
  });

  test("that has no opinion leaves the choice to the routes that follow", () => {
    expect(chosen([{ pool: () => undefined }, { pool: "c" }], "x@a.example")).toBe("c by routes[1]");
  });

  test("is not asked where its route's conditions do not hold", () => {
    let asked = false;
    chosen([{ domain: "z.example", pool: () => ((asked = true), "a") }], "x@a.example");
    expect(asked).toBe(false);
  });

  const faults: readonly (readonly [name: string, pool: unknown, words: string])[] = [
    ["throws", () => {
      throw new TypeError("oops");
    }, "routes[1]: oops"],
    ["throws what is no error", () => {
      // deno-lint-ignore no-throw-literal
      throw "no";
    }, "routes[1]: no"],
    ["names a pool that is none", () => "z", 'routes[1]: "z" was returned; allowed are default, a, b, c'],
    ["returns a number", () => 5, "routes[1]: 5 was returned"],
    ["returns null", () => null, "routes[1]: null was returned"],
    ["returns a promise", () => Promise.reject(new Error("late")), "routes[1]: a promise was returned"],
  ];
  for (const [name, pool, words] of faults) {
    test(`that ${name} is a fault with its place`, () => {
      const routes = [{ domain: "z.example", pool: "a" }, { pool } as Route];
      const choose = () => new Routes(routes, POOLS).choose(routed("x@a.example"));
      expect(choose).toThrow(RouteFault);
      expect(choose).toThrow(words);
    });
  }
});

describe("what a listener can reach", () => {
  const from = (routes: readonly Route[], listener: string) =>
    [...new Routes(routes, POOLS).from(listener)].sort().join(" ");

  test("is the default pool, and what the routes that may hold there name", () => {
    const routes = [
      { listener: "one", pool: "a" },
      { listener: "two", domain: "b.example", pool: "b" },
      { user: "ann", pool: "c" },
    ];
    expect(from(routes, "one")).toBe("a");
    expect(from(routes, "two")).toBe("b c default");
    expect(from(routes, "three")).toBe("c default");
  });

  test("is all pools where a function may be asked", () => {
    expect(from([{ listener: "one", pool: () => "a" }], "one")).toBe("a b c default");
    expect(from([{ listener: "one", pool: () => "a" }], "two")).toBe("default");
  });
});
