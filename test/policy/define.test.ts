/**
 * What `definePolicy` and `definePlugin` take: every setting is looked at, and every mistake named at once.
 */
import { describe, expect, test } from "bun:test";
import { definePlugin, type Plugin, reject, utf8Text } from "../../src/mod.ts";
import { definePolicy, type PolicyOptions, SettingsError } from "../../src/policy/policy.ts";
import { BACKEND_DEFAULTS } from "../../src/policy/backend_address.ts";
import { DEFAULTS } from "../../src/policy/settings.ts";

const GOOD: PolicyOptions = {
  hostname: "mx.example",
  listen: ["127.0.0.1:2525"],
  backends: ["127.0.0.1:25"],
};
const FILES = { cert: "/no/cert.pem", key: "/no/key.pem" };

/** The mistakes in GOOD with these settings, which no type checker has seen. */
function mistakes(settings: object): readonly string[] {
  return mistakesOf(() => definePolicy({ ...GOOD, ...settings } as PolicyOptions));
}

function mistakesOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (cause) {
    if (cause instanceof SettingsError) return cause.mistakes;
    throw cause;
  }
  return [];
}

function named(name: string): Plugin {
  return { name, onError: "pass" };
}

const LISTEN = { name: "x", endpoint: { host: "127.0.0.1", port: 25 }, implicitTls: false };

