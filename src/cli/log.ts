/**
 * Log records as lines on standard output: JSON, or words where a person looks on. Lines are written behind the
 * program's back and in bulk: a reader that stops reading costs lines, which are counted, and never a session.
 */
import { write } from "node:fs";
import process from "node:process";
import type { Fields, Log } from "../proxy/journal.ts";

/** Octets of lines that may wait for a slow reader. */
const BACKLOG = 4 * 1024 * 1024;
/** Milliseconds that lines are collected for. */
const DELAY = 100;

/** Takes some of the octets, as `write` of node:fs does. */
export type Put = (
  bytes: Uint8Array,
  done: (error: { code?: string } | null, written: number) => void,
) => void;

const toStdout: Put = (bytes, done) => write(1, bytes, 0, bytes.length, null, done);

export class LineLog implements Log {
  readonly #pretty: boolean;
  readonly #put: Put;
  #lines = "";
  /** Of `#lines`, in UTF-8. */
  #octets = 0;
  #dropped = 0;
  #writing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(pretty: boolean = process.stdout.isTTY === true, put: Put = toStdout) {
    this.#pretty = pretty;
    this.#put = put;
  }

  info(event: string, fields: Fields): void {
    this.#add("info", event, fields);
  }

  warn(event: string, fields: Fields): void {
    this.#add("warn", event, fields);
  }

  /** Writes what waits; resolves when it is written, or after `limit` milliseconds. */
  async flush(limit = 1_000): Promise<void> {
    const until = performance.now() + limit;
    while ((this.#lines !== "" || this.#writing) && performance.now() < until) {
      this.#write();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #add(level: "info" | "warn", event: string, fields: Fields): void {
    if (this.#octets > BACKLOG) {
      this.#dropped++;
      return;
    }
    const line = this.#line(level, event, fields);
    this.#lines += line;
    this.#octets += Buffer.byteLength(line);
    this.#timer ??= setTimeout(() => this.#write(), DELAY);
  }

  #line(level: "info" | "warn", event: string, fields: Fields): string {
    return this.#pretty ? prettyLine(level, event, fields) : jsonLine(level, event, fields);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing || this.#lines === "") return;
    const dropped = this.#dropped;
    // Told first: what is written first gets through first.
    const told = dropped > 0 ? this.#line("warn", "lines dropped", { count: dropped }) : "";
    const bytes = Buffer.from(told + this.#lines);
    this.#lines = "";
    this.#octets = this.#dropped = 0;
    this.#writing = true;
    this.#putAll(bytes, Buffer.byteLength(told), dropped);
  }

  /** @param told octets at the front that tell of `dropped` lines, until they are written */
  #putAll(bytes: Uint8Array, told: number, dropped: number): void {
    this.#put(bytes, (error, written) => {
      if (error?.code === "EAGAIN") {
        return void setTimeout(() => this.#putAll(bytes, told, dropped), DELAY);
      }
      if (error === null && written < bytes.length) {
        return this.#putAll(bytes.subarray(written), Math.max(0, told - written), dropped);
      }
      if (error !== null) this.#lose(bytes, told, dropped);
      this.#writing = false;
      if (this.#lines !== "") this.#timer ??= setTimeout(() => this.#write(), DELAY);
    });
  }

  /** What could not be written (EPIPE, ENOSPC …) is gone: the next line that can be written says how much. */
  #lose(bytes: Uint8Array, told: number, dropped: number): void {
    this.#dropped += told > 0 ? dropped : 0;
    for (let i = told; i < bytes.length; i++) if (bytes[i] === LINE_FEED) this.#dropped++;
  }
}

const LINE_FEED = 0x0a;

function jsonLine(level: string, event: string, fields: Fields): string {
  const rest = JSON.stringify(fields).slice(1);
  return `{"time":"${timeText()}","level":"${level}","event":"${event}"${rest === "}" ? "" : ","}${rest}\n`;
}

let lastTime = NaN;
let lastText = "";

/** The time as text; many lines share a millisecond. */
function timeText(): string {
  const now = Date.now();
  if (now !== lastTime) {
    lastTime = now;
    lastText = new Date(now).toISOString();
  }
  return lastText;
}

function prettyLine(level: string, event: string, fields: Fields): string {
  let line = `${timeText().slice(11, 23)} ${level === "warn" ? "! " : "  "}${event}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${name}=${Array.isArray(value) ? value.join(",") : String(value)}`;
  }
  return escaped(line) + "\n";
}

/** A terminal obeys control characters, and shows what follows some of the format characters in another order. */
function escaped(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}
