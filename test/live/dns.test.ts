// bun only: starts real servers
// The resolver against a real name server, NSD: each type of record, a "no" of either kind, aliases in and out of the
// zone, an answer too large for UDP, a zone that is not served, and the server's end and return.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Resolver } from "../../src/dns/resolver.ts";
import type { DnsError } from "../../src/policy/effects.ts";
import { inParallel } from "../support/blackbox_wait.ts";
import { type Nsd, nsdMissing, startNsd, zoneHead } from "../support/live_nsd.ts";

const missing = nsdMissing();
/** A DKIM key of 4,096 bits is this long, in strings of 255. */
const KEY = `v=DKIM1; k=rsa; p=${"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A".repeat(22)}`;
const quoted = (text: string) => text.match(/.{1,255}/g)!.map((each) => `"${each}"`).join(" ");
const MANY = Array.from({ length: 100 }, (_, i) => `v=verification; token=${String(i).padStart(40, "x")}`);

const ZONE = `${zoneHead(45)}
@       MX    10 MX1
@       MX    20 mx2.other.example.
@       TXT   "v=spf1 mx " "-all"
null    MX    0 .
a       A     192.0.2.1
a       A     192.0.2.2
six     AAAA  2001:db8:0:0:1:0:0:1
mapped  AAAA  ::ffff:192.0.2.53
key._domainkey TXT ${quoted(KEY)}
octets  TXT   "\\195\\188\\000\\255"
large   10 TXT "first"
${MANY.map((text) => `large 10 TXT "${text}"`).join("\n")}
alias   20 CNAME a
nothing CNAME six
away    20 CNAME host.other.example.
lost    CNAME gone.other.example.
foreign CNAME www.unserved.example.
circle1 CNAME circle2
circle2 CNAME circle1
_smtp._tcp SRV 1 2 25 A
_25._tcp TLSA 3 1 1 ${"ab".repeat(32)}
*.wild  A     192.0.2.9
sub     NS    ns.sub
ns.sub  A     192.0.2.77
`;
const OTHER = `${zoneHead(30)}\nhost 15 A 192.0.2.3\n`;
const REVERSE = `${zoneHead()}\n1 PTR Mail.Example.org.\n2 PTR a.example.org.\n2 PTR b.example.org.\n`;
const ZONES = new Map([["example.org", ZONE], ["other.example", OTHER], ["2.0.192.in-addr.arpa", REVERSE]]);

