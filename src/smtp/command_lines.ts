/**
 * Command lines as a server takes them (RFC 5321 §2.3.8, §4.5.3.1.4): what is no line is refused before any command is
 * looked for in it, and a line too long is dropped up to its end.
 */
import type { Refusal } from "./commands.ts";
import { type LineFault, LineReader } from "./lines.ts";

/** What stood where a command line should; a fatal one ends the session. */
export interface RefusedLine {
  readonly refusal: Refusal;
  readonly fatal: boolean;
}

/** A line this many times the limit is no command gone wrong. */
const FAR_TOO_LONG = 1024;

export class CommandLines extends LineReader {
  /** Octets dropped so far of a line that was refused as too long. */
  #dropped: number | undefined;

  /**
   * Takes the next command line off, without its CRLF.
   * @param limit octets it may have, CRLF included
   * @returns undefined while it is not complete
   */
  command(limit: number): string | RefusedLine | undefined {
    if (this.#dropped !== undefined) {
      const refused = this.#drop(this.#dropped, limit);
      if (refused !== undefined || this.#dropped !== undefined) return refused;
    }
    if (this.#clientHello()) {
      return fatal([421, "7.0", "TLS was not asked for: use STARTTLS, or a port for implicit TLS"]);
    }
    const line = this.line(limit);
    return line === undefined || typeof line === "string" ? line : this.#refused(line.fault, limit);
  }

  /** Of TLS, where a command should stand. */
  #clientHello(): boolean {
    return this.bytes[this.at] === 0x16 && this.bytes[this.at + 1] === 0x03;
  }

  #refused(fault: LineFault, limit: number): RefusedLine {
    if (fault !== "too long") {
      return fatal([500, "5.2", `Command line holds a ${fault}: only CR LF ends a line`]);
    }
    const refusal: Refusal = [500, "5.2", `Line too long: at most ${limit} octets`];
    // Behind a BDAT whose size was not read, nothing says where the next command starts.
    if (this.startsWith("BDAT")) return fatal(refusal);
    this.#dropped = 0;
    return { refusal, fatal: false };
  }

  #drop(before: number, limit: number): RefusedLine | undefined {
    const unread = this.length;
    const ended = this.skipLine();
    const dropped = before + unread - this.length;
    this.#dropped = ended ? undefined : dropped;
    return dropped > FAR_TOO_LONG * limit ? fatal([421, "5.2", "Line far too long"]) : undefined;
  }
}

function fatal(refusal: Refusal): RefusedLine {
  return { refusal, fatal: true };
}