describe("a mistake is named with what was given and what is allowed:", () => {
  const rows: readonly (readonly [settings: object, ...starts: string[]])[] = [
    [{ hostname: "" }, 'hostname: "" was given; allowed is a domain name'],
    [{ hostname: "x y\r\nz" }, 'hostname: "x y\\r\\nz" was given; allowed is a domain name'],
    [{ hostname: undefined }, "hostname: undefined was given; allowed is a domain name"],
    [{ listen: "127.0.0.1:25" }, 'listen: "127.0.0.1:25" was given; allowed is an array'],
    [{ listen: undefined }, "listen: undefined was given; allowed is an array"],
    [{ listen: [] }, "listen: no address is given"],
    [{ listen: ["nonsense", "127.0.0.1:25"] }, 'listen[0]: "nonsense" was given; allowed is host:port'],
    [
      { listen: ["127.0.0.1:25", "127.0.0.1:25"] },
      "listen[1]: 127.0.0.1:25 is where listen[0] is",
    ],
    [{ listen: [{ name: "x", endpoint: { host: "1.2.3.4" }, implicitTls: false }] }, "listen[0]: {"],
    [{ listen: [null] }, "listen[0]: null was given"],
    [{ listen: ["tls://127.0.0.1:465"] }, "listen: tls://127.0.0.1:465 needs a certificate"],
    [
      { listen: ["proxy://127.0.0.1:25"] },
      "listen: proxy://127.0.0.1:25 takes PROXY headers from trusted hosts",
    ],
    [
      { listen: ["proxy://unix:/run/smtp"], trusted: ["10.0.0.5"] },
      "listen: proxy://unix:/run/smtp takes PROXY",
    ],
    [
      { listen: [{ name: "x", endpoint: null, implicitTls: false, proxy: "required" }] },
      "listen[0]: {",
      "listen:",
    ],
    [{ listen: [{ ...LISTEN, proxy: "maybe" }] }, "listen[0]: {"],
    [{ trusted: "10.0.0.5" }, 'trusted: "10.0.0.5" was given; allowed is an array'],
    [{ trusted: ["10.0.0.5", "10.0.0.0/33"] }, 'trusted[1]: "10.0.0.0/33" was given; allowed is an address'],
    [{ trusted: ["haproxy.example"] }, 'trusted[0]: "haproxy.example" was given; allowed is an address'],
    [{ proxyUnknown: true }, "proxyUnknown: true was given; allowed is one of take, refuse"],
    [{ backends: ["127.0.0.1:0"] }, 'backends[0]: "127.0.0.1:0" was given'],
    [{ backends: ["fd:3"] }, 'backends[0]: "fd:3" was given'],
    [{ backends: "127.0.0.1:25" }, 'backends: "127.0.0.1:25" was given; allowed is an array'],
    [{ backends: [] }, "backends: none is given"],
    [{ backends: undefined }, "backends: none is given"],
    [{ demo: "mail" }, 'demo: "mail" was given beside backends 127.0.0.1:25; allowed is one of the two'],
    [{ demo: 5, backends: [] }, "demo: 5 was given; allowed is the name of a folder"],
    [{ tls: { cert: "a.pem" } }, 'tls: {"cert":"a.pem"} was given; allowed is { cert, key }'],
    [{ tls: [] }, "tls.certificates: [] was given; allowed is { cert, key }"],
    [
      { tls: [FILES, { cert: "a" }] },
      'tls.certificates[1]: {"cert":"a"} was given; allowed is { cert, key }',
    ],
    [{ tls: { certificates: "" } }, 'tls.certificates: "" was given; allowed is { cert, key }'],
    [
      { tls: { certificates: "/etc/tls", ca: "x" } },
      "tls.ca: there is no such setting; allowed are certificates,",
    ],
    [
      { tls: { certificates: FILES, clientCertificates: "always" } },
      'tls.clientCertificates: "always" was given; allowed is one of off, optional, required',
    ],
    [
      { tls: { certificates: FILES, clientCertificates: "required" } },
      'tls.clientCertificates: "required" was given without clientCa; nobody could come in',
    ],
    [
      { tls: { certificates: FILES, clientCa: 1 } },
      "tls.clientCa: 1 was given; allowed is the name of a file in PEM",
    ],
    [
      { listen: [{ address: "127.0.0.1:587", tls: "required" }] },
      "listen: 127.0.0.1:587 needs a certificate",
    ],
    [
      { listen: [{ address: "127.0.0.1:587", tls: "maybe" }] },
      'listen[0]: {"address":"127.0.0.1:587","tls":"maybe"}',
    ],
    [{ listen: [{ address: "x" }] }, 'listen[0]: {"address":"x"} was given; allowed is host:port'],
    [{ listen: [{ address: "127.0.0.1:587", tsl: "required" }] }, "listen[0]: {"],
    [{ relay: "VRFY" }, 'relay: "VRFY" was given; allowed is an array'],
    [{ relay: ["VRFY", "HELP"] }, 'relay[1]: "HELP" was given; allowed is one of VRFY, EXPN, ETRN'],
    [{ dial: "data" }, 'dial: "data" was given; allowed is one of mail, rcpt'],
    [{ bareLineFeeds: true }, "bareLineFeeds: true was given; allowed is one of reject, normalize"],
    [{ notices: ["a", 1] }, "notices[1]: 1 was given; allowed is text"],
    [{ sessions: 0 }, "sessions: 0 was given; allowed is a whole number above 0, or Infinity"],
    [{ drain: Infinity }, "drain: Infinity was given; allowed is a number of ms above 0 up to 2147483647"],
    [{ limits: { errors: 0.5 } }, "limits.errors: 0.5 was given; allowed is a whole number above 0"],
    [
      { limits: { messageSize: NaN } },
      "limits.messageSize: NaN was given; allowed is a whole number of octets",
    ],
    [{ limits: { size: 1 } }, "limits.size: there is no such setting; allowed are commandLine"],
    [{ limits: 5 }, "limits: 5 was given; allowed is an object"],
    [{ times: { end: "10" } }, 'times.end: "10" was given; allowed is a number of ms above 0, or Infinity'],
    [{ reuse: { uses: null } }, "reuse.uses: null was given; allowed is a whole number"],
    [{ backend: [] }, "backend: there is no such setting; allowed are admin, backends"],
    [
      { relayDomains: ["example.org"], dnsbl: "bl.example" },
      "relayDomains: is no setting, but what SALLYPORT_RELAY_DOMAINS says, for plugins; take it out",
      "dnsbl: is no setting, but what SALLYPORT_DNSBL says, for plugins; take it out",
    ],
    [{ plugins: {} }, "plugins: {} was given; allowed is an array"],
    [{ plugins: [undefined] }, "plugins[0]: is no plugin"],
    [
      { plugins: [named("Bad Name")] },
      'plugins[0] (Bad Name): name "Bad Name" was given; allowed are lower case',
    ],
    [{ plugins: [named("a"), named("b"), named("a")] }, "plugins[2] (a): is named as plugins[0] is"],
    [
      { plugins: [{ name: "a", onError: "ignore" }] },
      'plugins[0] (a): onError "ignore" was given; allowed are pass',
    ],
    [
      { plugins: [{ ...named("a"), headers() {}, Rcpt() {}, mail: 1 }] },
      "plugins[0] (a): there is no stage headers; allowed are connect, helo, mail, rcpt, data, message",
      "plugins[0] (a): there is no stage Rcpt",
      "plugins[0] (a): mail 1 was given; allowed is a function",
    ],
    [{ hostname: "-", relay: 1, demo: "m" }, "hostname: ", "relay: ", "demo: "],
  ];
  for (const [settings, ...starts] of rows) {
    const name = JSON.stringify(settings, (_key, value) => value === undefined ? "undefined" : value);
    test(`${name} → ${starts[0]}`, () => {
      const found = mistakes(settings);
      expect(found.map((line, i) => line.slice(0, starts[i]?.length))).toEqual([...starts]);
    });
  }

  test("what is no object of settings", () => {
    expect(mistakesOf(() => definePolicy(undefined as unknown as PolicyOptions))).toEqual([
      "Cannot make a policy: undefined was given; allowed is an object with settings",
    ]);
  });
});

