/**
 * Command lines out of a stream of bytes: the bounded reader in front of both protocol machines.
 * Only CRLF ends a line (RFC 5321 §2.3.8); a bare CR, a bare LF or a NUL is a fault, seen as soon as it is there.
 */
import { latin1Text } from "./reply.ts";

/** What `LineReader.line` may find besides a line. */
export type LineFault = "bare CR" | "bare LF" | "NUL" | "too long";

const CR = 13;
const LF = 10;
const EMPTY = new Uint8Array(0);

/** Unread input. Bytes given to `push` are only copied by `keep`, when the caller's buffer ends its life. */
export class LineReader {
  bytes: Uint8Array = EMPTY;
  /** The first unread byte in `bytes`. */
  at = 0;
  #scanned = 0;
  #owned = true;

  /** How many bytes are unread. */
  get length(): number {
    return this.bytes.length - this.at;
  }

  /** Adds bytes behind the unread ones. */
  push(more: Uint8Array): void {
    if (this.length === 0) {
      this.bytes = more;
      this.at = this.#scanned = 0;
      this.#owned = false;
      return;
    }
    const joined = new Uint8Array(this.length + more.length);
    joined.set(this.bytes.subarray(this.at));
    joined.set(more, this.length);
    this.#scanned -= this.at;
    this.bytes = joined;
    this.at = 0;
    this.#owned = true;
  }

  /** Copies what is unread: to be called before the buffer given to `push` is used again. */
  keep(): void {
    if (this.#owned) return;
    this.#scanned -= this.at;
    this.bytes = this.length === 0 ? EMPTY : this.bytes.slice(this.at);
    this.at = 0;
    this.#owned = true;
  }

  /** Whether the unread bytes start with these letters, in any case. */
  startsWith(letters: string): boolean {
    return latin1Text(this.bytes, this.at, this.at + letters.length).toUpperCase() === letters;
  }

  /** Whether the unread bytes end with these letters, in any case. */
  endsWith(letters: string): boolean {
    const from = this.bytes.length - letters.length;
    return from >= this.at && latin1Text(this.bytes, from, this.bytes.length).toUpperCase() === letters;
  }

  /** Moves the reading position behind bytes that were read by someone else. */
  skipTo(index: number): void {
    this.at = this.#scanned = index;
  }

  /** Drops everything unread. */
  clear(): void {
    this.bytes = EMPTY;
    this.at = this.#scanned = 0;
    this.#owned = true;
  }

  /**
   * Takes the next line off, without its CRLF, one character per byte.
   * @param limit octets a line may have, CRLF included
   * @returns undefined while the line is not complete; a fault leaves the position where it is
   */
  line(limit: number): string | { readonly fault: LineFault } | undefined {
    const { bytes } = this;
    const end = Math.min(bytes.length, this.at + limit);
    for (let i = Math.max(this.#scanned, this.at); i < end; i++) {
      const octet = bytes[i]!;
      if (octet > CR) {
        if (i > this.at && bytes[i - 1] === CR) return { fault: "bare CR" };
        continue;
      }
      if (octet === LF) {
        if (i === this.at || bytes[i - 1] !== CR) return { fault: "bare LF" };
        const text = latin1Text(bytes, this.at, i - 1);
        this.skipTo(i + 1);
        return text;
      }
      if (octet === 0) return { fault: "NUL" };
      if (i > this.at && bytes[i - 1] === CR) return { fault: "bare CR" };
    }
    this.#scanned = end;
    return bytes.length - this.at >= limit ? { fault: "too long" } : undefined;
  }

  /**
   * A whole line that starts at an index, and the index behind it; nothing is taken off.
   * @returns undefined where there is none, or one that `line` would find fault with
   */
  peek(from: number, limit: number): { readonly line: string; readonly end: number } | undefined {
    const { bytes } = this;
    const lf = bytes.indexOf(LF, from);
    if (lf <= from || bytes[lf - 1] !== CR || lf + 1 - from > limit) return undefined;
    for (let i = from; i < lf - 1; i++) if (bytes[i] === CR || bytes[i] === 0) return undefined;
    return { line: latin1Text(bytes, from, lf - 1), end: lf + 1 };
  }

  /** Drops bytes up to and with the next CRLF; false when there is none yet and all was dropped. */
  skipLine(): boolean {
    const { bytes } = this;
    for (let lf = bytes.indexOf(LF, this.at); lf !== -1; lf = bytes.indexOf(LF, lf + 1)) {
      if (lf > this.at && bytes[lf - 1] === CR) {
        this.skipTo(lf + 1);
        return true;
      }
    }
    // A CR at the very end may be the first half of the CRLF.
    const half = this.length > 0 && bytes[bytes.length - 1] === CR;
    this.skipTo(bytes.length - (half ? 1 : 0));
    return false;
  }
}
