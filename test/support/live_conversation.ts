// Reads a recorded SMTP connection back: commands with their replies, and whole transactions.
// Written for this suite alone, so that a mistake in src is not repeated here.
import { Buffer } from "node:buffer";
import { unstuff } from "./blackbox_bytes.ts";

/** A command (without CRLF, latin-1) with its reply (all lines, joined by LF). */
export interface Exchange {
  readonly line: string;
  readonly reply: string;
  /** Octets that followed it: the message after DATA as it was meant (dots taken off), a chunk after BDAT. */
  readonly content?: Buffer;
  /** The reply after the message of DATA. */
  readonly end?: string;
}

/** One MAIL and all that belongs to it. */
export class Transaction {
  readonly hello: string;
  readonly exchanges: readonly Exchange[];

  constructor(hello: string, exchanges: readonly Exchange[]) {
    this.hello = hello;
    this.exchanges = exchanges;
  }

  get mail(): Exchange {
    return this.exchanges[0]!;
  }

  get recipients(): readonly Exchange[] {
    return this.exchanges.filter(({ line }) => /^RCPT /i.test(line));
  }

  /** `DATA` or `BDAT`, or undefined where the message was never begun. */
  get verb(): string | undefined {
    return this.exchanges.find(({ content }) => content !== undefined)?.line.slice(0, 4).toUpperCase();
  }

  /** The message as the receiver understands it. */
  get content(): Buffer {
    return Buffer.concat(this.exchanges.map(({ content }) => content ?? Buffer.alloc(0)));
  }

  /** The reply to the end of the message, or to what came last. */
  get outcome(): string {
    const last = this.exchanges.at(-1)!;
    return last.end ?? last.reply;
  }

  names(token: string): boolean {
    return this.exchanges.some(({ line, content }) =>
      line.includes(token) || content?.includes(token) === true
    );
  }
}

interface Recorded {
  readonly client: readonly Buffer[];
  readonly server: readonly Buffer[];
}

/** Every command of a connection up to STARTTLS; the first has no line, and the greeting as its reply. */
export function exchanges(recorded: Recorded): Exchange[] {
  const replies = readReplies(Buffer.concat(recorded.server).toString("latin1"));
  const said = Buffer.concat(recorded.client);
  const list: Exchange[] = [];
  const greeting = replies.shift();
  if (greeting === undefined) return list;
  list.push({ line: "", reply: greeting });
  for (let at = 0; at < said.length;) {
    const end = said.indexOf("\r\n", at);
    if (end === -1) break;
    const line = said.toString("latin1", at, end);
    at = end + 2;
    const chunk = /^BDAT (\d+)/i.exec(line);
    const size = Number(chunk?.[1] ?? 0);
    const reply = replies.shift() ?? "";
    if (chunk !== null) {
      list.push({ line, reply, content: said.subarray(at, at + size) });
      at += size;
    } else if (/^DATA$/i.test(line) && reply.startsWith("354")) {
      // From the CRLF of the DATA line on, so that a message of a lone dot is found too.
      const dot = said.indexOf("\r\n.\r\n", at - 2);
      if (dot === -1) break;
      list.push({ line, reply, content: unstuff(said.subarray(at, dot + 5)), end: replies.shift() ?? "" });
      at = dot + 5;
    } else list.push({ line, reply });
    if (/^STARTTLS$/i.test(line)) break;
  }
  return list;
}

function readReplies(text: string): string[] {
  const lines = text.split("\r\n").slice(0, -1);
  const replies: string[] = [];
  let reply: string[] = [];
  for (const line of lines) {
    if (!/^\d{3}[ -]?/.test(line)) break;
    reply.push(line);
    if (line[3] === "-") continue;
    replies.push(reply.join("\n"));
    reply = [];
  }
  return replies;
}

/** The transactions of a connection. */
export function transactions(recorded: Recorded): Transaction[] {
  const list: Transaction[] = [];
  let hello = "";
  let open: Exchange[] | undefined;
  const over = () => {
    if (open !== undefined) list.push(new Transaction(hello, open));
    open = undefined;
  };
  for (const exchange of exchanges(recorded)) {
    const verb = /^[A-Za-z]*/.exec(exchange.line)![0].toUpperCase();
    if (verb === "MAIL") {
      over();
      open = [exchange];
    } else if (["RCPT", "DATA", "BDAT"].includes(verb)) open?.push(exchange);
    else {
      over();
      if (verb === "EHLO" || verb === "HELO") hello = exchange.line;
    }
  }
  over();
  return list;
}

/**
 * A reply without what may differ from run to run (a queue id, the message's size with its trace fields) and
 * without the words of those that the proxy gives in the receiver's place: to a chunk that is not the last, to
 * DATA where no recipient was accepted, and to what comes out of order.
 */
export function masked(reply: string): string {
  return reply
    .replace(/(?:: \d+ bytes)? queued as [0-9A-Za-z]+/, " queued as ID")
    .replace(/^250 2\.0\.0 (?:Ok: \d+ bytes|\d+ octets received)$/, "250 2.0.0 (chunk)")
    .replace(/^503 5\.5\.1 .*$/, "503 5.5.1 (out of order)")
    .replace(
      /^554 5\.5\.1 (?:Error: no valid recipients|No valid recipients \[ref \w+\])$/,
      "554 5.5.1 (no recipients)",
    );
}
