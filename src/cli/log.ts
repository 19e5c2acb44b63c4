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

export class LineLog implements Log {
  readonly #pretty: boolean;
  #lines = "";
  #dropped = 0;
  #writing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(pretty: boolean = process.stdout.isTTY === true) {
    this.#pretty = pretty;
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
    if (this.#lines.length > BACKLOG) {
      this.#dropped++;
      return;
    }
    this.#lines += this.#pretty ? prettyLine(level, event, fields) : jsonLine(level, event, fields);
    this.#timer ??= setTimeout(() => this.#write(), DELAY);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing || this.#lines === "") return;
    let lines = this.#lines;
    this.#lines = "";
    if (this.#dropped > 0) {
      lines += this.#pretty
        ? `  ${this.#dropped} lines dropped\n`
        : jsonLine("warn", "lines dropped", { count: this.#dropped });
      this.#dropped = 0;
    }
    this.#writing = true;
    this.#put(Buffer.from(lines), 0);
  }

  #put(bytes: Uint8Array, from: number): void {
    write(1, bytes, from, bytes.length - from, null, (error, written) => {
      if (error?.code === "EAGAIN") return void setTimeout(() => this.#put(bytes, from), DELAY);
      if (error === null && from + written < bytes.length) return this.#put(bytes, from + written);
      this.#writing = false;
      if (this.#lines !== "") this.#timer ??= setTimeout(() => this.#write(), DELAY);
    });
  }
}

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
  return line + "\n";
}
