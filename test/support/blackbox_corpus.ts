// Messages that a careless relay harms: dots, long lines, 8-bit bytes, NUL, no header, no body; and the
// real messages of ../shared/vectors/mime, where they are present.
import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bytesOf, seeded } from "./blackbox_bytes.ts";

/** A message with the claim's name. */
export interface Sample {
  readonly name: string;
  readonly bytes: Buffer;
}

const sample = (name: string, text: string): Sample => ({ name, bytes: bytesOf(text) });
const HEADER = "From: <a@client.example>\r\nSubject: sample\r\n";

function everyByte(): string {
  const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i));
  return bytes.filter((c) => c !== "\r" && c !== "\n").join("");
}

/** Random lines of random bytes, with dots where they hurt. */
export function randomBody(size: number, seed: number): string {
  const random = seeded(seed);
  const alphabet = "abc.. \t\0\x7f\x80\xff=";
  let text = "";
  while (text.length < size) {
    const length = Math.floor(random() ** 3 * 200);
    for (let i = 0; i < length; i++) text += alphabet[Math.floor(random() * alphabet.length)];
    text += "\r\n";
  }
  return text;
}

/** Hand-made messages; all are whole lines, so they can go through DATA. */
export const SAMPLES: readonly Sample[] = [
  sample("empty message", ""),
  sample("one empty line", "\r\n"),
  sample("header only, no empty line", "Subject: x\r\n"),
  sample("header only, empty line", "Subject: x\r\n\r\n"),
  sample("no header", "hello\r\nworld\r\n"),
  sample("no header, a colon in the first line", "hello: world: x\r\nplain\r\n"),
  sample("empty header, body", "\r\nbody\r\n"),
  sample("first line is folded", " folded\r\nSubject: x\r\n\r\nbody\r\n"),
  sample("first line is a dot and a space", ". \r\n\r\nbody\r\n"),
  sample("first line begins with dots", "...\r\n..\r\n.\r\n.a\r\n"),
  sample("mbox From line", "From a@b Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n\r\nFrom here\r\n"),
  sample("lines of dots", `${HEADER}\r\n.\r\n..\r\n...\r\n....\r\n.....\r\n.\r\n.\r\n`),
  sample("dots at both ends of lines", `${HEADER}\r\n.a.\r\na.\r\n.\x20.\r\n. \r\n\t.\r\n`),
  sample("CRLF.CRLF of the message's own", `${HEADER}\r\na\r\n.\r\nMAIL FROM:<x@y>\r\n.\r\n\r\n.\r\n`),
  sample("trailing blanks and empty lines", `${HEADER}\r\na \t \r\n \r\n\t\r\n\r\n\r\n\r\n`),
  sample("every byte but CR and LF", `${HEADER}\r\n${everyByte()}\r\n`),
  sample("NUL in the body", `${HEADER}\r\n\0\r\na\0\0b\r\n\0.\r\n.\0\r\n`),
  sample("Latin-1 header", "Subject: gr\xfc\xdfe\r\n\r\n\xe4\xf6\xfc\r\n"),
  sample("UTF-8 header", "Subject: gr\xc3\xbc\xc3\x9fe \xf0\x9f\x9a\xaa\r\n\r\n\xe2\x82\xac\r\n"),
  sample("broken UTF-8", "Subject: \xc3\x28 \xf0\x9f\r\n\r\n\xff\xfe\xc0\x80\r\n"),
  sample("line of 997", `${HEADER}\r\n${"x".repeat(997)}\r\n`),
  sample("line of 998", `${HEADER}\r\n${"x".repeat(998)}\r\n`),
  sample("line of 999", `${HEADER}\r\n${"x".repeat(999)}\r\n`),
  sample("line of 1000", `${HEADER}\r\n${"x".repeat(1000)}\r\n`),
  sample("line of 1001", `${HEADER}\r\n${"x".repeat(1001)}\r\n`),
  sample("line of 4096", `${HEADER}\r\n${"x".repeat(4096)}\r\n.\r\n`),
  sample("line of 65535", `${HEADER}\r\n${"x".repeat(65535)}\r\n.y\r\n`),
  sample("line of 65536", `${HEADER}\r\n${"x".repeat(65536)}\r\n.y\r\n`),
  sample("line of 100000", `${HEADER}\r\n${"\xe9".repeat(100_000)}\r\n`),
  sample("line of 3000000", `${HEADER}\r\n${"z".repeat(3_000_000)}\r\n`),
  sample("header line of 998", `Subject: ${"x".repeat(989)}\r\n\r\nbody\r\n`),
  sample("folded header of 3000", `Subject: x${`\r\n ${"y".repeat(98)}`.repeat(30)}\r\n\r\nbody\r\n`),
  sample("odd header lines", "Subject : x\r\nno colon here\r\n: empty name\r\nX-Empty:\r\n\r\nbody\r\n"),
  sample(
    "trace fields already there",
    `${"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n".repeat(20)}${HEADER}\r\nx\r\n`,
  ),
  sample(
    "signed header order and spacing",
    "DKIM-Signature: v=1;\r\n\tb=abc\r\n  def\r\nSUBJECT:x\r\nsubject:  y \r\n\r\nbody\r\n",
  ),
  sample("20000 short lines", `${HEADER}\r\n${".\r\na\r\n".repeat(10_000)}`),
  sample("random lines", `${HEADER}\r\n${randomBody(300_000, 7)}`),
];

/** CR, LF and lone CR all become CRLF; a last line without an end gets one. */
export function canonical(bytes: Buffer): Buffer {
  const text = bytes.toString("latin1").replace(/\r\n|\r|\n/g, "\r\n");
  return bytesOf(text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`);
}

/** The real messages, with CRLF line ends; empty where the vectors are absent. */
export function realMessages(): Sample[] {
  const root = fileURLToPath(new URL("../../../shared/vectors/mime", import.meta.url));
  if (!existsSync(root)) return [];
  const names = readdirSync(root, { recursive: true }).map(String).filter((n) => n.endsWith(".eml")).sort();
  return names.map((name) => ({ name, bytes: canonical(readFileSync(join(root, name))) }));
}
