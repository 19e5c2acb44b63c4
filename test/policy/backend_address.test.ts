/** How a backend is written: its options as text and in a policy, and what is said of those that there are not. */
import { describe, expect, test } from "bun:test";
import { tlsMode } from "../../src/policy/backend_security.ts";
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

describe("TLS, names and credentials of a backend:", () => {
  const PIN = `${"A".repeat(43)}=`;
  const tls: readonly (readonly [given: unknown, mode: string])[] = [
    ["10.0.0.1:25", "opportunistic"],
    ["127.0.0.1:25", "off"],
    ["[::1]:25", "off"],
    ["localhost:25", "off"],
    ["unix:/run/b", "off"],
    ["lmtp://unix:/run/b", "off"],
    ["10.0.0.1:25?tls=opportunistic", "opportunistic"],
    ["10.0.0.1:25?verify=none", "opportunistic"],
    ["10.0.0.1:25?verify=name", "required"],
    ["10.0.0.1:25?verify=ca", "required"],
    [{ address: "10.0.0.1:25", verify: "name" }, "required"],
    [{ name: "b", endpoint: ENDPOINT, verify: "ca" }, "required"],
    [`10.0.0.1:25?pins=${PIN}`, "required"],
    [`127.0.0.1:25?pins=${PIN}`, "required"],
    ["10.0.0.1:25?ca=ca.pem", "required"],
    ["10.0.0.1:25?serverName=b.example", "required"],
    ["10.0.0.1:25?login=u:p", "required"],
    ["127.0.0.1:25?login=u:p", "off"],
    ["127.0.0.1:25?login=u:p&tls=off", "off"],
    ["smtps://10.0.0.1:465?verify=ca", "implicit"],
    [{ address: "smtps://10.0.0.1:465", verify: "ca" }, "implicit"],
  ];
  for (const [given, mode] of tls) {
    test(`${JSON.stringify(given)} is reached by TLS: ${mode}`, () => {
      expect(tlsMode(defined(given)[0]!)).toBe(mode as "off");
    });
  }

  const contradictions: readonly (readonly [given: unknown, told: string])[] = [
    [
      `10.0.0.1:25?tls=opportunistic&pins=${PIN}`,
      "backends[0].tls: opportunistic was given with pins, which nobody would look at",
    ],
    ["10.0.0.1:25?tls=off&ca=ca.pem&serverName=b.example", "off was given with serverName, ca"],
    ["10.0.0.1:25?tls=opportunistic&login=u:p", "opportunistic was given with login"],
    ["10.0.0.1:25?tls=off&login=u:p", "off was given with login"],
    ["smtps://10.0.0.1:465?tls=off", "allowed is no tls=, which smtps:// says already"],
    ["10.0.0.1:25?cert=c.pem", "cert is given alone"],
    ["10.0.0.1:25?identity=XCLIENT", "allowed is identity=auto|xclient|xforward|proxy-v1|proxy-v2|none"],
    ["10.0.0.1:25?pins=AAAA", "allowed is pins=SHA-256 in base64"],
    ["10.0.0.1:25?lmtp", "lmtp:// before the address"],
    ["imap://10.0.0.1:25", "with smtps:// or lmtp:// before it"],
  ];
  for (const [given, told] of contradictions) {
    test(`${JSON.stringify(given)} is a mistake`, () => expect(mistakes(given).join("\n")).toContain(told));
  }

  test("users and passwords of any octets are percent-encoded", () => {
    const [backend] = defined("smtps://mx.example:465?login=me%40x.example:%26%2C%3A%20%C3%BC%0D%0A");
    expect(backend!.login).toEqual({ user: "me@x.example", password: "&,: ü\r\n" });
  });
});

describe("no mistake shows a password:", () => {
  const SECRET = "h4ns3l";
  const given: readonly unknown[] = [
    `10.0.0.1:25?login=${SECRET}`,
    `10.0.0.1:25?login=u:${SECRET}&tls=bogus`,
    `10.0.0.1:25?tls=bogus&login=u:${SECRET}`,
    `10.0.0.1:25?login=u:a&${SECRET}`,
    `10.0.0.1:25?login=u:a&${SECRET}=b`,
    `10.0.0.1:25?login=u:a&x=${SECRET}`,
    `10.0.0.1:25?logn=u:${SECRET}`,
    `10.0.0.1:25?password=${SECRET}`,
    `10.0.0.1:25?login=u:%ZZ${SECRET}`,
    `10.0.0.1:25?login=u:${SECRET}&login=u:${SECRET}`,
    `smtps://u:${SECRET}@mx.example:465`,
    `u:${SECRET}@mx.example:465`,
    `10.0.0.1:25?tls=off&login=u:${SECRET}`,
    { address: `10.0.0.1:25?tls=bogus&login=u:${SECRET}` },
    { address: "10.0.0.1:25", login: { user: "", password: SECRET } },
    { address: "10.0.0.1:25", login: `u:${SECRET}` },
    { address: "10.0.0.1:25", password: SECRET },
    { address: "10.0.0.1", login: { user: "u", password: SECRET } },
    { login: { user: "u", password: SECRET } },
    { host: "10.0.0.1", password: SECRET },
  ];
  for (const each of given) {
    test(JSON.stringify(each), () => {
      const told = mistakes(each).join("\n");
      expect(told).not.toBe("");
      expect(told).not.toContain(SECRET);
    });
  }
  const texts = [...given.filter((each) => typeof each === "string"), `10.0.0.1:25?login=u:a,${SECRET}`];
  for (const each of texts) {
    test(`SALLYPORT_BACKEND=${each}`, () => {
      let told = "";
      try {
        defined(...environment({ SALLYPORT_BACKEND: each }).backends);
      } catch (cause) {
        told = `${(cause as Error).message}\n${(cause as SettingsError).mistakes.join("\n")}`;
      }
      expect(told).toContain("was given");
      expect(told).not.toContain(SECRET);
    });
  }
});
