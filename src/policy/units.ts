/**
 * What the numbers among the settings count: what `check` shows behind them, and which must be whole.
 */
import type { Settings } from "./settings.ts";

/** What is counted; `""` for things, which the setting's name says. */
export type Unit = "" | "octets" | "octets/s" | "ms";

type Group = "limits" | "times" | "reuse" | "health" | "deadlines";

/** The units of the groups of settings. */
export const UNITS: { readonly [G in Group]: Readonly<Record<keyof Settings[G], Unit>> } = {
  limits: {
    commandLine: "octets",
    inputBuffer: "octets",
    headerBlock: "octets",
    messageLine: "octets",
    messageSize: "octets",
    recipients: "",
    messages: "",
    errors: "",
    refusedRecipients: "",
    idleCommands: "",
    commandTime: "ms",
    dataTime: "ms",
    handshakeTime: "ms",
    dataRate: "octets/s",
    dataRateGrace: "ms",
  },
  times: {
    connect: "ms",
    greeting: "ms",
    hello: "ms",
    mail: "ms",
    rcpt: "ms",
    data: "ms",
    block: "ms",
    end: "ms",
    rset: "ms",
  },
  reuse: { age: "ms", uses: "", idle: "ms", refusals: "", check: "ms" },
  health: {
    interval: "ms",
    timeout: "ms",
    failures: "",
    successes: "",
    pause: "ms",
    longestPause: "ms",
    slowStart: "ms",
    hedge: "ms",
  },
  deadlines: { connect: "ms", helo: "ms", mail: "ms", rcpt: "ms", data: "ms", message: "ms" },
};

/** The units of the numbers outside of a group. */
export const PLAIN_UNITS: Readonly<Record<"sessions" | "sessionsPerClient" | "drain", Unit>> = {
  sessions: "",
  sessionsPerClient: "",
  drain: "ms",
};

/** What a number means where its name does not say enough. */
export const REMARKS: ReadonlyMap<string, string> = new Map([
  ["reuse.age", "from a backend connection's opening"],
  ["reuse.uses", "transactions on one backend connection"],
  ["reuse.idle", "without a transaction, then a backend connection is closed"],
  ["reuse.refusals", "refused commands on one backend connection"],
  ["reuse.check", "without a transaction, then RSET is asked before the next"],
  ["health.interval", "between two looks at a backend that greeted nobody meanwhile"],
  ["health.timeout", "from the dial of a look to EHLO"],
  ["health.failures", "in a row, then a backend is not asked any more"],
  ["health.successes", "good looks in a row, then it is asked again"],
  ["health.pause", "until the first look at one that is not asked; doubles each time"],
  ["health.longestPause", "at the most between two such looks"],
  ["health.slowStart", "until one that is asked again has its full share"],
  ["health.hedge", "without a greeting, then another backend is dialled beside"],
  ["limits.dataRateGrace", "until limits.dataRate is asked for"],
  ["deadlines.connect", "that all plugins of the stage have together"],
  ["drain", "for running transactions when told to stop"],
]);

/** A number with its unit for people: whole seconds and mebibytes where they are exact. */
export function measured(value: number, unit: Unit): string {
  if (unit === "" || value === Infinity) return String(value);
  if (unit === "ms" && value % 1000 === 0) return `${value / 1000} s`;
  if (unit === "octets" && value % 1_048_576 === 0) return `${value / 1_048_576} MiB`;
  if (unit === "octets" && value % 1024 === 0) return `${value / 1024} KiB`;
  return `${value} ${unit}`;
}
