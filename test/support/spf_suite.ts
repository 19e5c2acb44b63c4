// The test suite of RFC 7208 (openspf, kept with pyspf) in `../shared/vectors`: its cases, and its zones as data and as
// zone files. In a zone, "SPF" stands for TXT unless the name has TXT of its own, and "TIMEOUT" for a server that is
// silent about every type the name has no record of.
import { existsSync, readFileSync } from "node:fs";
import type { DnsRecords, MailFacts, Path } from "../../src/mod.ts";
import type { DnsMap } from "../../src/testing.ts";
import { plainHost } from "../../src/net/address.ts";
import { factsAt } from "../../src/testing.ts";

const FILE = new URL("../../../shared/vectors/spf-rfc7208/test/rfc7208-tests.json", import.meta.url);

/** Why the suite cannot run; undefined where it can. */
export const suiteMissing: string | undefined = existsSync(FILE)
  ? undefined
  : "../shared/vectors/spf-rfc7208 is not there";

/** Cases of the suite. */
export const CASES = 203;

export interface SuiteCase {
  readonly name: string;
  readonly helo: string;
  /** The client's address. */
  readonly host: string;
  /** "" for the null reverse-path. */
  readonly mailfrom: string;
  /** Any of them is right. */
  readonly results: readonly string[];
  /** "DEFAULT": the domain gives none. */
  readonly explanation: string | undefined;
}

/** A group of cases and the DNS they are about. */
export interface SuiteSection {
  readonly name: string;
  readonly cases: readonly SuiteCase[];
  readonly zone: SuiteZone;
}

type Value = string | readonly unknown[];
type Written = "TIMEOUT" | Readonly<Record<string, Value>>;

interface WrittenSection {
  readonly description: string;
  readonly tests: Readonly<
    Record<
      string,
      {
        readonly helo: string;
        readonly host: string;
        readonly mailfrom: string;
        readonly result: string | readonly string[];
        readonly explanation?: string;
      }
    >
  >;
  readonly zonedata: Readonly<Record<string, readonly Written[]>>;
}

/** The suite's groups, in order. */
export function readSuite(): SuiteSection[] {
  const sections = JSON.parse(readFileSync(FILE, "utf8")) as WrittenSection[];
  return sections.map(({ description, tests, zonedata }) => ({
    name: description,
    cases: Object.entries(tests).map(([name, { helo, host, mailfrom, result, explanation }]) => ({
      name,
      helo,
      host,
      mailfrom,
      results: [result].flat() as readonly string[],
      explanation,
    })),
    zone: new SuiteZone(zonedata),
  }));
}

/** What a plugin is told at MAIL. */
export function factsOf({ helo, host, mailfrom }: SuiteCase): MailFacts {
  const at = mailfrom.lastIndexOf("@");
  const reversePath: Path = {
    mailbox: mailfrom,
    localPart: mailfrom.slice(0, Math.max(0, at)),
    domain: mailfrom.slice(at + 1),
    utf8: false,
  };
  return factsAt("mail", { helo, client: { host: plainHost(host), port: 50_000 }, reversePath });
}

/** Names, types and records of a group, as a server would give them: lower case, no final dots. */
export class SuiteZone {
  /** `"A mail.example.com"` → records; an MX as `[priority, exchange]`, a TXT as its strings. */
  readonly #records = new Map<string, unknown[]>();
  readonly #names = new Set<string>();
  readonly #silent = new Set<string>();
  /**
   * Names that no server can be asked about as the suite has it: those about which it is silent (but for the types
   * that it has), and one with spaces, which the resolver takes for no name (`%_` of RFC 7208 §7.3 makes such).
   */
  readonly unservable: ReadonlySet<string>;

