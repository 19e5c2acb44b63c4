/**
 * The lists to ask, as an operator writes them: postscreen's `zone[=filter][*weight]` with commas or spaces between, or
 * objects. Entries of one zone are one question.
 */
import type { Pattern } from "./answers.ts";
import { readFilter } from "./filter.ts";

/** What a list is asked about. */
export const SUBJECTS = ["client", "helo", "sender", "reverse"] as const;

export type Subject = typeof SUBJECTS[number];

/** One entry, as an object. */
export interface DnsblSite {
  /** The domain under which the list answers. */
  readonly zone: string;
  /** Answers that count, as in `127.0.0.[2..11]`; all in 127.0.0.0/8 that can be a listing unless given. */
  readonly filter?: string | undefined;
  /** Added to the score; 1. Negative: who is listed is welcome. */
  readonly weight?: number | undefined;
  /** What it is asked about; the plugin's `of` unless given. */
  readonly of?: Subject | undefined;
  /** Milliseconds it may take; the plugin's `timeout` unless given. */
  readonly timeout?: number | undefined;
  /** False: it is used without its test entries (RFC 5782 §5). The plugin's `selfTest` unless given. */
  readonly selfTest?: boolean | undefined;
}

/** Answers that are meant, as they were written. */
interface WrittenPattern extends Pattern {
  readonly text: string;
}

/** One question and what its answers mean. */
export interface Zone {
  readonly zone: string;
  readonly of: Subject;
  readonly patterns: readonly WrittenPattern[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly selfTest: boolean;
}

/** What an entry that does not say otherwise has. */
export interface SiteDefaults {
  readonly of: Subject;
  readonly timeout: number;
  readonly selfTest: boolean;
}

interface Entry extends DnsblSite {
  /** Where a mistake is. */
  readonly place: string;
}

/** The zones in order of their first entries, and what is wrong, a line each. */
export function readSites(
  sites: string | readonly DnsblSite[],
  defaults: SiteDefaults,
): { readonly zones: readonly Zone[]; readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const zones = new Map<string, Building>();
  for (const entry of typeof sites === "string" ? entriesOf(sites, mistakes) : objects(sites)) {
    const mistake = addEntry(zones, entry, defaults);
    if (mistake !== undefined) mistakes.push(`${entry.place}: ${mistake}`);
  }
  if (zones.size === 0 && mistakes.length === 0) {
    mistakes.push(
      'options.sites: no list was given; allowed is one or more, as in "bl.example=127.0.0.[2..11]*3"',
    );
  }
  return { zones: [...zones.values()], mistakes };
}

function objects(sites: readonly DnsblSite[]): Entry[] {
  return sites.map((site, i) => {
    const words = JSON.stringify(site.filter === undefined ? site.zone : `${site.zone}=${site.filter}`);
    return { ...site, place: `options.sites[${i}]: ${words}` };
  });
}

/** A zone's name up to `=`, a filter up to `*`, a weight. */
const ENTRY = /^([^=*]*)(?:=([^*]*))?(?:\*(.*))?$/;
const WEIGHT = /^-?\d{1,6}(\.\d{1,6})?$/;

function entriesOf(text: string, mistakes: string[]): Entry[] {
  return text.split(/[\s,]+/).filter((word) => word !== "").flatMap((word) => {
    const place = `options.sites: ${JSON.stringify(word)}`;
    const [, zone = "", filter, weight] = ENTRY.exec(word)!;
    if (weight === undefined) return [{ place, zone, filter }];
    if (WEIGHT.test(weight)) return [{ place, zone, filter, weight: Number(weight) }];
    mistakes.push(`${place}: weight ${JSON.stringify(weight)} was given; allowed is a number, as in 3 or -2`);
    return [];
  });
}

interface Building {
  readonly zone: string;
  readonly of: Subject;
  readonly patterns: WrittenPattern[];
  timeout: number;
  selfTest: boolean;
}

/** Room is left for the longest name before it: 32 nibbles with their dots. */
const ZONE =
  /^(?=.{1,189}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Adds an entry to its zone, or says what is wrong with it. */
function addEntry(zones: Map<string, Building>, entry: Entry, defaults: SiteDefaults): string | undefined {
  const { filter = "", weight = 1, of = defaults.of } = entry;
  const zone = plainZone(entry.zone);
  if (!ZONE.test(zone)) return `zone ${JSON.stringify(entry.zone)} was given; allowed is a domain name`;
  if (weight < 0 && (of === "helo" || of === "sender")) {
    return `weight ${weight} was given for ${of}, which anybody can claim to be; allowed is 0 and more`;
  }
  // What was meant to stand there may be a variable that is not set: it would be all answers that count.
  if (entry.filter === "") return 'nothing was given as the filter; allowed is one, or no "=" before it';
  const read = filter === "" ? undefined : readFilter(filter);
  if (typeof read === "string") return read;
  const key = `${of} ${zone}`;
  let building = zones.get(key);
  if (building === undefined) {
    const { timeout, selfTest } = { ...defaults, ...given(entry) };
    zones.set(key, building = { zone, of, patterns: [], timeout, selfTest });
  } else Object.assign(building, given(entry));
  if (building.patterns.some(({ text }) => text === filter)) {
    return "it was given before; allowed is once, or with another filter";
  }
  building.patterns.push({ filter: read, weight, text: filter });
  return undefined;
}

/** A zone's entries as an operator would write them, under another name. */
export function siteText({ of, patterns }: Zone, name: string): string {
  const entries = patterns.map(({ text, weight }) => `${name}${text && `=${text}`}*${weight}`).join(" ");
  return of === "client" ? entries : `${entries} (${of})`;
}

/** A zone in its one spelling. */
export function plainZone(zone: string): string {
  return zone.toLowerCase().replace(/\.$/, "");
}

function given({ timeout, selfTest }: Entry): { timeout?: number; selfTest?: boolean } {
  return {
    ...(timeout === undefined ? {} : { timeout }),
    ...(selfTest === undefined ? {} : { selfTest }),
  };
}