const title = missing === undefined ? "against NSD" : `against NSD (skipped: ${missing})`;
describe.skipIf(missing !== undefined)(title, () => {
  let nsd: Nsd;
  let dns: Resolver;
  beforeAll(async () => {
    nsd = await startNsd({ zones: ZONES });
    dns = new Resolver({ servers: [{ host: "127.0.0.1", port: nsd.port }] });
  });
  afterAll(async () => {
    dns?.close();
    await nsd?.stop();
  });

  const ok = { status: "ok", stale: false, ttl: 300_000 };

  test("addresses are told, those of IPv6 in their one form", async () => {
    expect(await dns.resolve("A.Example.ORG", "A")).toMatchObject(ok);
    expect((await dns.resolve("a.example.org", "A")).records.toSorted()).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect((await dns.resolve("six.example.org", "AAAA")).records).toEqual(["2001:db8::1:0:0:1"]);
    expect((await dns.resolve("mapped.example.org", "AAAA")).records).toEqual(["::ffff:192.0.2.53"]);
  });

  test("mail exchanges are told by name and priority, and that there is none", async () => {
    const { records } = await dns.resolve("example.org", "MX");
    expect(records.toSorted((a, b) => a.priority - b.priority)).toEqual([
      { exchange: "mx1.example.org", priority: 10 },
      { exchange: "mx2.other.example", priority: 20 },
    ]);
    expect((await dns.resolve("null.example.org", "MX")).records).toEqual([{ exchange: "", priority: 0 }]);
  });

  test("a text keeps its strings apart and its octets as they are", async () => {
    expect((await dns.resolve("example.org", "TXT")).records).toEqual([["v=spf1 mx ", "-all"]]);
    const [key] = (await dns.resolve("key._domainkey.example.org", "TXT")).records;
    expect(key!.map(({ length }) => length)).toEqual([255, 255, KEY.length - 510]);
    expect(key!.join("")).toBe(KEY);
    expect((await dns.resolve("octets.example.org", "TXT")).records).toEqual([["\xc3\xbc\0\xff"]]);
  });

  test("an answer too large for UDP comes whole", async () => {
    const { records, ttl } = await dns.resolve("large.example.org", "TXT");
    expect(records.map(([text]) => text).toSorted()).toEqual(["first", ...MANY].toSorted());
    expect(ttl).toBe(10_000);
  });

  test("names of addresses, servers, services, keys and the zone itself are told", async () => {
    expect((await dns.resolve("1.2.0.192.in-addr.arpa", "PTR")).records).toEqual(["mail.example.org"]);
    expect((await dns.resolve("2.2.0.192.in-addr.arpa", "PTR")).records.toSorted())
      .toEqual(["a.example.org", "b.example.org"]);
    expect((await dns.resolve("example.org", "NS")).records).toEqual(["ns.example.org"]);
    expect((await dns.resolve("_smtp._tcp.example.org", "SRV")).records)
      .toEqual([{ name: "a.example.org", port: 25, priority: 1, weight: 2 }]);
    expect((await dns.resolve("_25._tcp.example.org", "TLSA")).records)
      .toEqual([{ usage: 3, selector: 1, matchingType: 1, certificate: new Uint8Array(32).fill(0xab) }]);
    expect((await dns.resolve("example.org", "SOA")).records).toEqual([{
      nsname: "ns.example.org",
      hostmaster: "hostmaster.example.org",
      serial: 1,
      refresh: 3600,
      retry: 600,
      expire: 86_400,
      minttl: 45,
    }]);
    expect((await dns.resolve("any.wild.example.org", "A")).records).toEqual(["192.0.2.9"]);
  });

  test.each([
    ["a name that is not there", "none.example.org", "A", "nxdomain", 45_000],
    ["a name without such a record", "a.example.org", "MX", "nodata", 45_000],
    ["a name that only has names below it", "_tcp.example.org", "A", "nodata", 45_000],
    ["an alias of a name without such a record", "nothing.example.org", "A", "nodata", 45_000],
    ["an alias of a name that is not there", "lost.example.org", "A", "nxdomain", 30_000],
  ])("%s is told as what it is, and for how long", async (_, name, type, status, ttl) => {
    const told = { status, ttl, records: [], stale: false };
    expect(await dns.resolve(name, type as "A")).toEqual(told as never);
  });

  test("an alias is followed in its zone and into another", async () => {
    const inside = await dns.resolve("alias.example.org", "A");
    expect(inside).toMatchObject({ status: "ok", ttl: 20_000 });
    expect(inside.records.toSorted()).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(await dns.resolve("away.example.org", "A")).toMatchObject({ records: ["192.0.2.3"], ttl: 15_000 });
    expect((await dns.resolve("away.example.org", "CNAME")).records).toEqual(["host.other.example"]);
  });

  test.each([
    ["a zone that the server does not serve", "www.unserved.example", "EREFUSED"],
    ["an alias into such a zone", "foreign.example.org", "EREFUSED"],
    ["a part of the tree that others serve", "www.sub.example.org", "EREFUSED"],
    ["aliases in a circle", "circle1.example.org", "EBADRESP"],
  ])("of %s nothing is told", async (_, name, code) => {
    const failure = await dns.resolve(name, "A").then(() => undefined, (error: DnsError) => error);
    expect(failure?.code as string).toBe(code);
  });

  test("the same is told with letters in random case", async () => {
    const servers = [{ host: "127.0.0.1", port: nsd.port }];
    const mixed = new Resolver({ servers, mixedCase: true });
    expect((await mixed.resolve("key._domainkey.example.org", "TXT")).records[0]!.join("")).toBe(KEY);
    expect((await mixed.resolve("large.example.org", "TXT")).records).toHaveLength(MANY.length + 1);
    expect((await mixed.resolve("away.example.org", "A")).records).toEqual(["192.0.2.3"]);
    mixed.close();
  });

  test("a thousand names are told, a hundred at a time", async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `h${i}.wild.example.org`);
    const answers: string[] = [];
    await inParallel(
      names,
      100,
      async (name) => void answers.push(...(await dns.resolve(name, "A")).records),
    );
    expect(answers).toEqual(names.map(() => "192.0.2.9"));
  });
});

test.skipIf(missing !== undefined)(
  `an answer outlives the server that gave it${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  async () => {
    const nsd = await startNsd({ zones: new Map([["example.org", `${zoneHead()}\na A 192.0.2.1\n`]]) });
    let now = 0;
    const servers = [{ host: "127.0.0.1", port: nsd.port }];
    const dns = new Resolver({ servers, now: () => now });
    expect((await dns.resolve("a.example.org", "A")).stale).toBe(false);
    await nsd.stop();
    now = 300_000;
    expect(await dns.resolve("a.example.org", "A"))
      .toEqual({ status: "ok", records: ["192.0.2.1"], ttl: 30_000, stale: true });
    const failure = await dns.resolve("b.example.org", "A").then(() => undefined, (error: DnsError) => error);
    // Deno hears nothing of a closed port.
    expect(["ECONNREFUSED", "ETIMEOUT"]).toContain(failure?.code as string);
    dns.close();
  },
);