describe("what is taken:", () => {
  test("undefined stands for the default, everywhere that there is one", () => {
    const names = Object.keys(DEFAULTS);
    const nothing = Object.fromEntries(names.map((name) => [name, undefined]));
    const { settings } = definePolicy({ ...GOOD, ...nothing, limits: { errors: undefined, messages: 7 } });
    expect(settings).toMatchObject({ ...DEFAULTS, limits: { ...DEFAULTS.limits, messages: 7 } });
  });

  test("addresses as text, read as in the environment", () => {
    const { listen, backends } = definePolicy({
      ...GOOD,
      tls: FILES,
      trusted: ["10.0.0.5"],
      listen: [
        "tls://0.0.0.0:465",
        "[::1]:25",
        "*:25",
        "unix:/run/smtp",
        "fd:3",
        "proxy://[::1]:26",
        "proxy+tls://[::1]:466",
      ],
      backends: ["mail.example:25", "unix:/run/backend"],
    }).settings;
    expect(listen).toEqual([
      { name: "tls://0.0.0.0:465", endpoint: { host: "0.0.0.0", port: 465 }, implicitTls: true },
      { name: "[::1]:25", endpoint: { host: "::1", port: 25 }, implicitTls: false },
      { name: "*:25", endpoint: { host: "0.0.0.0", port: 25 }, implicitTls: false },
      { name: "unix:/run/smtp", endpoint: { path: "/run/smtp" }, implicitTls: false },
      { name: "fd:3", endpoint: { fd: 3 }, implicitTls: false },
      {
        name: "proxy://[::1]:26",
        endpoint: { host: "::1", port: 26 },
        implicitTls: false,
        proxy: "required",
      },
      {
        name: "proxy+tls://[::1]:466",
        endpoint: { host: "::1", port: 466 },
        implicitTls: true,
        proxy: "required",
      },
    ]);
    expect(backends).toEqual([
      { name: "mail.example:25", endpoint: { host: "mail.example", port: 25 }, ...BACKEND_DEFAULTS },
      { name: "unix:/run/backend", endpoint: { path: "/run/backend" }, ...BACKEND_DEFAULTS },
    ]);
  });

  test("listeners of which more is said", () => {
    const listen = [{ address: "127.0.0.1:587", tls: "required" }, { address: "127.0.0.1:25" }] as const;
    expect(definePolicy({ ...GOOD, tls: FILES, listen }).settings.listen).toEqual([
      {
        name: "127.0.0.1:587",
        endpoint: { host: "127.0.0.1", port: 587 },
        implicitTls: false,
        tlsRequired: true,
      },
      { name: "127.0.0.1:25", endpoint: { host: "127.0.0.1", port: 25 }, implicitTls: false },
    ]);
  });

  test("certificates in every form, kept in one", () => {
    const plain = { clientCertificates: "off", clientCa: undefined };
    for (const tls of [FILES, [FILES], { certificates: FILES }, { certificates: [FILES] }]) {
      expect(definePolicy({ ...GOOD, tls }).settings.tls).toEqual(
        { certificates: [FILES], ...plain } as never,
      );
    }
    const folder = { certificates: "/etc/tls", clientCertificates: "optional", clientCa: "/ca.pem" } as const;
    expect(definePolicy({ ...GOOD, tls: folder }).settings.tls).toEqual(folder);
    expect(definePolicy(GOOD).settings.tls).toBe(undefined);
  });

  test("Infinity where a bound can be lifted, and a fraction of a rate", () => {
    expect(mistakes({ limits: { messageLine: Infinity, dataRate: 0.5 }, sessions: Infinity })).toEqual([]);
  });

  test("a hostname without a dot, with a notice", () => {
    expect(definePolicy(GOOD).settings.notices).toEqual([]);
    const { notices } = definePolicy({ ...GOOD, hostname: "mx", notices: ["mine"] }).settings;
    expect(notices.map((notice) => notice.slice(0, 27))).toEqual(["mine", "The hostname mx has no dot,"]);
  });
});