  constructor(written: WrittenSection["zonedata"]) {
    const unservable = new Set<string>();
    for (const [name, records] of Object.entries(written)) {
      const known = records.filter((record) => record !== "TIMEOUT");
      const hasText = known.some((record) => "TXT" in record);
      this.#names.add(name.toLowerCase());
      if (known.length < records.length) this.#silent.add(name.toLowerCase());
      if (known.length < records.length || name.includes(" ")) unservable.add(name.toLowerCase());
      for (const record of known) {
        for (const [type, value] of Object.entries(record)) {
          if (value === "NONE" || (type === "SPF" && hasText)) continue;
          this.#add(name.toLowerCase(), type === "SPF" ? "TXT" : type, value);
        }
      }
    }
    this.unservable = unservable;
  }

  #add(name: string, type: string, value: Value): void {
    const key = `${type} ${name}`;
    const records = this.#records.get(key) ?? [];
    this.#records.set(key, [...records, recordOf(type, value)]);
  }

  /** For `dnsOf`: aliases are followed, one that comes back to itself is an error, as of a recursive server. */
  get map(): DnsMap {
    const map: Record<string, Record<string, unknown>> = {};
    for (const name of this.#names) {
      const types: Record<string, unknown> = {};
      for (const type of ["A", "AAAA", "MX", "PTR", "TXT"]) {
        const records = this.#answer(name, type);
        if (records !== undefined) types[type] = records;
      }
      map[name] = types;
    }
    return map as DnsMap;
  }

  #answer(name: string, type: string, depth = 0): unknown[] | "ETIMEOUT" | "ESERVFAIL" | undefined {
    const records = this.#records.get(`${type} ${name}`);
    if (records !== undefined) return records;
    if (this.#silent.has(name)) return "ETIMEOUT";
    const alias = this.#records.get(`CNAME ${name}`)?.[0];
    if (alias === undefined) return undefined;
    return depth > 8 ? "ESERVFAIL" : this.#answer(alias as string, type, depth + 1);
  }

  /** Zone files, one a top-level domain, without what no server can be made to say. */
  zoneFiles(head: string): Map<string, string> {
    const lines = new Map<string, string[]>(["com", "net", "org", "arpa"].map((top) => [top, []]));
    for (const [key, records] of this.#records) {
      const [type = "", name = ""] = splitOnce(key);
      if (this.unservable.has(name)) continue;
      const top = name.slice(name.lastIndexOf(".") + 1);
      const zone = lines.get(top) ?? [];
      lines.set(top, zone);
      for (const record of records) zone.push(`${escapedName(name)}. ${type} ${rdata(type, record)}`);
    }
    return new Map([...lines].map(([top, own]) => [top, `${head}${own.join("\n")}\n`]));
  }
}

function splitOnce(key: string): [string, string] {
  const space = key.indexOf(" ");
  return [key.slice(0, space), key.slice(space + 1)];
}

/** As `Dns` gives it. */
function recordOf(type: string, value: Value): unknown {
  if (type === "TXT") return value.length === 0 ? [""] : [value].flat();
  if (type === "MX") {
    const [priority, exchange] = value as [number, string];
    return { priority, exchange: bare(exchange) } satisfies DnsRecords["MX"];
  }
  return bare(value as string);
}

function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

function rdata(type: string, record: unknown): string {
  switch (type) {
    case "TXT":
      return (record as string[]).flatMap(chunks).map((text) => `"${escaped(text, /[^ !#-[\]-~]/g)}"`).join(
        " ",
      );
    case "MX": {
      const { priority, exchange } = record as DnsRecords["MX"];
      return `${priority} ${escapedName(exchange)}.`;
    }
    case "CNAME":
    case "PTR":
      return `${escapedName(record as string)}.`;
    default:
      return record as string;
  }
}

/** A string of a TXT record holds 255 octets. */
function chunks(text: string): string[] {
  return text === "" ? [""] : text.match(/[^]{1,255}/g)!;
}

function escapedName(name: string): string {
  return escaped(name, /[^a-z0-9._-]/gi);
}

function escaped(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, (sign) => `\\${String(sign.charCodeAt(0)).padStart(3, "0")}`);
}
