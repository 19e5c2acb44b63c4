/**
 * Replies of a backend that is being examined (RFC 5321 §4.2). Looser than `smtp/client`, which ends a connection at the
 * first oddity: here the oddity is the finding. It reads on past replies nobody asked for, and past lines that end in a
 * bare LF; what is no reply at all, or has no end, is a fault, after which nothing is read.
 */
import { latin1Text } from "../smtp/reply.ts";

/** One reply: its code, and the text of each line as it came, one character per octet. */
export interface BackendReply {
  readonly code: number;
  readonly lines: readonly string[];
  /** A line of it ended in LF alone. */
  readonly bareLf: boolean;
}

/** What was read: a reply, or why nothing more can be. */
export type BackendWord = BackendReply | { readonly fault: string };

/** Octets of one reply, and of all that one connection may send. */
const REPLY_LIMIT = 64 * 1024;
const CONNECTION_LIMIT = 1024 * 1024;

export class ReplyReader {
  #unread = "";
  #lines: string[] = [];
  #octets = 0;
  #received = 0;
  #bareLf = false;
  #broken = false;

  /** Takes octets; the replies that are complete now. */
  push(bytes: Uint8Array): BackendWord[] {
    if (this.#broken) return [];
    this.#received += bytes.length;
    this.#unread += latin1Text(bytes);
    const words: BackendWord[] = [];
    for (let end = this.#unread.indexOf("\n"); end !== -1; end = this.#unread.indexOf("\n")) {
      const line = this.#unread.slice(0, end);
      this.#unread = this.#unread.slice(end + 1);
      const word = this.#line(line);
      if (word !== undefined) words.push(word);
      if (this.#broken) return words;
    }
    const endless = this.#endless();
    if (endless !== undefined) words.push(this.#fault(endless));
    return words;
  }

  #line(line: string): BackendWord | undefined {
    const [, code, separator, text = ""] = /^([2-5]\d\d)(?:([ -])(.*))?\r?$/s.exec(line) ?? [];
    if (code === undefined) return this.#fault(`it is no reply: ${line.slice(0, 200)}`);
    const before = this.#lines[0]?.slice(0, 3);
    if (before !== undefined && before !== code) {
      return this.#fault(`a reply with two codes, ${before} and ${code}`);
    }
    this.#bareLf ||= !line.endsWith("\r");
    this.#octets += line.length + 1;
    if (this.#octets > REPLY_LIMIT) return this.#fault(`a reply of more than ${REPLY_LIMIT} octets`);
    this.#lines.push(`${code}${text.replace(/\r$/, "")}`);
    return separator === "-" ? undefined : this.#whole(Number(code));
  }

  #whole(code: number): BackendReply {
    const reply = { code, lines: this.#lines.map((line) => line.slice(3)), bareLf: this.#bareLf };
    this.#lines = [];
    this.#octets = 0;
    this.#bareLf = false;
    return reply;
  }

  #endless(): string | undefined {
    if (this.#unread.length > REPLY_LIMIT) return `a line of more than ${REPLY_LIMIT} octets`;
    return this.#received > CONNECTION_LIMIT ? `more than ${CONNECTION_LIMIT} octets of replies` : undefined;
  }

  #fault(fault: string): BackendWord {
    this.#broken = true;
    this.#unread = "";
    return { fault };
  }
}
