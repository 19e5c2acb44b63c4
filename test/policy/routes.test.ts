/** Pools and routes of a policy: each name is looked at, and a route that can never be taken is a mistake. */
import { BACKEND_DEFAULTS } from "../../src/policy/backend_address.ts";
import { describe, expect, test } from "bun:test";
import { definePlugin, definePolicy, type PolicyOptions, route, SettingsError } from "../../src/mod.ts";

const GOOD: PolicyOptions = {
  hostname: "mx.example",
  listen: ["127.0.0.1:25", "127.0.0.1:587"],
  backends: ["10.0.0.1:25"],
  pools: { a: ["10.0.0.2:25", "10.0.0.3:25"], b: ["unix:/run/b"] },
};

function mistakes(settings: object): readonly string[] {
  try {
    definePolicy({ ...GOOD, ...settings } as PolicyOptions);
  } catch (cause) {
    if (cause instanceof SettingsError) return cause.mistakes;
    throw cause;
  }
  return [];
}

test("pools hold backends as text or as they are", () => {
  const { settings } = definePolicy({
    ...GOOD,
    routes: [{ user: "x", pool: "a" }, { user: "y", pool: "b" }],
  });
  expect(settings.pools["b"]).toEqual([{
    ...BACKEND_DEFAULTS,
    name: "unix:/run/b",
    endpoint: { path: "/run/b" },
  }]);
  expect(settings.notices).toEqual([]);
});

test("a pool that nothing leads to is told", () => {
  const noticed = (given: Partial<PolicyOptions>) => definePolicy({ ...GOOD, ...given }).settings.notices;
  const routes = [{ user: "x", pool: "a" }];
  expect(noticed({ routes })).toEqual(["The pool b is never used: no route names it"]);
  expect(noticed({ routes: [...routes, { pool: () => "b" }] })).toEqual([]);
  const plugins = [definePlugin("p", () => ({ onError: "pass", mail: () => route("b") }))()];
  expect(noticed({ routes, plugins })).toEqual([]);
});

describe("a mistake is named with what was given and what is allowed:", () => {
  const rows: readonly (readonly [settings: object, ...starts: string[]])[] = [
    [{ pools: [] }, "pools: [] was given; allowed is an object"],
    [{ pools: null }, "pools: null was given; allowed is an object"],
    [{ pools: { default: ["10.0.0.2:25"] } }, "pools.default: is the name of the pool that backends makes"],
    [{ pools: { "a b": ["10.0.0.2:25"] } }, 'pools: the name "a b" was given; allowed are 1 to 64 letters'],
    [{ pools: { a: [] } }, "pools.a: no backend is given"],
    [{ pools: { a: "10.0.0.2:25" } }, 'pools.a: "10.0.0.2:25" was given; allowed is an array'],
    [{ pools: { a: ["nonsense"] } }, 'pools.a[0]: "nonsense" was given; allowed is host:port'],
    [{ routes: {} }, "routes: {} was given; allowed is an array"],
    [{ routes: [null] }, "routes[0]: null was given; allowed is an object"],
    [{ routes: [{ domain: "a.example" }] }, "routes[0].pool: undefined was given; allowed are default, a, b"],
    [{ routes: [{ pool: "z" }] }, 'routes[0].pool: "z" was given; allowed are default, a, b, or a function'],
    [{ routes: [{ pool: "a", domains: "x" }] }, "routes[0].domains: a route has no such part"],
    [
      { routes: [{ listener: "0.0.0.0:25", pool: "a" }] },
      'routes[0].listener: "0.0.0.0:25" was given; allowed are 127.0.0.1:25, 127.0.0.1:587',
    ],
    [{ routes: [{ domain: [], pool: "a" }] }, "routes[0].domain: [] was given; allowed is at least one"],
    [{ routes: [{ domain: ["x.example", 5], pool: "a" }] }, "routes[0].domain[1]: 5 was given; allowed is a"],
    [{ routes: [{ domain: "*", pool: "a" }] }, 'routes[0].domain: "*" was given'],
    [{ routes: [{ domain: "a.*", pool: "a" }] }, 'routes[0].domain: "a.*" was given'],
    [{ routes: [{ domain: "u@a.example", pool: "a" }] }, 'routes[0].domain: "u@a.example" was given'],
    [{ routes: [{ user: "", pool: "a" }] }, 'routes[0].user: "" was given'],
    [{ routes: [{ user: "*@", pool: "a" }] }, 'routes[0].user: "*@" was given'],
    [{ routes: [{ user: "a*", pool: "a" }] }, 'routes[0].user: "a*" was given'],
    [
      { routes: [{ domain: ["a.example", "A.EXAMPLE"], pool: "a" }] },
      'routes[0].domain[1]: "A.EXAMPLE" says nothing that "a.example" does not',
    ],
    [
      { routes: [{ domain: ["*.a.example", "b.a.example"], pool: "a" }] },
      'routes[0].domain[1]: "b.a.example" says nothing that "*.a.example" does not',
    ],
    [
      { routes: [{ pool: "a" }, { domain: "a.example", pool: "b" }] },
      "routes[1]: is never reached, since routes[0] takes all of it",
    ],
    [
      { routes: [{ domain: "*.a.example", pool: "a" }, { domain: ["x.a.example", "b.example"], pool: "b" }] },
      'routes[1].domain: "x.a.example" is never reached, since routes[0] takes it',
    ],
    [
      {
        routes: [{ user: "*@a.example", pool: "a" }, {
          user: "ann@a.example",
          listener: "127.0.0.1:25",
          pool: "b",
        }],
      },
      "routes[1]: is never reached, since routes[0] takes all of it",
    ],
    [{ pipelining: "yes" }, 'pipelining: "yes" was given; allowed is one of true, false'],
  ];
  for (const [settings, ...starts] of rows) {
    test(starts[0]!, () => {
      const found = mistakes(settings);
      expect(found.map((line, i) => line.slice(0, starts[i]?.length))).toEqual(starts);
    });
  }
});

test("routes that leave something to each other are no mistake", () => {
  const routes = [
    { domain: "a.example", listener: "127.0.0.1:25", pool: "a" },
    { domain: "a.example", pool: "b" },
    { domain: "*.a.example", pool: "a" },
    { user: "ann", pool: () => undefined },
    { user: "ann", pool: "a" },
    { user: "*@a.example", pool: "b" },
    { pool: "default" },
  ];
  expect(mistakes({ routes })).toEqual([]);
});

describe("a plugin's route", () => {
  const rows: readonly (readonly [target: unknown, good: boolean])[] = [
    ["a", true],
    ["", false],
    [undefined, false],
    [{ host: "192.0.2.1", port: 25 }, true],
    [{ host: "2001:db8::1", port: 2525 }, true],
    [{ host: "mail.example", port: 25 }, false],
    [{ host: "192.0.2.1", port: 0 }, false],
    [{ host: "192.0.2.1", port: 65_536 }, false],
    [{ host: "192.0.2.1", port: "25" }, false],
    [{ host: "192.0.2.1" }, false],
  ];
  for (const [target, good] of rows) {
    test(`to ${JSON.stringify(target)} is ${good ? "made" : "refused"}`, () => {
      const make = () => route(target as string);
      if (good) expect(make()).toEqual({ kind: "route", target: target as string });
      else expect(make).toThrow("Cannot make a route: target");
    });
  }
});
