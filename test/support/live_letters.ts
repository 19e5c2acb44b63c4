// What the senders of the live tests send.
import { Buffer } from "node:buffer";
import process from "node:process";
import { bytesOf } from "./blackbox_bytes.ts";

/** An envelope and a message. */
export interface Letter {
  /** Part of the sender's address and of the message, and of no other letter's. */
  readonly token: string;
  readonly from: string;
  readonly to: readonly string[];
  /** With CRLF line ends, as it is to be read; dots are the sender's business. */
  readonly content: Buffer;
  readonly dsn?: Dsn;
}

/** Parameters of RFC 3461, as they stand in MAIL and RCPT; ORCPT is `rfc822;` and the recipient. */
export interface Dsn {
  readonly ret: "FULL" | "HDRS";
  readonly envid: string;
  readonly notify: readonly ("SUCCESS" | "FAILURE" | "DELAY")[];
}

let serial = 0;

export interface LetterOptions {
  readonly to?: readonly string[];
  /** UTF-8 octets, CRLF line ends. */
  readonly body?: Buffer;
  readonly subject?: string;
  /** The sender's local part gets this before its token. */
  readonly sender?: string;
  readonly dsn?: Dsn;
}

/** A letter with all the fields that a sender might otherwise add. */
export function letter(options: LetterOptions = {}): Letter {
  // No token is the beginning of another.
  const token = `t${process.pid}x${++serial}z`;
  const to = options.to ?? ["you@live.example"];
  const from = `${options.sender ?? ""}${token}@client.example`;
  const fields = [
    `From: ${from}`,
    `To: ${to.length > 5 ? "list@live.example" : to.join(", ")}`,
    `Subject: ${options.subject ?? "A letter"}`,
    "Date: Sun, 22 Nov 2026 12:00:00 +0000",
    `Message-ID: <${token}@client.example>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
  ];
  const head = Buffer.from(`${fields.join("\r\n")}\r\n\r\n`);
  const content = Buffer.concat([head, options.body ?? bytesOf("Hello.\r\n")]);
  return { token, from, to, content, ...(options.dsn === undefined ? {} : { dsn: options.dsn }) };
}

/** Lines that a careless program would stuff, unstuff, fold, join or end at. */
export function difficultBody(): Buffer {
  const lines = [
    ".",
    "..",
    "...",
    ".a line with a dot before it",
    "a line with a dot after it.",
    "",
    "",
    "From the first word on, this is what mbox escapes",
    "QUIT",
    "RSET",
    " . ",
    "\t",
    "trailing blanks  ",
    "x".repeat(78),
    "y".repeat(998),
    `.${"d".repeat(997)}`,
    "z".repeat(5000),
    `${".".repeat(3000)}`,
    "last",
    ".",
  ];
  return bytesOf(lines.map((line) => `${line}\r\n`).join(""));
}

/** Octets above 127 that are no UTF-8 among them. */
export function eightBitBody(): Buffer {
  const high = Buffer.from(Array.from({ length: 128 }, (_, i) => 128 + i));
  return Buffer.concat([Buffer.from("Grüße aus Köln, 日本語\r\n"), high, bytesOf("\r\n.\xe9\r\n")]);
}

/** So many octets of text in lines. */
export function longBody(octets: number): Buffer {
  return bytesOf(
    `${"The quick brown fox jumps over the lazy dog. 0123456789\r\n".repeat(Math.ceil(octets / 57))}`,
  );
}
