/**
 * `sallyport check POLICY`: loads and validates, binds nothing, and prints what would run.
 */
import process from "node:process";
import { loadPolicy } from "./load.ts";

const STAGES = ["connect", "helo", "mail", "rcpt", "data", "message"] as const;

/** Prints the effective settings and the plugins of each stage. @throws SettingsError */
export async function check(path: string): Promise<void> {
  const { settings } = await loadPolicy(path);
  const { plugins, listen, backends, limits, times, reuse, notices, tls, ...rest } = settings;
  const lines = [`${path}: no mistakes found`, ""];
  const show = (name: string, value: unknown) => lines.push(`  ${name.padEnd(20)} ${String(value)}`);
  show("listen", listen.map(({ name }) => name).join(", "));
  show("backends", backends.map(({ name }) => name).join(", ") || "the demo backend");
  show("tls", tls === undefined ? "off" : `${tls.cert} (key hidden)`);
  for (const [name, value] of Object.entries(rest)) {
    show(name, Array.isArray(value) ? value.join(", ") || "none" : value ?? "none");
  }
  for (const [group, values] of Object.entries({ limits, times, reuse })) {
    for (const [name, value] of Object.entries(values)) show(`${group}.${name}`, value);
  }
  lines.push("", "message flow: stream (no plugin needs the message)", "");
  for (const stage of STAGES) {
    const asked = plugins.filter((plugin) => plugin[stage] !== undefined);
    show(
      stage,
      asked.map(({ name, onError }) => `${name} (on error: ${onError})`).join(", ") || "nobody is asked",
    );
  }
  if (notices.length > 0) lines.push("", ...notices.map((notice) => `note: ${notice}`));
  process.stdout.write(lines.join("\n") + "\n");
}
