/**
 * `sallyport check POLICY`: loads and validates, binds nothing, and prints what would run.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { BACKEND_DEFAULTS } from "../policy/backend_address.ts";
import { Chain } from "../policy/chain.ts";
import { onErrorText } from "../policy/failure.ts";
import type { Step } from "../policy/program.ts";
import type { Plugin } from "../policy/plugin.ts";
import { type Stage, STAGES } from "../policy/stages.ts";
import { SettingsError } from "../policy/policy.ts";
import { setUp } from "../policy/set_up.ts";
import type { BackendAddress, Settings } from "../policy/settings.ts";
import { measured, PLAIN_UNITS, REMARKS, type Unit, UNITS } from "../policy/units.ts";
import { WatchedFiles } from "./files.ts";
import type { Command } from "./command.ts";
import { loadPolicy } from "./load.ts";
import { poolAndRouteLines } from "./routes_report.ts";

/** Prints the effective settings and the plugins of each stage. @throws SettingsError */
export async function check(path: string): Promise<void> {
  const { settings } = await loadPolicy(path);
  await checkPlugins(settings);
  const { storeName } = await import("../store/open.ts");
  const lines = [
    `${path}: no mistakes found`,
    "",
    ...report({ ...settings, store: storeName(settings.store) }),
  ];
  process.stdout.write(lines.join("\n") + "\n");
}

/** What only shows when plugins read their files and the store's address is looked at closely. */
async function checkPlugins({ plugins, store }: Settings): Promise<void> {
  const { storeMistakes } = await import("../store/open.ts");
  const chain = new Chain(plugins);
  const files = new WatchedFiles();
  const { mistakes } = await setUp(chain.plugins, chain.engine, files, false);
  const all = [
    ...[...storeMistakes(store), ...folderMistakes(store)].map((mistake) => `store: ${mistake}`),
    ...mistakes,
  ];
  if (all.length > 0) throw new SettingsError(all);
}

/** A file's folder must be there already. */
function folderMistakes(store: string): string[] {
  const path = /^sqlite:(.+)$/.exec(store)?.[1];
  if (path === undefined || existsSync(dirname(path))) return [];
  return [`${store} was given; allowed is a file in a folder that is there, and ${dirname(path)} is not`];
}

/** What would run, in lines. The store's address is shown as it is: what is secret in it is hidden before. */
export function report(settings: Settings): string[] {
  const chain = new Chain(settings.plugins);
  return [
    ...places(settings),
    ...numbers(settings),
    "",
    `message flow: ${flow(chain)}`,
    "",
    ...STAGES.flatMap((stage) => stageLines(stage, chain.asked(stage))),
    ...apart(chain.plugins.flatMap(optionLines)),
    ...apart(settings.notices.map((notice) => `note: ${notice}`)),
  ];
}

/** A paragraph of its own, if there is anything in it. */
function apart(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ["", ...lines];
}

/** Who is asked at a stage, a line each, in order. */
function stageLines(stage: Stage, steps: readonly Step[]): string[] {
  if (steps.length === 0) return [line(stage, "nobody is asked")];
  return steps.map(({ plugin, within }, i) => {
    const how = [...within, `on error: ${onErrorText(plugin.onError)}`].join(", ");
    return line(i === 0 ? stage : "", `${plugin.name} (${how})`);
  });
}

/** What a plugin was made with, defaults included. */
function optionLines({ name, options }: Plugin): string[] {
  if (typeof options !== "object" || options === null) return [];
  return Object.entries(options).map(([option, value]) => line(`${name}.${option}`, shown(option, value)));
}

const SECRET = /secret|password|passwd|token|credential|apikey/i;

