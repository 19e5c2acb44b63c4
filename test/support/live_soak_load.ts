// The soak's clients: each sends a few messages in one way and notes what became of each.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { stuff } from "./blackbox_bytes.ts";
import { code, type Heard, RawClient } from "./blackbox_client.ts";
import { sleep } from "./blackbox_wait.ts";

/** The largest message, in octets. */
const LARGEST = 5_000_000;
const LINE = 80;

/**
 * `acknowledged`: the client read a 2yz to its end of data. `refused`: it read something else. `left`: it left, or
 * lost the connection, after the end of data. `unfinished`: it never came to the end of data.
 */
export type Outcome = "acknowledged" | "refused" | "left" | "unfinished";

/** One message of one client. */
export interface Attempt {
  readonly id: string;
  readonly way: Way;
  readonly size: number;
  readonly sha1: string;
  outcome: Outcome;
  /** The reply that ended it, or how the connection did. */
  heard: string;
  /** `message`: all of the envelope was accepted, octets of the message may be on their way. */
  stage: "envelope" | "message";
  /** Milliseconds, as of `performance.now()`; `ended` is Infinity until it is known what became of it. */
  readonly began: number;
  ended: number;
}

const WAYS = ["plain", "bdat", "pipelined", "slow", "vanishing"] as const;
export type Way = (typeof WAYS)[number];

let serial = 0;
const any = (limit: number) => Math.floor(Math.random() * limit);

/** Text in lines of 80 octets, many of which begin with a dot, some of which are a dot alone. */
const TEXT = Buffer.from(
  Array.from({ length: LARGEST / LINE + 1 }, (_, i) => {
    if (i % 31 === 0) return `.\r\n..\r\n${"b".repeat(LINE - 9)}\r\n`;
    return `${i % 7 === 0 ? "." : "x"}${String(i).padStart(LINE - 3, "text ")}\r\n`;
  }).join(""),
);

/** A message of 1 octet to 5 MB: each size is as likely as its double. */
function compose(largest: number): { id: string; message: Buffer; sha1: string } {
  const id = `m${++serial}`;
  const size = Math.ceil(Math.exp(Math.random() * Math.log(largest)));
  const from = any((LARGEST - size) / LINE) * LINE;
  let body = TEXT.subarray(from, from + size);
  // Not between CR and LF.
  if (body.at(-1) === 13) body = body.subarray(0, -1);
  const message = Buffer.concat([Buffer.from(`X-Soak-Id: ${id}\r\n\r\n`), body, Buffer.from("\r\n")]);
  return { id, message, sha1: createHash("sha1").update(message).digest("hex") };
}

export interface SessionOptions {
  /** Which of them a session may take; all where nothing is said. */
  readonly ways?: readonly Way[];
  /** The largest message, in octets. */
  readonly largest?: number;
}

/** One session with one to four messages; every attempt goes to `note` before it begins. */
export async function session(
  port: number,
  note: (attempt: Attempt) => void,
  { ways = WAYS, largest = LARGEST }: SessionOptions = {},
): Promise<void> {
  const way = ways[any(ways.length)]!;
  let client: RawClient;
  try {
    client = await RawClient.connect(port);
  } catch {
    return;
  }
  try {
    if (!code(await client.hear(60_000)).startsWith("2")) return;
    if (!code(await client.ask("EHLO soak.example", 60_000)).startsWith("2")) return;
    for (let left = 1 + any(4); left > 0 && !client.ended; left--) {
      const { id, message, sha1 } = compose(way === "slow" ? Math.min(20_000, largest) : largest);
      const attempt = begin(id, way, message.length, sha1);
      note(attempt);
      const goes = await SENDERS[way](client, attempt, message);
      attempt.ended = performance.now();
      if (!goes) return;
    }
    if (!client.ended) await client.ask("QUIT", 60_000);
  } finally {
    client.vanish();
  }
}

function begin(id: string, way: Way, size: number, sha1: string): Attempt {
  return {
    id,
    way,
    size,
    sha1,
    outcome: "unfinished",
    heard: "",
    stage: "envelope",
    began: performance.now(),
    ended: Infinity,
  };
}

type Send = (client: RawClient, attempt: Attempt, message: Buffer) => Promise<boolean>;

/** How each way sends one message; false: the session is over. */
const SENDERS: Readonly<Record<Way, Send>> = { plain, bdat, pipelined, slow, vanishing };

