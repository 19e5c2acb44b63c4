/**
 * DNS lists of clients, names and domains (RFC 5782): all zones are asked at once, what each says is weighed, and the
 * sum decides. A zone that fails, is late, or is no list does not count, and is told of.
 */
import {
  type ConnectFacts,
  type ConnectIo,
  definePlugin,
  type HeloFacts,
  type Io,
  type MailFacts,
  type OnError,
  type Opinion,
  type Plugin,
  type PluginBody,
  type PluginFactory,
  readNetwork,
  REVERSE,
  type Setup,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { Health } from "./health.ts";
import { Judge } from "./judge.ts";
import { listable, PRIVATE, reversed } from "./names.ts";
import type { AskedZone, Query } from "./question.ts";
import {
  type DnsblSite,
  plainZone,
  readSites,
  siteText,
  type Subject,
  SUBJECTS,
  type Zone,
} from "./sites.ts";

export type { DnsblSite, Subject } from "./sites.ts";

/** What `dnsbl` can be told. */
export interface DnsblOptions {
  /** In postscreen's syntax, `"bl.example=127.0.0.[2..11]*3 wl.example*-2"`, or as objects. */
  readonly sites: string | readonly DnsblSite[];
  /** What lists are asked about that do not say themselves: the client's address, `"client"`. */
  readonly of?: Subject | undefined;
  /** `"verdict"`: refuses by the sum (default). `"score"`: adds it to the score, for `threshold` to judge. */
  readonly mode?: "verdict" | "score" | undefined;
  /** Refuses with 5yz from this sum on; 1. */
  readonly threshold?: number | undefined;
  /** Refuses with 4yz from this sum on; off. */
  readonly defer?: number | undefined;
  /** Leaves the finding `ALLOWED` up to this sum, which is below 0; off. */
  readonly allowThreshold?: number | undefined;
  /** Milliseconds that a list may take; 2,000, so that the stage's 5 s are not used up. */
  readonly timeout?: number | undefined;
  /** Milliseconds that the reason for a refusal may take besides; 1,000. 0: none is asked for. */
  readonly reasonTimeout?: number | undefined;
  /** Whether addresses that mean another host everywhere (RFC 1918 and the like) are asked about; `"skip"`. */
  readonly privateAddresses?: "skip" | "check" | undefined;
  /** False: zones are used without their test entries; true. */
  readonly selfTest?: boolean | undefined;
  /** By zone: what clients, logs and metrics are told instead, where the zone holds a key. */
  readonly zoneNames?: Readonly<Record<string, string>> | undefined;
  /** Default `"pass"`: what the DNS does is no failure of this plugin, and anything else is a fault of its own. */
  readonly onError?: OnError | undefined;
}

const milliseconds = (from: number) => {
  const allowed = `allowed is a whole number of milliseconds from ${from} to 60000`;
  return z.int(allowed).min(from, allowed).max(60_000, allowed);
};
const yesOrNo = z.boolean("allowed is true or false");
const subject = z.enum(SUBJECTS, `allowed are ${SUBJECTS.join(", ")}`);
const above0 = z.number("allowed is a number above 0").positive("allowed is a number above 0");
const below0 = z.number("allowed is a number below 0").negative("allowed is a number below 0");
const SITES = 'allowed is text as in "bl.example=127.0.0.[2..11]*3 wl.example*-2", or a list of objects';
const NAME = "allowed are 1 to 100 printable ASCII characters, no spaces";

const SCHEMA = options({
  sites: z.union([
    z.string(),
    z.array(options({
      zone: z.string("allowed is a domain name"),
      filter: z.string('allowed is text as in "127.0.0.[2..11]"').optional(),
      weight: z.number("allowed is a number, as in 3 or -2").optional(),
      of: subject.optional(),
      timeout: milliseconds(1).optional(),
      selfTest: yesOrNo.optional(),
    })).readonly(),
  ], SITES),
  of: subject.default("client"),
  mode: z.enum(["verdict", "score"], "allowed are verdict, score").default("verdict"),
  threshold: above0.default(1),
  defer: above0.optional(),
  allowThreshold: below0.optional(),
  timeout: milliseconds(1).default(2_000),
  reasonTimeout: milliseconds(0).default(1_000),
  privateAddresses: z.enum(["skip", "check"], "allowed are skip and check").default("skip"),
  selfTest: yesOrNo.default(true),
  zoneNames: z.record(z.string(), z.string(NAME).regex(/^[!-~]{1,100}$/, NAME)).default({}),
  onError: z.custom<OnError>().default("pass"),
});

type Given = z.output<typeof SCHEMA>;

const make = definePlugin("dnsbl", SCHEMA, (given): PluginBody => {
  const { zones, mistakes } = zonesOf(given);
  if (mistakes.length === 0) return body(given, zones);
  const broken: Pick<Plugin, "onError" | "mistakes"> = { onError: given.onError, mistakes };
  return broken;
});

/** Asks DNS lists about the client, its names and its senders. */
export const dnsbl: PluginFactory<DnsblOptions> = (given: DnsblOptions): Plugin => {
  const plugin = make(given);
  return plugin.options === undefined ? plugin : { ...plugin, options: hidden(plugin.options as Given) };
};

/** The options without the keys that zones may hold: `check` prints them. */
function hidden(given: Given): object {
  const { zones, mistakes } = zonesOf(given);
  const { zoneNames: _, ...rest } = given;
  return mistakes.length > 0 ? {} : { ...rest, sites: zones.map((zone) => siteText(zone, zone.shown)) };
}

function zonesOf(given: Given): { readonly zones: AskedZone[]; readonly mistakes: readonly string[] } {
  const { zones, mistakes } = readSites(given.sites, given);
  const names = new Map(Object.entries(given.zoneNames).map(([zone, name]) => [plainZone(zone), name]));
  const health = new Map<string, Health>();
  const asked = zones.map((zone): AskedZone => {
    const shown = names.get(zone.zone) ?? zone.zone;
    if (!zone.selfTest) return { ...zone, shown, health: undefined };
    const key = `${zone.of === "client" ? "address" : "name"} ${zone.zone}`;
    if (!health.has(key)) health.set(key, new Health(zone.zone, shown, zone.of !== "client"));
    return { ...zone, shown, health: health.get(key)! };
  });
  return { zones: asked, mistakes: [...mistakes, ...strangers(given, zones), ...thresholds(given)] };
}

/** A name for a zone that is not there may be one that was to hide a key. */
function strangers({ zoneNames }: Given, zones: readonly Zone[]): string[] {
  return Object.keys(zoneNames).filter((name) => !zones.some(({ zone }) => zone === plainZone(name)))
    .map((name) => `options.zoneNames: ${JSON.stringify(name)} was given; allowed are the zones of sites`);
}

function thresholds({ threshold, defer }: Given): string[] {
  if (defer === undefined || defer < threshold) return [];
  return [`options.defer: ${defer} was given; allowed is less than threshold (${threshold})`];
}

/** Milliseconds between two tests of a zone that is sound, and of one that is not or may not be. */
const RETEST = 3_600_000;
const RETEST_SOON = 300_000;

/** Only the stages at which a list is asked have a handler. */
function body(given: Given, zones: readonly AskedZone[]): PluginBody {
  const judge = new Judge(given);
  const ask = (session: ConnectFacts, queries: readonly Query[], io: Io): Opinion | Promise<Opinion> =>
    queries.length === 0 ? undefined : judge.judge(session, queries, io);
  const about = (subject: Subject) => zones.filter(({ of }) => of === subject);
  const [client, helo, sender, reverse] = [about("client"), about("helo"), about("sender"), about("reverse")];

  const connect = (session: ConnectFacts, io: ConnectIo) => {
    const { host } = session.client;
    const octets = given.privateAddresses === "check" || !PRIVATE.has(host)
      ? readNetwork(host)?.octets
      : undefined;
    if (octets === undefined) return undefined;
    return ask(session, queriesOf(client, reversed(octets), octets.length === 4 ? "ipv4" : "ipv6"), io);
  };
  const greeted = (session: HeloFacts, io: Io) =>
    ask(session, [
      ...byName(helo, listable(session.helo)),
      ...byName(reverse, listable(session.findings.get(REVERSE)?.name ?? "")),
    ], io);
  const mail = (session: MailFacts, io: Io) =>
    ask(session, byName(sender, listable(session.reversePath.domain)), io);

  return {
    onError: given.onError,
    ...(client.length > 0 && { connect }),
    ...(helo.length + reverse.length > 0 && { helo: greeted }),
    ...(sender.length > 0 && { mail }),
    setup: (setup) => testNowAndThen(setup, zones, given.timeout),
  };
}

function queriesOf(zones: readonly AskedZone[], name: string, kind: Query["kind"]): Query[] {
  return zones.map((zone) => ({ zone, name, kind }));
}

function byName(zones: readonly AskedZone[], name: string | undefined): Query[] {
  return name === undefined ? [] : queriesOf(zones, name, "name");
}

function testNowAndThen({ io, every }: Setup, zones: readonly AskedZone[], patience: number): void {
  const all = [...new Set(zones.flatMap(({ health }) => health ?? []))];
  if (all.length === 0) return;
  let due = 0;
  every(RETEST_SOON, async () => {
    const whole = io.now() >= due;
    if (whole) due = io.now() + RETEST;
    const tested = whole ? all : all.filter(({ inDoubt }) => inDoubt);
    await Promise.all(tested.map((health) => health.test(io, patience)));
  });
}
