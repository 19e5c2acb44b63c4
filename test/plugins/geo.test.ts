/**
 * `geo`: databases of several makers, what is no database, and rules by place.
 */
import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { geo, type GeoOptions } from "../../plugins/geo/mod.ts";
import { GEO, reject } from "../../src/mod.ts";
import { ask, factsAt, prepare } from "../../src/testing.ts";
import { mmdb, type MmdbOptions, type MmdbValue } from "../support/mmdb.ts";
import { SessionChain } from "../support/session_chain.ts";

/** As MaxMind's GeoLite2 Country has it. */
const country = (letters: string) => ({
  continent: { code: "EU", names: { en: "Europe", ru: "Европа" } },
  country: { geoname_id: 2921044, iso_code: letters, is_in_european_union: true },
});
const system = (number: number, name: string) => ({
  autonomous_system_number: number,
  autonomous_system_organization: name,
});

const COUNTRIES = mmdb({
  "192.0.2.0/24": country("DE"),
  "192.0.2.128/25": country("FR"),
  "203.0.113.0/24": country("US"),
  "2001:db8::/32": country("AT"),
});
const SYSTEMS = mmdb({
  "192.0.2.0/24": system(64496, "Example Networks"),
  "2001:db8::/33": system(4_200_000_000, "Example Six"),
});
const BOTH = ["/geo/country.mmdb", "/geo/asn.mmdb"];

async function planted(options: Partial<GeoOptions> = {}, files: Record<string, Uint8Array> = {}) {
  const plugin = geo({ databases: BOTH, ...options });
  const all = { [BOTH[0]!]: COUNTRIES, [BOTH[1]!]: SYSTEMS, ...files };
  const { mistakes, log, write } = await prepare(plugin, { files: all });
  expect(mistakes).toEqual([]);
  const at = (host: string) => ask(plugin, "connect", factsAt("connect", { client: { host, port: 1 } }));
  return { write, log, at };
}

/** `DE 64496 Example Networks` of what is found. */
async function found(host: string, { at }: Awaited<ReturnType<typeof planted>>): Promise<string> {
  const { findings, failed } = await at(host);
  expect(failed).toBe(false);
  const { country, as, organization } = findings.get(GEO)!;
  return [country, as, organization].map((part) => part ?? "-").join(" ");
}

/** What one database of one network says of an address in it. */
async function oneRecord(value: MmdbValue, options: MmdbOptions = {}): Promise<string> {
  const database = mmdb({ "192.0.2.0/24": value }, options);
  return found("192.0.2.1", await planted({ databases: ["f"] }, { f: database }));
}

describe("clients:", () => {
  const cases: readonly (readonly [host: string, came: string])[] = [
    ["192.0.2.1", "DE 64496 Example Networks"],
    ["192.0.2.200", "FR 64496 Example Networks"],
    ["203.0.113.7", "US - -"],
    ["::ffff:192.0.2.1", "DE 64496 Example Networks"],
    ["::ffff:c000:2c8", "FR 64496 Example Networks"],
    ["2001:db8::1", "AT 4200000000 Example Six"],
    ["2001:db8:8000::1", "AT - -"],
    ["2001:db9::1", "- - -"],
    ["127.0.0.1", "- - -"],
    ["fe80::1%eth0", "- - -"],
    ["/run/smtp.sock", "- - -"],
  ];
  for (const [host, came] of cases) {
    test(`${host}: ${came}`, async () => expect(await found(host, await planted())).toBe(came));
  }

  test("of two databases that know the same, the first counts", async () => {
    const other = mmdb({ "192.0.2.0/24": { ...country("SE"), ...system(64500, "Other") } });
    const files = { "/geo/other.mmdb": other };
    const [first, last] = [
      await planted({ databases: ["/geo/other.mmdb", ...BOTH] }, files),
      await planted({ databases: [...BOTH, "/geo/other.mmdb"] }, files),
    ];
    expect(await found("192.0.2.1", first)).toBe("SE 64500 Other");
    expect(await found("192.0.2.1", last)).toBe("DE 64496 Example Networks");
  });

  test("are counted by country and noted", async () => {
    const plugin = geo({ databases: BOTH });
    await prepare(plugin, { files: { [BOTH[0]!]: COUNTRIES, [BOTH[1]!]: SYSTEMS } });
    const chain = new SessionChain([plugin], { client: "192.0.2.1" });
    await chain.judge("connect");
    expect(chain.dossier.takeTrail()).toEqual(["geo@connect:client=DE AS64496"]);
    expect(chain.metrics.text()).toContain('sallyport_plugin_geo_clients_total{plugin="geo",country="DE"} 1');
  });
});

