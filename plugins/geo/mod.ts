/**
 * Where clients are: their country and their autonomous system, from databases in MaxMind's format that the operator
 * brings, and rules by them.
 */
import {
  definePlugin,
  found,
  GEO,
  type GeoFinding,
  type Live,
  note,
  type OnError,
  type PluginFactory,
  readNetwork,
  reject,
  score,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { Database } from "./database.ts";

/** Countries and autonomous systems; a client of any of them is meant. */
export interface GeoPlaces {
  /** ISO 3166-1, two letters. */
  readonly countries?: readonly string[] | undefined;
  /** Numbers of autonomous systems. */
  readonly as?: readonly number[] | undefined;
}

export interface GeoOptions {
  /** Paths of .mmdb files, read again when they change. Of two that know the same, the first counts. */
  readonly databases: readonly string[];
  /** Who is refused, with 554. Nobody unless given. */
  readonly deny?: GeoPlaces | undefined;
  /** Who alone is not refused. Everybody unless given. */
  readonly only?:
    | GeoPlaces & {
      /** What becomes of those whom no database knows; `"pass"` unless given: databases have gaps. */
      readonly unknown?: "pass" | "deny" | undefined;
    }
    | undefined;
  /** Points for places; of several that a client is in, all count. None unless given. */
  readonly score?: readonly (GeoPlaces & { readonly points: number })[] | undefined;
  /** What a refused client is told; "Mail from your network is not accepted here" unless given. */
  readonly reply?: string | undefined;
  /** What a failure does; `"pass"` unless given. */
  readonly onError?: OnError | undefined;
}

const SYSTEMS = "allowed is a whole number from 1 to 4294967295";
const PLACES = {
  countries: z.array(
    z.string().toUpperCase().refine(isCountry, "allowed are two letters of ISO 3166-1, as in DE or GB"),
  ).readonly().optional(),
  as: z.array(z.int(SYSTEMS).min(1, SYSTEMS).max(2 ** 32 - 1, SYSTEMS)).readonly().optional(),
};

const NONE = "at least one of countries, as is needed";

function isSome({ countries, as }: GeoPlaces): boolean {
  return countries !== undefined || as !== undefined;
}

const NAMES = new Intl.DisplayNames(["en"], { type: "region", fallback: "none" });

/** UK has a name too, but databases say GB. */
function isCountry(letters: string): boolean {
  return /^[A-Z]{2}$/.test(letters) && letters !== "UK" && NAMES.of(letters) !== undefined;
}

/** Finds out where clients are, and judges by it: `geo({ databases: ["/var/lib/geo/country.mmdb"] })`. */
export const geo: PluginFactory<GeoOptions> = definePlugin(
  "geo",
  options({
    databases: z.array(z.string()).readonly().refine((paths) => paths.length > 0, "at least one is needed"),
    deny: options(PLACES).refine(isSome, NONE).optional(),
    only: options({ ...PLACES, unknown: z.enum(["pass", "deny"], "allowed are pass, deny").default("pass") })
      .refine(isSome, NONE).optional(),
    score: z.array(options({ ...PLACES, points: z.number("allowed is a number") }).refine(isSome, NONE))
      .readonly().default([]),
    reply: z.string().regex(/^[ -~]{1,400}$/, "allowed are 1 to 400 printable ASCII characters")
      .default("Mail from your network is not accepted here"),
    onError: z.custom<OnError>().default("pass"),
  }),
  ({ databases, deny, only, score: scores, reply, onError }) => {
    let live: readonly Live<Database>[] = [];
    const refusal = reject("5.7.1", reply, 554);
    const isRefused = (where: GeoFinding) => {
      if (deny !== undefined && isIn(where, deny)) return true;
      if (only === undefined || isIn(where, only)) return false;
      return only.unknown === "deny" || !mayBeIn(where, only);
    };
    return {
      onError,
      judges: "client",
      async setup(setup) {
        const read = (bytes: Uint8Array, path: string) => new Database(bytes, path);
        live = await Promise.all(databases.map((path) => setup.file(path, read)));
      },
      connect({ client }, io) {
        const where = whereIs(client.host, live);
        const what = told(where);
        io.count("geo_clients", { country: where.country ?? "unknown" });
        return [
          found(GEO, where),
          note("client", what),
          ...scores.filter((each) => isIn(where, each)).map(({ points }) => score(points, `from ${what}`)),
          isRefused(where) ? refusal : undefined,
        ];
      },
    };
  },
);

function whereIs(host: string, databases: readonly Live<Database>[]): GeoFinding {
  let [country, as, organization]: [string?, number?, string?] = [];
  const octets = readNetwork(host)?.octets;
  if (octets !== undefined) {
    const address = octets.length === 4 ? octets.join(".") : host;
    for (const { value } of databases) {
      const where = value.find(address);
      country ??= where?.country;
      as ??= where?.as;
      organization ??= where?.organization;
    }
  }
  return { country, as, organization };
}

function isIn({ country, as }: GeoFinding, places: GeoPlaces): boolean {
  return (country !== undefined && places.countries?.includes(country) === true) ||
    (as !== undefined && places.as?.includes(as) === true);
}

/** What decides it is not known. */
function mayBeIn({ country, as }: GeoFinding, places: GeoPlaces): boolean {
  return (country === undefined && places.countries !== undefined) ||
    (as === undefined && places.as !== undefined);
}

/** For people: `DE AS64496`. */
function told({ country, as }: GeoFinding): string {
  return [country, as === undefined ? undefined : `AS${as}`].filter((part) => part !== undefined).join(" ") ||
    "unknown";
}
