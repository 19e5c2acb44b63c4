// The senders of the live tests that are programs of their own: each turns a letter into SMTP in its own way.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, type Finished, run } from "./live_children.ts";
import type { Letter } from "./live_letters.ts";
import { NET_SMTP, SMTPLIB } from "./live_scripts.ts";

export type Security = "plain" | "starttls" | "implicit";

/** Where a letter goes. */
export interface Target {
  readonly port: number;
  readonly security: Security;
  /** The certificate that the server must show (PEM file); its names are `localhost` and the proxy's. */
  readonly ca?: string;
}

/** What the sender says became of a letter. */
export interface Report {
  /** Every recipient was accepted, and the message. */
  readonly ok: boolean;
  /** All it printed or noted, replies of the server among it. */
  readonly said: string;
}

/**
 * `eight`: octets above 127 go out as they are. `exact`: the message goes out octet for octet.
 * `partial`: goes on with the recipients that were accepted. `bdat`: uses BDAT where it is offered.
 */
export type Ability =
  | "eight"
  | "exact"
  | "utf8"
  | "partial"
  | "dsn"
  | "bdat"
  | "starttls"
  | "implicit";

export interface Sender {
  readonly name: string;
  /** Why it cannot be used here. */
  readonly missing?: string | undefined;
  readonly can: ReadonlySet<Ability>;
  send(letter: Letter, target: Target): Promise<Report>;
}

function absent(program: string, debian = program): string | undefined {
  return findProgram(program) === undefined ? `Debian package ${debian} is not installed` : undefined;
}

/** @param refusal how a refused recipient looks in its output, where the exit code does not tell of one among others */
function report({ status, stdout, stderr }: Finished, refusal?: RegExp): Report {
  const said = `${stdout}\n${stderr}`;
  return { ok: status === 0 && refusal?.test(said) !== true, said };
}

