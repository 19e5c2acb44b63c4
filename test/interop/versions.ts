/** The names of the senders with their versions, for the report. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { UNPACKED, unpackedMissing, type UnpackedName, unpackedVersion } from "./unpacked.ts";

/** Programs that say their version, and where it stands in what they say. */
const ASKED: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "swaks": ["swaks", "--version"],
  "curl": ["curl", "--version"],
  "msmtp": ["msmtp", "--version"],
  "s-nail": ["s-nail", "-:/", "--version"],
  "Python's smtplib": ["python3", "--version"],
  "Perl's Net::SMTP with bdat": ["perl", "-MNet::SMTP", "-e", "print $Net::SMTP::VERSION"],
  "Postfix": ["/usr/sbin/postconf", "-d", "-h", "mail_version"],
};

/** `curl 7.88.1`; the name alone where there is no version to be had. */
export function senderVersion(name: string): string {
  const version = asked(name) ?? unpacked(name) ?? library(name);
  return version === undefined ? name : `${name} ${version}`;
}

function asked(name: string): string | undefined {
  const [program, ...words] = ASKED[name] ?? [];
  if (program === undefined) return undefined;
  const { stdout } = spawnSync(program, words, { encoding: "utf8", timeout: 10_000 });
  return /\d+(?:\.\d+)+|\d{8}\.\d+/.exec(stdout ?? "")?.[0];
}

function unpacked(name: string): string | undefined {
  const key = name.toLowerCase();
  if (!(key in UNPACKED) || unpackedMissing(key as UnpackedName) !== undefined) return undefined;
  return unpackedVersion(key as UnpackedName);
}

function library(name: string): string | undefined {
  if (name !== "nodemailer") return undefined;
  const { version } = createRequire(import.meta.url)("nodemailer/package.json") as { version: string };
  return version;
}
