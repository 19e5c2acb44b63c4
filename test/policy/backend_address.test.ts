/** How a backend is written: its options as text and in a policy, and what is said of those that there are not. */
import { describe, expect, test } from "bun:test";
import { BACKEND_DEFAULTS } from "../../src/policy/backend_address.ts";
import { environment } from "../../src/policy/environment.ts";
import { definePolicy, type PolicyOptions, SettingsError } from "../../src/policy/policy.ts";

const ENDPOINT = { host: "10.0.0.1", port: 25 };
const PLAIN = { ...BACKEND_DEFAULTS, name: "10.0.0.1:25", endpoint: ENDPOINT };

function defined(...backends: unknown[]) {
  const options = { hostname: "mx.example", listen: ["127.0.0.1:2525"], backends };
  return definePolicy(options as PolicyOptions).settings.backends;
}

function mistakes(...backends: unknown[]): readonly string[] {
  try {
    defined(...backends);
    return [];
  } catch (cause) {
    return (cause as SettingsError).mistakes;
  }
}

describe("options of a backend:", () => {
  const read: readonly (readonly [given: unknown, expected: object])[] = [
    ["10.0.0.1:25", {}],
    ["10.0.0.1:25?weight=3", { weight: 3 }],
    ["10.0.0.1:25?backup", { backup: true }],
    ["10.0.0.1:25?backup&weight=12", { weight: 12, backup: true }],
    ["[::1]:25?weight=2", { name: "[::1]:25", endpoint: { host: "::1", port: 25 }, weight: 2 }],
    ["unix:/run/b?backup", { name: "unix:/run/b", endpoint: { path: "/run/b" }, backup: true }],
    [{ address: "10.0.0.1:25", weight: 3, backup: true }, { weight: 3, backup: true }],
    [{ address: "10.0.0.1:25?weight=3", backup: true }, { weight: 3, backup: true }],
    [{ address: "10.0.0.1:25?weight=3", weight: 5, backup: undefined }, { weight: 5 }],
    [{ name: "b", endpoint: ENDPOINT }, { name: "b" }],
    [{ name: "b", endpoint: ENDPOINT, weight: 2 }, { name: "b", weight: 2 }],
  ];
  for (const [given, expected] of read) {
    test(JSON.stringify(given), () => expect(defined(given)).toEqual([{ ...PLAIN, ...expected }]));
  }

  test("the environment reads the same", () => {
    const { backends } = environment({ SALLYPORT_BACKEND: "10.0.0.1:25?weight=3&backup, 10.0.0.2:25" });
    expect(backends.map(({ name, weight, backup }) => [name, weight, backup])).toEqual([
      ["10.0.0.1:25", 3, true],
      ["10.0.0.2:25", 1, false],
    ]);
  });
});

describe("what is no option or no value of one is named, with what is allowed:", () => {
  const wrong: readonly (readonly [given: unknown, told: string])[] = [
    [
      "10.0.0.1:25?wieght=3",
      'backends[0]: "10.0.0.1:25?wieght=3" was given; allowed is the options weight, backup, identity, tls, verify, serverName, pins, ca, cert, key, login; there is no "wieght"',
    ],
    ["10.0.0.1:25?", 'there is no ""'],
    ["10.0.0.1:25?constructor", 'there is no "constructor"'],
    ["10.0.0.1:25?weight=0", "allowed is weight=NUMBER (whole, from 1)"],
    ["10.0.0.1:25?weight=1.5", "allowed is weight=NUMBER"],
    ["10.0.0.1:25?weight", "allowed is weight=NUMBER"],
    ["10.0.0.1:25?backup=no", "allowed is backup"],
    ["10.0.0.1:25?weight=1&weight=2", "allowed is each option once"],
    ["10.0.0.1:0?weight=1", "allowed is host:port"],
    [
      { address: "10.0.0.1:25", wieght: 3 },
      "backends[0].wieght: there is no such option; allowed are weight",
    ],
    [
      { address: "10.0.0.1:25", weight: 0 },
      "backends[0].weight: 0 was given; allowed is a whole number from 1",
    ],
    [{ address: "10.0.0.1:25", weight: Infinity }, "backends[0].weight: Infinity was given"],
    [
      { address: "10.0.0.1:25", backup: "yes" },
      'backends[0].backup: "yes" was given; allowed is true or false',
    ],
    [{ address: "10.0.0.1" }, 'backends[0].address: "10.0.0.1" was given; allowed is host:port'],
    [{ address: 5 }, "backends[0].address: 5 was given"],
    [{ weight: 3 }, "backends[0]: {"],
    [{ name: "b", endpoint: { fd: 3 } }, "backends[0]: "],
    [null, "backends[0]: null was given"],
    [["10.0.0.1:25"], "backends[0]: "],
  ];
  for (const [given, told] of wrong) {
    test(JSON.stringify(given), () => {
      expect(mistakes(given).length).toBeGreaterThan(0);
      expect(mistakes(given).join("\n")).toContain(told);
    });
  }

  test("one backend twice", () => {
    expect(mistakes("10.0.0.1:25", "10.0.0.2:25", "10.0.0.1:25?weight=2")).toEqual([
      "backends[2]: 10.0.0.1:25 is backends[0] too; allowed is each once (weight=2 doubles a share)",
    ]);
  });

  test("in the environment too", () => {
    expect(() => environment({ SALLYPORT_BACKEND: "10.0.0.1:25?wieght=3" })).toThrow(
      'SALLYPORT_BACKEND: "10.0.0.1:25?wieght=3" was given; allowed is the options weight, backup',
    );
  });

  test("groups and choices", () => {
    const given = { hostname: "mx.example", listen: ["127.0.0.1:2525"], backends: ["10.0.0.1:25"] };
    const told = (more: object) => {
      try {
        definePolicy({ ...given, ...more } as PolicyOptions);
      } catch (cause) {
        return (cause as SettingsError).mistakes;
      }
    };
    expect(told({ balance: "random" })).toEqual([
      'balance: "random" was given; allowed is one of round-robin, least-busy',
    ]);
    expect(told({ whenDown: "no" })).toEqual(['whenDown: "no" was given; allowed is one of defer, refuse']);
    expect(told({ health: { failures: 1.5 } })).toEqual([
      "health.failures: 1.5 was given; allowed is a whole number above 0, or Infinity",
    ]);
    expect(told({ health: { intreval: 1 } })?.[0]).toContain("health.intreval: there is no such setting");
  });
});
