/**
 * `sites` of `dnsbl`: postscreen's syntax, and what is said of mistakes in it.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { matches, readFilter } from "../../plugins/dnsbl/filter.ts";
import { dnsbl, type DnsblOptions, type DnsblSite } from "../../plugins/dnsbl/mod.ts";
import { readSites, siteText } from "../../plugins/dnsbl/sites.ts";

const DEFAULTS = { of: "client", timeout: 2000, selfTest: true } as const;

function mistakesOf(sites: string | readonly DnsblSite[]): readonly string[] {
  return dnsbl({ sites }).mistakes ?? [];
}

function texts(sites: string | readonly DnsblSite[]): string[] {
  const { zones, mistakes } = readSites(sites, DEFAULTS);
  expect(mistakes).toEqual([]);
  return zones.map((zone) => siteText(zone, zone.zone));
}

describe("entries are read as postscreen reads them:", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["zen.example", ["zen.example*1"]],
    ["zen.example=127.0.0.[2..11]*3 wl.example*-2", ["zen.example=127.0.0.[2..11]*3", "wl.example*-2"]],
    ["a.example,b.example , c.example\n\td.example", [
      "a.example*1",
      "b.example*1",
      "c.example*1",
      "d.example*1",
    ]],
    ["ZEN.Example.=127.0.0.4*2", ["zen.example=127.0.0.4*2"]],
    ["a.example=127.[0..255].[0;2;4..9].1", ["a.example=127.[0..255].[0;2;4..9].1*1"]],
    ["a.example*0 b.example*1.5", ["a.example*0", "b.example*1.5"]],
    ["key_1.a-b.example", ["key_1.a-b.example*1"]],
  ];
  for (const [sites, zones] of cases) {
    test(JSON.stringify(sites), () => expect(texts(sites)).toEqual([...zones]));
  }

  test("entries of one zone with several filters are one question", () => {
    const sites = "a.example=127.0.0.2*2 b.example a.example=127.0.0.[10;11]*1";
    expect(texts(sites)).toEqual(["a.example=127.0.0.2*2 a.example=127.0.0.[10;11]*1", "b.example*1"]);
  });

  test("a zone of addresses and the same zone of names are two", () => {
    const zones = readSites([{ zone: "a.example" }, { zone: "a.example", of: "sender" }], DEFAULTS).zones;
    expect(zones.map(({ of }) => of)).toEqual(["client", "sender"]);
  });
});

describe("a mistake is told with its place, what was given and what is allowed:", () => {
  const cases: readonly (readonly [string | readonly DnsblSite[], string])[] = [
    ["zen.example=127.0.0.[2..300]", '"zen.example=127.0.0.[2..300]": 300 was given; allowed is 0 to 255'],
    ["zen.example=127.0.0.256*3", '"zen.example=127.0.0.256*3": 256 was given; allowed is 0 to 255'],
    ["zen.example=127.0.0.x", '"zen.example=127.0.0.x": x was given; allowed is 0 to 255'],
    ["zen.example=127.0.0.", '"zen.example=127.0.0.": nothing was given; allowed is 0 to 255'],
    ["zen.example=127.0.0.[]", '"zen.example=127.0.0.[]": nothing was given; allowed is 0 to 255'],
    ["zen.example=127.0.0.[2;]", '"zen.example=127.0.0.[2;]": nothing was given; allowed is 0 to 255'],
    ["zen.example=127.0.0.[2..]", '"zen.example=127.0.0.[2..]": nothing was given; allowed is 0 to 255'],
    [
      "zen.example=127.0.0.[2..3..4]",
      '"zen.example=127.0.0.[2..3..4]": 2..3..4 was given; allowed is 0 to 255',
    ],
    [
      "zen.example=127.0.0.[9..2]",
      '"zen.example=127.0.0.[9..2]": 9..2 was given; allowed is a range from low to high',
    ],
    [
      "zen.example=127.0.0.[2..11",
      '"zen.example=127.0.0.[2..11": [2..11 was given; allowed is a bracket that closes, as in [2..11]',
    ],
    [
      "zen.example=127.0.0.[2]3",
      '"zen.example=127.0.0.[2]3": 3 was given behind a bracket; allowed is a dot',
    ],
    [
      "zen.example=127.0.2",
      '"zen.example=127.0.2": 3 octets were given; allowed are 4, as in 127.0.0.[2..11]',
    ],
    [
      "zen.example=127.0.0.2.5",
      '"zen.example=127.0.0.2.5": 5 octets were given; allowed are 4, as in 127.0.0.[2..11]',
    ],
    [
      "zen.example=10.0.0.2",
      '"zen.example=10.0.0.2": 10 was given as the first octet; allowed is 127, since no other answer is a listing',
    ],
    ["zen.example=", '"zen.example=": nothing was given as the filter; allowed is one, or no "=" before it'],
    [
      "zen.example=*3",
      '"zen.example=*3": nothing was given as the filter; allowed is one, or no "=" before it',
    ],
    ["zen.example*two", '"zen.example*two": weight "two" was given; allowed is a number, as in 3 or -2'],
    ["zen.example*", '"zen.example*": weight "" was given; allowed is a number, as in 3 or -2'],
    ["zen.example*2*3", '"zen.example*2*3": weight "2*3" was given; allowed is a number, as in 3 or -2'],
    ["=127.0.0.2", '"=127.0.0.2": zone "" was given; allowed is a domain name'],
    ["zen..example", '"zen..example": zone "zen..example" was given; allowed is a domain name'],
    [
      "https://zen.example",
      '"https://zen.example": zone "https://zen.example" was given; allowed is a domain name',
    ],
    [
      "a.example*2 A.example.*3",
      '"A.example.*3": it was given before; allowed is once, or with another filter',
    ],
  ];
  for (const [sites, mistake] of cases) {
    test(JSON.stringify(sites), () => expect(mistakesOf(sites)).toEqual([`options.sites: ${mistake}`]));
  }

  test("all of them, not the first alone", () => {
    expect(mistakesOf("a.example=1.2.3.4 b.example c.example*x")).toHaveLength(2);
  });

  test("in an object", () => {
    expect(mistakesOf([{ zone: "a.example" }, { zone: "zen.example", filter: "127.0.0.[2..300]" }])).toEqual([
      'options.sites[1]: "zen.example=127.0.0.[2..300]": 300 was given; allowed is 0 to 255',
    ]);
  });

  test("in an object, an empty filter", () => {
    expect(mistakesOf([{ zone: "zen.example", filter: "" }])).toEqual([
      'options.sites[0]: "zen.example=": nothing was given as the filter; allowed is one, or no "=" before it',
    ]);
  });

  for (const sites of ["", " ,\n", []]) {
    test(`no list at all: ${JSON.stringify(sites)}`, () => {
      expect(mistakesOf(sites)).toEqual([
        'options.sites: no list was given; allowed is one or more, as in "bl.example=127.0.0.[2..11]*3"',
      ]);
    });
  }

  for (const  of of["helo", "sender"] as const) {
    test(`nobody is welcome for a ${of} that anybody can claim to be`, () => {
      expect(mistakesOf([{ zone: "wl.example", weight: -2, of }])).toEqual([
        `options.sites[0]: "wl.example": weight -2 was given for ${of}, which anybody can claim to be; allowed is 0 and more`,
      ]);
    });
  }

  test("a key that would not be hidden", () => {
    const mistakes =
      dnsbl({ sites: "secret.zen.example", zoneNames: { "secert.zen.example": "zen.example" } }).mistakes;
    expect(mistakes).toEqual([
      'options.zoneNames: "secert.zen.example" was given; allowed are the zones of sites',
    ]);
  });

  const others: readonly (readonly [object, string])[] = [
    [
      { sites: 5 },
      'options.sites: 5 was given; allowed is text as in "bl.example=127.0.0.[2..11]*3 wl.example*-2", or a list of objects',
    ],
    [{ of: "rcpt" }, 'options.of: "rcpt" was given; allowed are client, helo, sender, reverse'],
    [{ threshold: 0 }, "options.threshold: 0 was given; allowed is a number above 0"],
    [{ allowThreshold: 0 }, "options.allowThreshold: 0 was given; allowed is a number below 0"],
    [
      { timeout: 0.5 },
      "options.timeout: 0.5 was given; allowed is a whole number of milliseconds from 1 to 60000",
    ],
    [
      { zoneNames: { "a.example": "a b" } },
      'options.zoneNames.a.example: "a b" was given; allowed are 1 to 100 printable ASCII characters, no spaces',
    ],
  ];
  for (const [options, mistake] of others) {
    test(JSON.stringify(options), () => {
      expect(dnsbl({ sites: "a.example", ...options } as DnsblOptions).mistakes).toEqual([mistake]);
    });
  }

  test("a defer that rejects", () => {
    expect(dnsbl({ sites: "a.example", threshold: 3, defer: 3 }).mistakes).toEqual([
      "options.defer: 3 was given; allowed is less than threshold (3)",
    ]);
  });
});

test("the options that are shown have the zone's other name in the place of its key", () => {
  const { options } = dnsbl({
    sites: "S3CRET.zen.example=127.0.0.[2..11]*3 b.example",
    zoneNames: { "s3cret.zen.example": "zen.example" },
  });
  expect(options).toMatchObject({ sites: ["zen.example=127.0.0.[2..11]*3", "b.example*1"], threshold: 1 });
  expect(JSON.stringify(options).toLowerCase()).not.toContain("s3cret");
});

test("what is shown of entries reads back as the same", () => {
  const octet = fc.nat(255);
  const range = fc.tuple(octet, octet).map(([a, b]) => `${Math.min(a, b)}..${Math.max(a, b)}`);
  const part = fc.oneof(
    octet.map(String),
    fc.array(fc.oneof(octet.map(String), range), { minLength: 1 }).map((items) => `[${items.join(";")}]`),
  );
  const filter = fc.tuple(part, part, part).map((parts) => `=127.${parts.join(".")}`);
  const entry = fc.tuple(
    fc.constantFrom("", "k."),
    fc.oneof(fc.constant(""), filter),
    fc.integer({ min: -99, max: 99 }),
  )
    .map(([key, words, weight]) => `${key}zen.example${words}*${weight}`);
  fc.assert(
    fc.property(fc.uniqueArray(entry, { minLength: 1, selector: (each) => each.split("*")[0]! }), (all) => {
      expect(texts(texts(all.join(" ")).join(","))).toEqual(texts(all.join("\t")));
    }),
  );
});

test("a filter meets exactly what its numbers and ranges name", () => {
  const octet = fc.nat(255);
  const items = fc.array(fc.tuple(octet, octet).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(fc.property(items, octet, (ranges, last) => {
    const filter = readFilter(`127.0.0.[${ranges.map(([low, high]) => `${low}..${high}`).join(";")}]`);
    if (typeof filter === "string") throw new Error(filter);
    const named = ranges.some(([low, high]) => low <= last && last <= high);
    expect(matches(filter, [127, 0, 0, last])).toBe(named);
    expect(matches(filter, [127, 0, 1, last])).toBe(false);
  }));
});