describe("databases:", () => {
  const layouts: readonly (readonly [maker: string, record: MmdbValue, came: string])[] = [
    ["GeoLite2 Country", country("DE"), "DE - -"],
    ["GeoLite2 City, with all its parts", {
      ...country("DE"),
      location: { latitude: 52.5, longitude: 13.4, time_zone: "Europe/Berlin" },
      subdivisions: [{ iso_code: "BE", names: { en: "x".repeat(300) } }],
    }, "DE - -"],
    ["GeoLite2 ASN", system(64496, "Example Networks"), "- 64496 Example Networks"],
    ["ip-location-db country", { country_code: "de" }, "DE - -"],
    ["IPinfo, letters in country", { country: "DE", asn: "AS64496", as_name: "Example" }, "DE 64496 Example"],
    [
      "IPinfo Lite, a name in country",
      { country: "Germany", country_code: "DE", asn: "AS64496" },
      "DE 64496 -",
    ],
    ["numbers of 64 bits", { asn: 64496n }, "- 64496 -"],
  ];
  for (const [maker, record, came] of layouts) {
    test(`${maker}: ${came}`, async () => expect(await oneRecord(record)).toBe(came));
  }

  test("a country that is none, a system without a number, an empty name", async () => {
    const database = mmdb({
      "192.0.2.0/24": { country_code: "--", autonomous_system_number: 0, as_name: "" },
      "198.51.100.0/24": country("DE"),
    });
    expect(await found("192.0.2.1", await planted({ databases: ["f"] }, { f: database }))).toBe("- - -");
  });

  for (const recordSize of [24, 28, 32] as const) {
    for (const ipVersion of [4, 6] as const) {
      test(`records of ${recordSize} bits in a tree of IPv${ipVersion}`, async () => {
        expect(await oneRecord(country("DE"), { recordSize, ipVersion })).toBe("DE - -");
      });
    }
  }

  test("one of IPv4 alone says nothing of IPv6, whose first 32 bits it could take for an address", async () => {
    const database = mmdb({ "32.1.13.184/32": country("DE") }, { ipVersion: 4 });
    const geo = await planted({ databases: ["f"] }, { f: database });
    expect(await found("32.1.13.184", geo)).toBe("DE - -");
    expect(await found("2001:db8::1", geo)).toBe("- - -");
  });

  test("one of IPv6 alone, and one that maps IPv4", async () => {
    const six = mmdb({ "2001:db8::/32": country("AT") });
    expect(await found("2001:db8::1", await planted({ databases: ["f"] }, { f: six }))).toBe("AT - -");
    const mapped = mmdb({ "192.0.2.0/24": country("DE") }, { mapped: true });
    expect(await found("::ffff:192.0.2.1", await planted({ databases: ["f"] }, { f: mapped }))).toBe(
      "DE - -",
    );
  });

  test("one that has only some of what is looked for far behind is taken", async () => {
    const networks = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`10.${i >> 8}.${i & 255}.0/24`, { continent: { code: "AS" } }]),
    );
    const late = mmdb({ ...networks, "192.0.2.0/24": country("DE") });
    expect(await found("192.0.2.1", await planted({ databases: ["f"] }, { f: late }))).toBe("DE - -");
  });

  test("a changed file is taken, and what is none is not", async () => {
    const geo = await planted();
    geo.write(BOTH[0]!, mmdb({ "192.0.2.0/24": country("CH") }));
    expect(await found("192.0.2.1", geo)).toBe("CH 64496 Example Networks");
    geo.write(BOTH[0]!, new Uint8Array(10));
    expect(await found("192.0.2.1", geo)).toBe("CH 64496 Example Networks");
    expect(geo.log).toEqual([
      "info: file taken",
      "warn: file not taken, the last one stays: /geo/country.mmdb: a file without MaxMind's metadata was given; " +
      "allowed is a database in MaxMind's format (.mmdb), unpacked",
    ]);
  });
});

describe("what is no database is named:", () => {
  const ALLOWED = "was given; allowed is a database in MaxMind's format (.mmdb), unpacked";
  const broken = (find: string, put: string) => {
    const bytes = Uint8Array.from(COUNTRIES);
    const text = new TextDecoder("latin1").decode(bytes);
    bytes.set(new TextEncoder().encode(put), text.lastIndexOf(find));
    return bytes;
  };
  const cases: readonly (readonly [what: string, bytes: Uint8Array, mistake: string])[] = [
    ["nothing", new Uint8Array(), `a file without MaxMind's metadata ${ALLOWED}`],
    ["text", new TextEncoder().encode("<html>404</html>"), `a file without MaxMind's metadata ${ALLOWED}`],
    ["an archive", gzipSync(COUNTRIES), `a gzip file ${ALLOWED}`],
    ["a file cut short", COUNTRIES.subarray(0, -300), `a file without MaxMind's metadata ${ALLOWED}`],
    [
      "one without its beginning",
      COUNTRIES.subarray(-300),
      `a database that has lost its beginning ${ALLOWED}`,
    ],
    [
      "metadata without a size",
      broken("record_size", "recorx_size"),
      `a database that cannot be read (Unsupported record size) ${ALLOWED}`,
    ],
    [
      "another format",
      broken("ip_version", "ix_version"),
      `a database of format 2, IP version undefined, ${ALLOWED}`,
    ],
    [
      "a database of something else",
      mmdb({ "192.0.2.0/24": { is_anonymous: true } }),
      "a database of Test was given; allowed is one with countries or autonomous systems",
    ],
  ];
  for (const [what, bytes, mistake] of cases) {
    test(`${what}: ${mistake}`, async () => {
      const { mistakes } = await prepare(geo({ databases: ["f"] }), { files: { f: bytes } });
      expect(mistakes).toEqual([`geo: f: ${mistake}`]);
    });
  }

  test("of several files all", async () => {
    const { mistakes } = await prepare(geo({ databases: ["a", "b", "c"] }), {
      files: { a: COUNTRIES, b: new Uint8Array() },
    });
    expect(mistakes).toEqual([
      `geo: b: a file without MaxMind's metadata ${ALLOWED}`,
      "geo: Cannot read c: the test gives no such file",
    ]);
  });
});

