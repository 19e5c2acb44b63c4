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
  isAllowed,
  isPrivateAddress,
  type MailFacts,
  type Plugin,
  type PluginBody,
  type PluginFactory,
  REVERSE,
  reversedAddress,
  type Setup,
} from "sallyport";
import { Health } from "./health.ts";
import { Judge } from "./judge.ts";
import { listable } from "./names.ts";
import { type DnsblOptions, type Given, SCHEMA } from "./options.ts";
import type { AskedZone, Query } from "./question.ts";
import { plainZone, readSites, siteText, type Subject, type Zone } from "./sites.ts";

export type { DnsblOptions } from "./options.ts";
export type { DnsblSite, Subject } from "./sites.ts";

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
    const label = { zone: shown };
    if (!zone.selfTest) return { ...zone, shown, label, health: undefined };
    const key = `${zone.of === "client" ? "address" : "name"} ${zone.zone}`;
    if (!health.has(key)) health.set(key, new Health(zone.zone, shown, zone.of !== "client"));
    return { ...zone, shown, label, health: health.get(key)! };
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
  for (const { health } of zones) if (health !== undefined) health.changed = () => judge.healthChanged();
  const ask = (session: ConnectFacts, about: string, queries: () => readonly Query[], io: Io) =>
    isAllowed(session) ? undefined : judge.judge(session, about, queries, io);
  const about = (subject: Subject) => zones.filter(({ of }) => of === subject);
  const [client, helo, sender, reverse] = [about("client"), about("helo"), about("sender"), about("reverse")];

  const clientQueries = (host: string) => {
    const name = reversedAddress(host);
    if (name === undefined || (given.privateAddresses === "skip" && isPrivateAddress(host))) return [];
    return queriesOf(client, name, host.includes(":") ? "ipv6" : "ipv4");
  };

  const connect = (session: ConnectFacts, io: ConnectIo) => {
    const { host } = session.client;
    return ask(session, host, () => clientQueries(host), io);
  };
  const greeted = (session: HeloFacts, io: Io) => {
    const name = session.findings.get(REVERSE)?.name ?? "";
    const queries = () => [...byName(helo, listable(session.helo)), ...byName(reverse, listable(name))];
    return ask(session, `helo\n${name}\n${session.helo}`, queries, io);
  };
  const mail = (session: MailFacts, io: Io) => {
    const { domain } = session.reversePath;
    const queries = () => byName(sender, listable(domain));
    return session.user === undefined ? ask(session, `mail\n${domain}`, queries, io) : undefined;
  };

  return {
    onError: given.onError,
    judges: "client",
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