describe("a policy made from the environment:", () => {
  const fromEnvironment = (variables: Record<string, string>, more: object = {}) =>
    definePolicy(
      ({ hostname, listen, backends, tls }) => ({ hostname, listen, backends, tls, ...more }),
      variables,
    );

  test("gets what the variables say", () => {
    const { settings } = fromEnvironment({
      SALLYPORT_BACKEND: "b.example:25",
      SALLYPORT_HOSTNAME: "mx.example",
    });
    expect(settings.hostname).toBe("mx.example");
    expect(settings.backends.map(({ name }) => name)).toEqual(["b.example:25"]);
  });

  test("several certificates, a key to each", () => {
    const both = {
      SALLYPORT_BACKEND: "b.example:25",
      SALLYPORT_HOSTNAME: "mx.example",
      SALLYPORT_TLS_CERT: "a.pem, b c.pem",
    };
    const { settings } = fromEnvironment({ ...both, SALLYPORT_TLS_KEY: "a.key,b.key" });
    expect(settings.tls?.certificates).toEqual([{ cert: "a.pem", key: "a.key" }, {
      cert: "b c.pem",
      key: "b.key",
    }]);
    expect(mistakesOf(() => fromEnvironment({ ...both, SALLYPORT_TLS_KEY: "a.key" }))).toEqual([
      "SALLYPORT_TLS_KEY: 1 files were given; allowed is one for each of the 2 of SALLYPORT_TLS_CERT, in the same order",
    ]);
  });

  test("has a notice for each variable that is set and not taken: whoever sets one relies on it", () => {
    const variables = {
      SALLYPORT_BACKEND: "b.example:25",
      SALLYPORT_HOSTNAME: "mx.example",
      SALLYPORT_RELAY_DOMAINS: "example.org",
      SALLYPORT_STORE: "memory:",
      SALLYPORT_ADMIN: "",
    };
    const { settings } = definePolicy(
      ({ hostname, listen, backends }) => ({ hostname, listen, backends }),
      variables,
    );
    expect(settings.notices).toEqual([
      "SALLYPORT_RELAY_DOMAINS is set, but this policy does not take it (relayDomains)",
      "SALLYPORT_STORE is set, but this policy does not take it (store)",
    ]);
    const all = definePolicy(
      ({ relayDomains: _, dnsbl: __, store = "memory:", ...rest }) => ({ ...rest, store }),
      variables,
    );
    expect(all.settings.notices).toEqual([]);
  });

  test("has the mistakes of variables and settings named together, each once, and the files still told", () => {
    let error: unknown;
    try {
      fromEnvironment({
        SALLYPORT_LISTEN: "abc",
        SALLYPORT_BACKEND: "x",
        SALLYPORT_HOSTNAME: "a b",
        SALLYPORT_TLS_CERT: FILES.cert,
        SALLYPORT_TLS_KEY: FILES.key,
      }, { dial: "data" });
    } catch (cause) {
      error = cause;
    }
    expect((error as SettingsError).mistakes.map((line) => line.split(":")[0])).toEqual(
      ["SALLYPORT_LISTEN", "SALLYPORT_HOSTNAME", "SALLYPORT_BACKEND", "dial"],
    );
    expect((error as SettingsError).files?.certificates).toEqual([FILES]);
  });
});

describe("definePlugin:", () => {
  for (const name of ["", "Bad", "a b", "-a", "a-", "a--b", "1a", "a_b"]) {
    test(`refuses the name ${JSON.stringify(name)}`, () => {
      expect(() => definePlugin(name, () => ({ onError: "pass" }))).toThrow(
        `Cannot define a plugin: name ${JSON.stringify(name)} was given; allowed are lower case words`,
      );
    });
  }

  test("takes the methods of a class, with their this", async () => {
    class Counting {
      readonly onError = "pass";
      readonly #limit = 1;
      #seen = 0;
      helo() {
        return ++this.#seen > this.#limit ? reject("5.7.1", "Again") : undefined;
      }
    }
    const plugin = definePlugin("counting", () => new Counting())();
    const answers = [
      plugin.helo!({} as never, {} as never),
      plugin.helo!({} as never, {} as never),
    ];
    expect(await Promise.all(answers)).toEqual([undefined, reject("5.7.1", "Again")]);
    expect(mistakes({ plugins: [plugin] })).toEqual([]);
  });
});

test("utf8Text decodes one character per byte; what is no UTF-8 is marked", () => {
  expect(["b\xc3\xbccher.example", "plain", "\xff"].map(utf8Text)).toEqual([
    "bücher.example",
    "plain",
    "\ufffd",
  ]);
});
