/**
 * One database in MaxMind's format: what it must be to be taken, and what its records mean, whoever has made it.
 */
import { Buffer } from "node:buffer";
import { type CountryResponse, Reader } from "mmdb-lib";
import { type GeoFinding, ListError } from "sallyport";

const MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
/** Zeros between the tree and the data. */
const SEPARATOR = 16;
/** Networks that are looked at to see whether a database knows anything of use. */
const SAMPLE = 1_000;
const ADDRESSES = 2 ** 32;

export class Database {
  readonly #reader: Reader<CountryResponse>;

  /** @throws ListError saying what is wrong with the file */
  constructor(bytes: Uint8Array, path: string) {
    this.#reader = readerOf(bytes, path);
    if (!this.#isUseful()) {
      throw new ListError([
        `${path}: a database of ${this.#reader.metadata.databaseType} was given; ` +
        "allowed is one with countries or autonomous systems",
      ]);
    }
  }

  /** @param address IPv4 or IPv6; IPv4-mapped IPv6 is to be given as IPv4 */
  find(address: string): GeoFinding | undefined {
    // Such a tree is 32 bits deep: the first 32 of an IPv6 address would be taken for IPv4.
    if (this.#reader.metadata.ipVersion === 4 && address.includes(":")) return undefined;
    const record = this.#reader.get(address);
    return record === null ? undefined : meaning(record);
  }

  /** True where nothing can be seen, as in a database of IPv6 alone. */
  #isUseful(): boolean {
    let seen = false;
    for (let at = 0, looks = 0; at < ADDRESSES && looks < SAMPLE; looks++) {
      const [record, bits] = this.#reader.getWithPrefixLength(ipv4Text(at));
      const { country, as } = record === null ? NOTHING : meaning(record);
      if (country !== undefined || as !== undefined) return true;
      seen ||= record !== null;
      const size = 2 ** (32 - bits);
      at += size - at % size;
    }
    return !seen;
  }
}

function readerOf(bytes: Uint8Array, path: string): Reader<CountryResponse> {
  const wrong = (given: string) =>
    new ListError([
      `${path}: ${given} was given; allowed is a database in MaxMind's format (.mmdb), unpacked`,
    ]);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const marker = buffer.lastIndexOf(MARKER);
  if (marker < 0) throw wrong(isGzip(bytes) ? "a gzip file" : "a file without MaxMind's metadata");
  let reader: Reader<CountryResponse>;
  try {
    reader = new Reader(buffer);
  } catch (cause) {
    throw wrong(`a database that cannot be read (${(cause as Error).message})`);
  }
  const { binaryFormatMajorVersion, ipVersion, searchTreeSize } = reader.metadata;
  if (binaryFormatMajorVersion !== 2 || !(ipVersion === 4 || ipVersion === 6)) {
    throw wrong(`a database of format ${binaryFormatMajorVersion}, IP version ${ipVersion},`);
  }
  if (!(searchTreeSize + SEPARATOR <= marker)) throw wrong("a database that has lost its beginning");
  return reader;
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function ipv4Text(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

const NOTHING: GeoFinding = { country: undefined, as: undefined, organization: undefined };

/**
 * MaxMind and DB-IP have `country.iso_code`, others `country_code`, or `country` with the letters; the number of an
 * autonomous system stands in `autonomous_system_number`, or in `asn` as `AS64496`.
 */
function meaning(record: object): GeoFinding {
  const fields = record as Readonly<Record<string, unknown>>;
  const { country } = fields;
  return {
    country: letters((country as { iso_code?: unknown } | undefined)?.iso_code) ??
      letters(fields["country_code"]) ?? letters(country),
    as: number(fields["autonomous_system_number"]) ?? number(fields["asn"]),
    organization: text(fields["autonomous_system_organization"]) ?? text(fields["as_name"]),
  };
}

function letters(given: unknown): string | undefined {
  return typeof given === "string" && /^[A-Za-z]{2}$/.test(given) ? given.toUpperCase() : undefined;
}

function number(given: unknown): number | undefined {
  const digits = typeof given === "string" ? /^(?:AS)?(\d{1,10})$/i.exec(given)?.[1] : given;
  const value = digits === undefined ? 0 : Number(digits);
  return value > 0 ? value : undefined;
}

function text(given: unknown): string | undefined {
  return typeof given === "string" && given !== "" ? given : undefined;
}