function shown(option: string, value: unknown): string {
  if (SECRET.test(option)) return "(hidden)";
  if (value === undefined) return "not set";
  const text = JSON.stringify(value, (key, inner) => {
    if (SECRET.test(key)) return "(hidden)";
    if (typeof inner === "function") return "(a function)";
    if (typeof inner === "bigint") return String(inner);
    return typeof inner === "string" ? inner.replace(/\/\/[^@/\s]*@/, "//(hidden)@") : inner;
  });
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function places(settings: Settings): string[] {
  const { hostname, listen, backends, balance, whenDown, tls, demo, dial, pipelining } = settings;
  const { bareLineFeeds, relay, store, dns, admin, trusted } = settings;
  return [
    line("hostname", hostname),
    line("listen", listen.map(listenText).join(", ")),
    line("trusted", trusted.join(", ") || "nobody (no PROXY header and no XCLIENT is taken)"),
    line("proxyUnknown", settings.proxyUnknown),
    line("backends", backends.map(backendShown).join(", ") || `the demo backend (Maildir ${demo})`),
    ...poolAndRouteLines(settings).map(([name, says]) => line(name, says)),
    line("balance", balance),
    line("whenDown", whenDown),
    ...tlsLines(tls),
    line("dial", `at ${dial}`),
    line("pipelining", pipelining ? "where a backend offers it" : "off"),
    line("bareLineFeeds", bareLineFeeds),
    line("relay", relay.join(", ") || "none"),
    line("store", store),
    line("dns", dns.map(({ host, port }) => `${host} port ${port}`).join(", ") || "as resolv.conf says"),
    line("admin", admin === undefined ? "off" : `${admin.host} port ${admin.port}`),
  ];
}

/** With what is not the default behind it. */
function backendShown({ name, endpoint: _, ...options }: BackendAddress): string {
  const set = Object.entries(options).filter(([option, value]) =>
    value !== BACKEND_DEFAULTS[option as keyof typeof BACKEND_DEFAULTS]
  ).map(([option, value]) => value === true ? option : `${option}=${shown(option, value)}`);
  return set.length === 0 ? name : `${name} (${set.join(", ")})`;
}

function listenText({ name, tlsRequired }: Settings["listen"][number]): string {
  return tlsRequired === true ? `${name} (nothing before STARTTLS)` : name;
}

function tlsLines(tls: Settings["tls"]): string[] {
  if (tls === undefined) return [line("tls", "off")];
  const { certificates, clientCertificates, clientCa } = tls;
  const names = typeof certificates === "string"
    ? [`the folder ${certificates}`]
    : certificates.map(({ cert }) => `${cert} (key hidden)`);
  const asked = clientCertificates === "off" ? [] : [
    line("tls.clientCertificates", `${clientCertificates}, by ${clientCa ?? "no CA: none is verified"}`),
  ];
  return [...names.map((name, i) => line(i === 0 ? "tls" : "", name)), ...asked];
}

function numbers(settings: Settings): string[] {
  const group = (prefix: string, values: object, units: Readonly<Record<string, Unit>>) =>
    Object.entries(units).map(([name, unit]) => {
      const remark = REMARKS.get(prefix + name);
      const value = measured((values as Record<string, number>)[name]!, unit);
      return line(prefix + name, remark === undefined ? value : `${value} ${remark}`);
    });
  return [
    ...group("", settings, PLAIN_UNITS),
    ...group("limits.", settings.limits, UNITS.limits),
    ...group("times.", settings.times, UNITS.times),
    ...group("reuse.", settings.reuse, UNITS.reuse),
    ...group("health.", settings.health, UNITS.health),
    ...group("deadlines.", settings.deadlines, UNITS.deadlines),
  ];
}

/** No plugin is given the message itself yet, so it always flows; one that judges at its end makes the end wait. */
function flow(chain: Chain): string {
  const judges = chain.asked("message").map(({ plugin }) => plugin.name).join(", ");
  return judges === ""
    ? "stream (straight through; nobody judges at its end)"
    : `stream (straight through; only the end of data waits, for ${judges})`;
}

function line(name: string, value: string): string {
  return `  ${name.padEnd(24)} ${value}`;
}

export const checkCommand: Command = {
  name: "check",
  words: "POLICY",
  count: [1, 1],
  flags: {},
  about: "load and validate a policy, and print what would run",
  run: ([policy]) => check(policy!),
};
