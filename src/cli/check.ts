/**
 * `sallyport check POLICY`: loads and validates, binds nothing, and prints what would run.
 */
import process from "node:process";
import { Chain } from "../policy/chain.ts";
import { onErrorText } from "../policy/failure.ts";
import type { Step } from "../policy/program.ts";
import { STAGES } from "../policy/stages.ts";
import type { Settings } from "../policy/settings.ts";
import { measured, PLAIN_UNITS, REMARKS, type Unit, UNITS } from "../policy/units.ts";
import { loadPolicy } from "./load.ts";

/** Prints the effective settings and the plugins of each stage. @throws SettingsError */
export async function check(path: string): Promise<void> {
  const { settings } = await loadPolicy(path);
  const lines = [`${path}: no mistakes found`, "", ...report(settings)];
  process.stdout.write(lines.join("\n") + "\n");
}

/** What would run, in lines. */
export function report(settings: Settings): string[] {
  const chain = new Chain(settings.plugins);
  return [
    ...places(settings),
    ...numbers(settings),
    "",
    `message flow: ${flow(chain)}`,
    "",
    ...STAGES.map((stage) => {
      return line(stage, chain.asked(stage).map(asked).join(", ") || "nobody is asked");
    }),
    ...(settings.notices.length > 0 ? [""] : []),
    ...settings.notices.map((notice) => `note: ${notice}`),
  ];
}

function asked({ plugin, within }: Step): string {
  return `${plugin.name} (${[...within, `on error: ${onErrorText(plugin.onError)}`].join(", ")})`;
}

function places({ hostname, listen, backends, tls, demo, dial, bareLineFeeds, relay }: Settings): string[] {
  return [
    line("hostname", hostname),
    line("listen", listen.map(({ name }) => name).join(", ")),
    line("backends", backends.map(({ name }) => name).join(", ") || `the demo backend (Maildir ${demo})`),
    line("tls", tls === undefined ? "off" : `${tls.cert} (key hidden)`),
    line("dial", `at ${dial}`),
    line("bareLineFeeds", bareLineFeeds),
    line("relay", relay.join(", ") || "none"),
  ];
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
