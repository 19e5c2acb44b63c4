/**
 * What `sallyport doctor` was asked to do: its options, read and checked.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { FALSE_ENDS } from "../doctor/end_of_data_forms.ts";
import type { Place } from "../doctor/door.ts";
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

/** The options, with what is wrong with them gathered on the way. */
class Options {
  readonly mistakes: string[] = [];
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  text(name: string): string | undefined {
    return this.#given[name] as string | undefined;
  }

  is(name: string): boolean {
    return this.#given[name] === true;
  }

  /** @param allowed in words */
  checked(name: string, isGood: (value: string) => boolean, allowed: string): string | undefined {
    const value = this.text(name);
    if (value !== undefined && !isGood(value)) this.mistakes.push(cannot(`--${name}`, value, allowed));
    return value;
  }
}

/** Reads the words and options of the command. */
export function orderOf(target: string, given: Given): Ordered | { readonly mistakes: readonly string[] } {
  const options = new Options(given);
  const server = options.checked("for", isServer, `${SERVERS.join(", ")} or all`);
  const order: Ordered = {
    options: {
      place: placeOf(target, options),
      foreign: options.checked("foreign", isDomain, "a domain") ?? "example.com",
      to: options.checked("to", isMailbox, MAILBOX),
      deliver: options.checked("deliver", isMailbox, MAILBOX),
      mailbox: mailboxOf(options),
      patience: { reply: secondsOf("timeout", "10", options), total: secondsOf("limit", "300", options) },
    },
    servers: server === undefined ? undefined : server === "all" ? SERVERS : [server as Server],
    json: options.is("json"),
  };
  return options.mistakes.length > 0 ? { mistakes: options.mistakes } : order;
}

function placeOf(target: string, options: Options): Place {
  const address = backendAddress(target);
  const endpoint = address !== undefined && "port" in address.endpoint ? address.endpoint : undefined;
  // LMTP answers the end of data once for each recipient: none of what is examined would read that.
  if (endpoint === undefined || address?.lmtp === true) {
    options.mistakes.push(
      cannot(
        "HOST:PORT",
        target,
        "host:port or [IPv6]:port, with smtps:// before it for TLS first; not LMTP",
      ),
    );
  }
  const { host, port } = endpoint ?? { host: "", port: 0 };
  return {
    endpoint: { host, port },
    shown: target,
    name: options.checked("name", isDomain, "a host name") ?? host,
    helo: options.checked("helo", isDomain, "a host name") ?? ownName(),
    implicitTls: options.is("implicit-tls") || address?.tls === "implicit",
    ca: authorities(options),
  };
}

function mailboxOf(options: Options): string | undefined {
  const isGood = (path: string) => mailboxFault(path) === undefined;
  const allowed = "a Maildir, an mbox file, or a path in a folder that is there";
  const mailbox = options.checked("mailbox", isGood, allowed);
  if (mailbox !== undefined && options.text("deliver") === undefined) {
    options.mistakes.push(
      "Cannot read --mailbox: nothing is sent there; --deliver ADDRESS is needed with it",
    );
  }
  return mailbox;
}

/** Milliseconds. */
function secondsOf(name: string, otherwise: string, options: Options): number {
  return Number(options.checked(name, isSeconds, SECONDS) ?? otherwise) * 1000;
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

function authorities(options: Options): string | undefined {
  const path = options.text("ca");
  if (path === undefined) return undefined;
  try {
    const pem = readFileSync(path, "utf8");
    if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
    options.mistakes.push(cannot("--ca", path, "a file of certificates, PEM"));
  } catch (cause) {
    options.mistakes.push(`Cannot read --ca ${path}: ${(cause as { code?: string }).code ?? cause}`);
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
