/**
 * The report: for people, and for machines.
 */
import { configurationFor } from "./configuration.ts";
import { type Diagnosis, exitCodeOf } from "./examination.ts";
import { type Finding, type Level, type Topic, TOPICS } from "./finding.ts";
import { type Server, SERVER_NAMES } from "./software.ts";

const TITLES: Readonly<Record<Topic, string>> = {
  server: "The server",
  tls: "TLS",
  identity: "Who the client is",
  relay: "For whom it relays",
  recipients: "Whether it knows its recipients",
  "end of data": "Where a message ends",
  extensions: "Whether it does what it offers",
  pace: "Pace and reuse",
  delivery: "What it writes of the client",
};

const SIGNS: Readonly<Record<Level, string>> = {
  good: "✓",
  note: "·",
  warning: "!",
  unknown: "?",
  danger: "✗",
};
const PLAIN_SIGNS: Readonly<Record<Level, string>> = {
  good: "[ok]",
  note: "[--]",
  warning: "[! ]",
  unknown: "[? ]",
  danger: "[XX]",
};
const COLOURS: Readonly<Record<Level, string>> = {
  good: "32",
  note: "2",
  warning: "33",
  unknown: "33",
  danger: "31",
};

/** How it is printed. */
export interface Style {
  /** Signs and colours beyond ASCII. */
  readonly terminal: boolean;
  /** Characters of a line. */
  readonly width: number;
}

/** @param servers whose configuration lines are shown */
export function reportLines(diagnosis: Diagnosis, servers: readonly Server[], style: Style): string[] {
  const { target, seenFrom, findings } = diagnosis;
  const topics = TOPICS.flatMap((topic) => {
    const own = findings.filter((each) => each.topic === topic);
    return own.length === 0 ? [] : ["", TITLES[topic], ...own.flatMap((each) => findingLines(each, style))];
  });
  return [
    `${target}, examined from ${seenFrom}`,
    ...topics,
    ...servers.flatMap((server) => ["", ...configurationLines(server, seenFrom)]),
    "",
    ...summary(findings),
  ];
}

function findingLines({ level, what, seen, advice }: Finding, style: Style): string[] {
  const sign = style.terminal ? `\x1b[${COLOURS[level]}m${SIGNS[level]}\x1b[0m` : PLAIN_SIGNS[level];
  const room = style.terminal ? 4 : 7;
  const indent = " ".repeat(room);
  const [first = "", ...more] = wrapped(what, style.width - room);
  return [
    `  ${sign} ${first}`,
    ...more.map((line) => indent + line),
    ...seen.flatMap((each) =>
      wrapped(each, style.width - room - 4).map((line, at) => `${indent}${at ? "    " : "  "}${line}`)
    ),
    ...(advice === undefined
      ? []
      : wrapped(`-> ${advice}`, style.width - room - 3).map((line, at) =>
        `${indent}${at ? "   " : ""}${line}`
      )),
  ];
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function configurationLines(server: Server, proxy: string): string[] {
  const title = `What to add to ${SERVER_NAMES[server]}, for a proxy at ${proxy}`;
  return [title, ...configurationFor(server, proxy).map((line) => `    ${line}`)];
}

function summary(findings: readonly Finding[]): string[] {
  const of = (level: Level) => findings.filter((each) => each.level === level);
  const [dangers, unknown, warnings] = [of("danger"), of("unknown"), of("warning")];
  const counted = [
    `${dangers.length} endanger${dangers.length === 1 ? "s" : ""} mail`,
    `${unknown.length} could not be told`,
    `${warnings.length} warning${warnings.length === 1 ? "" : "s"}`,
  ];
  return [
    `${findings.length} findings: ${counted.join(", ")}.`,
    ...dangers.map(({ what }) => `  ${what}`),
  ];
}

/** One JSON object. Its names stay from version to version; more may come. */
export function reportJson(diagnosis: Diagnosis, servers: readonly Server[]): string {
  const { target, seenFrom, server, findings } = diagnosis;
  const configuration = Object.fromEntries(servers.map((each) => [each, configurationFor(each, seenFrom)]));
  const whole = {
    target,
    seenFrom,
    server: server ?? null,
    exitCode: exitCodeOf(findings),
    findings: findings.map(({ advice, ...rest }) => ({ ...rest, advice: advice ?? null })),
    configuration,
  };
  return JSON.stringify(whole, undefined, 2);
}