const MAIL = "MAIL FROM:<soak@client.example>";
const RCPT = "RCPT TO:<sink@backend.example>";
/** Longer than the proxy waits for a backend that says nothing at all (connect and greeting). */
const PATIENCE = 120_000;

/** MAIL, RCPT (and `more`), one by one. */
async function envelope(client: RawClient, attempt: Attempt, more: readonly string[]): Promise<boolean> {
  for (const line of [MAIL, RCPT, ...more]) {
    const heard = await client.ask(line, PATIENCE);
    attempt.heard = told(heard);
    if (/^[23]/.test(code(heard))) continue;
    return false;
  }
  attempt.stage = "message";
  return true;
}

/** RSET after a refusal; the session goes on where that is answered. */
async function again(client: RawClient): Promise<boolean> {
  return !client.ended && code(await client.ask("RSET", PATIENCE)).startsWith("2");
}

async function plain(client: RawClient, attempt: Attempt, message: Buffer): Promise<boolean> {
  if (!await envelope(client, attempt, ["DATA"])) return await again(client);
  await client.write(stuff(message));
  return await ended(client, attempt);
}

async function slow(client: RawClient, attempt: Attempt, message: Buffer): Promise<boolean> {
  if (!await envelope(client, attempt, ["DATA"])) return await again(client);
  const wire = stuff(message);
  await client.write(wire, { size: Math.max(1, Math.ceil(wire.length / (1 + any(40)))), gap: any(50) });
  return await ended(client, attempt);
}

async function bdat(client: RawClient, attempt: Attempt, message: Buffer): Promise<boolean> {
  if (!await envelope(client, attempt, [])) return await again(client);
  for (let at = 0; at < message.length;) {
    const size = Math.min(message.length - at, 1 + any(chanceOf(5) ? 100 : 1_000_000));
    const last = at + size === message.length;
    await client.write(
      Buffer.concat([Buffer.from(`BDAT ${size}${last ? " LAST" : ""}\r\n`), message.subarray(at, at + size)]),
    );
    at += size;
    if (last) return await ended(client, attempt);
    const heard = await client.hear(PATIENCE);
    attempt.heard = told(heard);
    if (!code(heard).startsWith("2")) return await again(client);
  }
  return true;
}

/** The envelope in one write; now and then NOOP behind the dot. */
async function pipelined(client: RawClient, attempt: Attempt, message: Buffer): Promise<boolean> {
  await client.write(`${MAIL}\r\n${RCPT}\r\nDATA\r\n`);
  const heard = [await client.hear(PATIENCE), await client.hear(PATIENCE), await client.hear(PATIENCE)];
  attempt.heard = told(heard[2]!);
  if (code(heard[2]!) !== "354") {
    attempt.heard = heard.map(told).join(" | ");
    return await again(client);
  }
  attempt.stage = "message";
  const more = chanceOf(30);
  await client.write(Buffer.concat([stuff(message), Buffer.from(more ? "NOOP\r\n" : "")]));
  const goes = await ended(client, attempt);
  return more && goes ? code(await client.hear(PATIENCE)).startsWith("2") : goes;
}

/** Leaves at a point of its choice, with FIN or RST: within the message, or behind it. */
async function vanishing(client: RawClient, attempt: Attempt, message: Buffer): Promise<boolean> {
  const point = any(5);
  const leave = () => (chanceOf(50) ? client.vanish() : client.reset(), false);
  attempt.heard = "left by itself";
  if (point === 0) return leave();
  if (!await envelope(client, attempt, point === 1 ? [] : ["DATA"])) return leave();
  attempt.heard = "left by itself";
  if (point === 1) return leave();
  const wire = stuff(message);
  if (point === 2) {
    await client.write(wire.subarray(0, any(wire.length - 3)));
    return leave();
  }
  attempt.outcome = "left";
  await client.write(wire);
  if (point === 4) await sleep(any(100));
  return leave();
}

/** Reads the reply to the end of data. False: the session is over. */
async function ended(client: RawClient, attempt: Attempt): Promise<boolean> {
  attempt.outcome = "left";
  const heard = await client.hear(700_000);
  attempt.heard = told(heard);
  if (typeof heard === "string") return false;
  attempt.outcome = heard.code.startsWith("2") ? "acknowledged" : "refused";
  return true;
}

function told(heard: Heard): string {
  return typeof heard === "string" ? heard : heard.raw.trimEnd();
}

function chanceOf(percent: number): boolean {
  return Math.random() * 100 < percent;
}