describe("rules:", () => {
  const REFUSED = reject("5.7.1", "Mail from your network is not accepted here", 554);
  const clients = {
    de: "192.0.2.1",
    fr: "192.0.2.200",
    us: "203.0.113.7",
    at: "2001:db8::1",
    nowhere: "10.1.1.1",
  };

  async function refused(options: Partial<GeoOptions>): Promise<string> {
    const { at } = await planted(options);
    const names: string[] = [];
    for (const [name, host] of Object.entries(clients)) {
      const { verdict } = await at(host);
      if (verdict === undefined) continue;
      expect(verdict).toEqual(REFUSED);
      names.push(name);
    }
    return names.join(" ");
  }

  const cases: readonly (readonly [what: string, options: Partial<GeoOptions>, refused: string])[] = [
    ["none", {}, ""],
    ["denied countries", { deny: { countries: ["fr", "US"] } }, "fr us"],
    ["denied systems", { deny: { as: [64496] } }, "de fr"],
    ["either", { deny: { countries: ["US"], as: [64496] } }, "de fr us"],
    ["only countries: whoever is not known passes", { only: { countries: ["DE", "FR"] } }, "us at"],
    ["only countries, nobody unknown", { only: { countries: ["DE"], unknown: "deny" } }, "fr us at nowhere"],
    ["only a system: whose is not known passes", { only: { as: [64496] } }, "at"],
    ["only a country or a system", { only: { countries: ["AT"], as: [64496] } }, ""],
    ["only and denied", { only: { countries: ["DE", "FR"] }, deny: { countries: ["FR"] } }, "fr us at"],
  ];
  for (const [what, options, names] of cases) {
    test(`${what}: ${names || "nobody"} refused`, async () => expect(await refused(options)).toBe(names));
  }

  test("points of all places that a client is in", async () => {
    const { at } = await planted({
      score: [{ countries: ["DE"], points: 2 }, { as: [64496], points: -0.5 }, {
        countries: ["US"],
        points: 9,
      }],
    });
    expect((await at("192.0.2.1")).findings.scores).toEqual([
      { plugin: "geo", points: 2, reason: "from DE AS64496" },
      { plugin: "geo", points: -0.5, reason: "from DE AS64496" },
    ]);
  });

  test("a reply of one's own", async () => {
    const { at } = await planted({ deny: { countries: ["US"] }, reply: "See https://example.org/geo" });
    expect((await at("203.0.113.7")).verdict).toEqual(reject("5.7.1", "See https://example.org/geo", 554));
  });
});

describe("mistakes in the options are named:", () => {
  const LETTERS = "allowed are two letters of ISO 3166-1, as in DE or GB";
  const cases: readonly (readonly [given: object, mistake: string])[] = [
    [{ databases: [] }, "options.databases: [] was given; at least one is needed"],
    [
      { deny: { countries: ["DE", "Germany"] } },
      `options.deny.countries[1]: "Germany" was given; ${LETTERS}`,
    ],
    [{ deny: { countries: ["UK"] } }, `options.deny.countries[0]: "UK" was given; ${LETTERS}`],
    [{ deny: { countries: ["QQ"] } }, `options.deny.countries[0]: "QQ" was given; ${LETTERS}`],
    [{ deny: {} }, "options.deny: {} was given; at least one of countries, as is needed"],
    [
      { deny: { as: ["AS64496"] } },
      'options.deny.as[0]: "AS64496" was given; allowed is a whole number from 1 to 4294967295',
    ],
    [
      { only: { as: [64496], country: ["DE"] } },
      'options.only: {"as":[64496],"country":["DE"]} was given; there is no option country; ' +
      "allowed are as, countries, unknown",
    ],
    [{ score: [{ countries: ["DE"] }] }, "options.score[0].points: nothing was given; allowed is a number"],
  ];
  for (const [given, mistake] of cases) {
    test(mistake, () => {
      expect(geo({ databases: ["f"], ...given } as GeoOptions).mistakes).toEqual([mistake]);
    });
  }
});
