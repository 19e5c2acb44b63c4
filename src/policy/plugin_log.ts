/**
 * The log as a plugin sees it.
 */
import type { LogFields, PluginLog } from "./effects.ts";
import type { Engine } from "./engine.ts";
import type { Plugin } from "./plugin.ts";

/** Lines with the plugin's name and, within a session, its reference. */
export function pluginLog(engine: Engine, { name }: Plugin, id?: string): PluginLog {
  const line = (level: "info" | "warn") => (text: string, fields: LogFields = {}) =>
    engine.log(level, "plugin", { ...(id === undefined ? {} : { id }), plugin: name, text, ...fields });
  return { info: line("info"), warn: line("warn") };
}