/** Hands a file with the message to `work`. */
async function withFile<T>(content: Uint8Array, work: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-letter-"));
  const path = join(folder, "letter");
  writeFileSync(path, content);
  try {
    return await work(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const host = ({ security }: Target) => security === "plain" ? "127.0.0.1" : "localhost";

export const curl: Sender = {
  name: "curl",
  missing: absent("curl"),
  can: new Set(["eight", "exact", "utf8", "partial", "starttls", "implicit"]),
  send: (letter, target) =>
    withFile(letter.content, async (path) => {
      const { port, security, ca } = target;
      const scheme = security === "implicit" ? "smtps" : "smtp";
      return report(
        await run([
          "curl",
          "-sSv",
          "--url",
          `${scheme}://${host(target)}:${port}/client.example`,
          ...(security === "starttls" ? ["--ssl-reqd"] : []),
          ...(ca === undefined ? [] : ["--cacert", ca]),
          "--mail-from",
          letter.from,
          ...letter.to.flatMap((to) => ["--mail-rcpt", to]),
          "--mail-rcpt-allowfails",
          "-T",
          path,
        ]),
        /^< [45]\d\d /m,
      );
    }),
};

/** Its TLS is a Perl module of its own. */
export async function swaksTls(): Promise<string | undefined> {
  const { status } = await run(["perl", "-MNet::SSLeay", "-e", "1"]);
  return status === 0 ? undefined : "Debian package libnet-ssleay-perl is not installed";
}

const SWAKS_REFUSAL = /^<\*\* /m;

export const swaks: Sender = {
  name: "swaks",
  missing: absent("swaks"),
  // It adds an empty line to the end.
  can: new Set(["eight", "partial", "starttls", "implicit"]),
  send: (letter, target) =>
    withFile(letter.content, async (path) => {
      const { port, security, ca } = target;
      return report(
        await run([
          "swaks",
          "--server",
          `${host(target)}:${port}`,
          "--helo",
          "client.example",
          "--from",
          letter.from,
          "--to",
          letter.to.join(","),
          "--data",
          `@${path}`,
          "--timeout",
          "15",
          ...(security === "plain"
            ? []
            : [security === "starttls" ? "--tls" : "--tls-on-connect", "--tls-verify"]),
          ...(ca === undefined ? [] : ["--tls-ca-path", ca]),
        ]),
        SWAKS_REFUSAL,
      );
    }),
};

export const swaksPipelining: Sender = {
  ...swaks,
  name: "swaks --pipeline",
  can: new Set(["eight", "partial"]),
  send: (letter, target) =>
    withFile(letter.content, async (path) => {
      const words = [
        "--pipeline",
        "--helo",
        "client.example",
        "--from",
        letter.from,
        "--to",
        letter.to.join(","),
      ];
      return report(
        await run(["swaks", "--server", `127.0.0.1:${target.port}`, ...words, "--data", `@${path}`]),
        SWAKS_REFUSAL,
      );
    }),
};

export const msmtp: Sender = {
  name: "msmtp",
  missing: absent("msmtp"),
  can: new Set(["eight", "exact", "dsn", "starttls", "implicit"]),
  send: async (letter, target) => {
    const { port, security, ca } = target;
    const words = [
      "msmtp",
      "--file=/dev/null",
      "--debug",
      `--host=${host(target)}`,
      `--port=${port}`,
      "--domain=client.example",
      `--from=${letter.from}`,
      "--set-from-header=off",
      "--set-date-header=off",
      "--set-msgid-header=off",
      `--tls=${security === "plain" ? "off" : "on"}`,
      `--tls-starttls=${security === "starttls" ? "on" : "off"}`,
      ...(ca === undefined ? [] : [`--tls-trust-file=${ca}`]),
      ...(letter.dsn === undefined ? [] : [
        `--dsn-return=${letter.dsn.ret === "FULL" ? "full" : "headers"}`,
        `--dsn-notify=${letter.dsn.notify.join(",").toLowerCase()}`,
      ]),
      "--",
      ...letter.to,
    ];
    return report(await run(words, { input: unixForm(letter.content) }));
  },
};

/** A program that reads mail from a pipe wants the line ends of its system. */
export function unixForm(content: Uint8Array): Uint8Array {
  return content.filter((octet) => octet !== 13);
}

export const snail: Sender = {
  name: "s-nail",
  missing: absent("s-nail"),
  // It writes a message of its own around the text it is given.
  can: new Set(["eight", "starttls", "implicit"]),
  send: async (letter, target) => {
    const { port, security, ca } = target;
    const body = letter.content.subarray(letter.content.indexOf("\r\n\r\n") + 4);
    const settings = [
      "v15-compat=yes",
      `mta=${security === "implicit" ? "smtps" : "smtp"}://${host(target)}:${port}`,
      "smtp-auth=none",
      "hostname=client.example",
      "mime-encoding=8b",
      "sendwait",
      `from=${letter.from}`,
      ...(security === "starttls" ? ["smtp-use-starttls"] : []),
      ...(ca === undefined ? [] : ["tls-verify=strict", `tls-ca-file=${ca}`]),
    ];
    const words = ["s-nail", "-:/", "-vv", ...settings.flatMap((setting) => ["-S", setting])];
    return report(
      await run([...words, "-r", letter.from, "-s", letter.token, ...letter.to], {
        input: unixForm(body),
      }),
    );
  },
};

/** Runs a script that reads one JSON object and prints one. */
function scripted(command: readonly string[], letter: Letter, target: Target): Promise<Finished> {
  const { content, ...envelope } = letter;
  const order = { ...envelope, ...target, host: host(target), content: content.toString("base64") };
  return run(command, { input: JSON.stringify(order) });
}

export const smtplib: Sender = {
  name: "Python's smtplib",
  missing: absent("python3"),
  can: new Set(["eight", "exact", "utf8", "partial", "dsn", "starttls", "implicit"]),
  send: async (letter, target) => report(await scripted(["python3", "-c", SMTPLIB], letter, target)),
};

export const netSmtp: Sender = {
  name: "Perl's Net::SMTP with bdat",
  missing: absent("perl"),
  can: new Set(["eight", "exact", "dsn", "bdat", "partial"]),
  send: async (letter, target) => report(await scripted(["perl", "-e", NET_SMTP], letter, target)),
};
