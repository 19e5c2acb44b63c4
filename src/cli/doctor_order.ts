/**
 * What `sallyport doctor` was asked to do: its options, read and checked.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { FALSE_ENDS } from "../doctor/end_of_data_forms.ts";
import type { ExaminationOptions } from "../doctor/examination.ts";
import { MARK } from "../doctor/letter.ts";
import { mailboxFault } from "../doctor/mailbox.ts";
import { type Server, SERVERS } from "../doctor/software.ts";
import { isDomain } from "../policy/address.ts";
import { backendAddress } from "../policy/backend_address.ts";
import { readForwardPath } from "../smtp/path.ts";
import type { Given } from "./command.ts";

const MOST_SECONDS = 3600;

export interface Ordered {
  readonly options: ExaminationOptions;
  /** Whose configuration lines are wanted; undefined: those of the server that is found. */
  readonly servers: readonly Server[] | undefined;
  readonly json: boolean;
}

/** Reads the words and options of the command. */
export function orderOf(target: string, given: Given): Ordered | { readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const text = (name: string) => given[name] as string | undefined;
  const checked = (name: string, isGood: (value: string) => boolean, allowed: string) => {
    const value = text(name);
    if (value !== undefined && !isGood(value)) mistakes.push(cannot(`--${name}`, value, allowed));
    return value;
  };
  const address = /^(unix|fd|lmtp|smtps|tls):/.test(target) ? undefined : backendAddress(target);
  if (address === undefined) mistakes.push(cannot("HOST:PORT", target, "host:port or [IPv6]:port"));
  const host = address !== undefined && "host" in address.endpoint ? address.endpoint.host : "";
  const mailbox = checked(
    "mailbox",
    (path) => mailboxFault(path) === undefined,
    "a Maildir, an mbox file, or a path in a folder that is there",
  );
  const server = checked("for", isServer, `${SERVERS.join(", ")} or all`);
  const order: Ordered = {
    options: {
      place: {
        endpoint: address?.endpoint ?? { host: "", port: 0 },
        shown: target,
        name: checked("name", isDomain, "a host name") ?? host,
        helo: checked("helo", isDomain, "a host name") ?? ownName(),
        implicitTls: given["implicit-tls"] === true,
        ca: authorities(text("ca"), mistakes),
      },
      foreign: checked("foreign", isDomain, "a domain") ?? "example.com",
      to: checked("to", isMailbox, MAILBOX),
      deliver: checked("deliver", isMailbox, MAILBOX),
      mailbox,
      patience: {
        reply: seconds(checked("timeout", isSeconds, SECONDS) ?? "10"),
        total: seconds(checked("limit", isSeconds, SECONDS) ?? "300"),
      },
    },
    servers: server === undefined ? undefined : server === "all" ? SERVERS : [server as Server],
    json: given.json === true,
  };
  if (mailbox !== undefined && text("deliver") === undefined) {
    mistakes.push("Cannot read --mailbox: nothing is sent there; --deliver ADDRESS is needed with it");
  }
  return mistakes.length > 0 ? { mistakes } : order;
}

function cannot(name: string, value: string, allowed: string): string {
  return `Cannot take ${name}: ${JSON.stringify(value)} was given; allowed is ${allowed}`;
}

const MAILBOX = "user@domain, without spaces";
const SECONDS = `1 to ${MOST_SECONDS} seconds`;

function isServer(value: string): boolean {
  return value === "all" || (SERVERS as readonly string[]).includes(value);
}

function isMailbox(value: string): boolean {
  const line = `<${value}>`;
  if (!/^[!-~]+$/.test(value)) return false;
  const read = readForwardPath(line, 0);
  return "path" in read && read.end === line.length && read.path.domain !== "";
}

function isSeconds(value: string): boolean {
  return /^\d{1,4}$/.test(value) && Number(value) >= 1 && Number(value) <= MOST_SECONDS;
}

function seconds(value: string): number {
  return Number(value) * 1000;
}

function authorities(path: string | undefined, mistakes: string[]): string | undefined {
  if (path === undefined) return undefined;
  try {
    const pem = readFileSync(path, "utf8");
    if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
    mistakes.push(cannot("--ca", path, "a file of certificates, PEM"));
  } catch (cause) {
    mistakes.push(`Cannot read --ca ${path}: ${(cause as { code?: string }).code ?? cause}`);
  }
  return undefined;
}

/** What a machine calls itself may be no host name. */
function ownName(): string {
  const own = hostname();
  return isDomain(own) ? own : "sallyport.invalid";
}

/** What will be in somebody's mailbox afterwards. */
export function deliveries({ to, deliver }: ExaminationOptions): string[] {
  const lines: string[] = [];
  if (to !== undefined) {
    lines.push(
      `one message "${MARK}: ..." will be delivered to ${to}, and up to ${FALSE_ENDS.length} more where it can be ` +
        "smuggled through",
    );
  }
  if (deliver !== undefined) {
    lines.push(
      `one message "${MARK}: from ..." will be delivered to ${deliver} for each way of naming the client, 4 at most`,
    );
  }
  return lines;
}
