/**
 * `sallyport doctor HOST:PORT`: examines a backend as the proxy will see it, and says what to change. Exit code 0: nothing
 * endangers mail; 1: something does; 2: it could not be examined, or not in full.
 */
import process from "node:process";
import type { Style } from "../doctor/report.ts";
import type { Command, Given } from "./command.ts";

const EXIT_UNEXAMINED = 2;

/** Prints the report and sets the exit code. */
export async function doctor(target: string, given: Given): Promise<void> {
  // Loaded here: a proxy that serves does not carry it.
  const { examine, exitCodeOf } = await import("../doctor/examination.ts");
  const { CannotExamine } = await import("../doctor/meeting.ts");
  const { wireDial } = await import("../doctor/wire_stream.ts");
  const { network } = await import("../net/mod.ts");
  const { reportJson, reportLines } = await import("../doctor/report.ts");
  const { SERVERS } = await import("../doctor/software.ts");
  const { deliveries, orderOf } = await import("./doctor_order.ts");
  const ordered = orderOf(target, given);
  if ("mistakes" in ordered) return fail(ordered.mistakes);
  const { options, servers, json } = ordered;
  for (const line of deliveries(options)) process.stderr.write(`sallyport: ${line}\n`);
  try {
    const diagnosis = await examine(options, wireDial(await network()));
    const shown = servers ?? (diagnosis.server === undefined ? SERVERS : [diagnosis.server]);
    const text = json ? reportJson(diagnosis, shown) : reportLines(diagnosis, shown, styleOf()).join("\n");
    await written(`${text}\n`);
    process.exitCode = exitCodeOf(diagnosis.findings);
  } catch (cause) {
    if (!(cause instanceof CannotExamine)) throw cause;
    if (json) {
      await written(`${JSON.stringify({ target, exitCode: EXIT_UNEXAMINED, error: cause.message })}\n`);
    }
    fail([cause.message]);
  }
}

function fail(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`sallyport: ${line}\n`);
  process.exitCode = EXIT_UNEXAMINED;
}

/** The program ends right after: a pipe has to have it all by then. */
function written(text: string): Promise<void> {
  return new Promise((done) => process.stdout.write(text, () => done()));
}

function styleOf(): Style {
  const terminal = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  return { terminal, width: Math.min(120, Math.max(60, process.stdout.columns ?? 100)) };
}

export const doctorCommand: Command = {
  name: "doctor",
  words: "HOST:PORT",
  count: [1, 1],
  flags: {
    to: { kind: "text", shown: "ADDRESS" },
    deliver: { kind: "text", shown: "ADDRESS" },
    mailbox: { kind: "text", shown: "PATH" },
    foreign: { kind: "text", shown: "DOMAIN" },
    for: { kind: "text", shown: "SERVER" },
    helo: { kind: "text", shown: "NAME" },
    name: { kind: "text", shown: "NAME" },
    ca: { kind: "text", shown: "FILE" },
    "implicit-tls": { kind: "switch" },
    timeout: { kind: "text", shown: "SECONDS" },
    limit: { kind: "text", shown: "SECONDS" },
    json: { kind: "switch" },
  },
  about: "examine a backend as the proxy would see it, and say what to change there",
  failure: EXIT_UNEXAMINED,
  run: ([target], given) => doctor(target!, given),
};
