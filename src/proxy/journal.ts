/**
 * What the proxy tells about itself: one record a session, one a transaction, and the incidents between.
 * Where records go is the program's business; secrets and message text never get here.
 */
import type { Outcome } from "../policy/observation.ts";
import { latin1, latin1Text } from "../smtp/reply.ts";

/** A record's fields; undefined ones are left out. */
export type Fields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface Log {
  info(event: string, fields: Fields): void;
  warn(event: string, fields: Fields): void;
}

/** What has happened since the start. */
export class Counters {
  sessions = 0;
  transactions = 0;
  delivered = 0;
  /** The end of data was sent and no answer came: the message may or may not be with the backend. */
  ambiguous = 0;
  /** The backend took the message, and the client had gone: it will send it again. */
  unacknowledged = 0;
  /** Transactions by how they ended. */
  readonly outcomes: Record<Outcome, number> = {
    delivered: 0,
    ambiguous: 0,
    deferred: 0,
    rejected: 0,
    reset: 0,
    lost: 0,
  };
}

const ALPHABET = latin1("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
const LENGTH = 10;
const random = new Uint8Array(100 * LENGTH);
let used = random.length;

/** A reference for replies and logs: ten characters without those that look alike, 50 random bits. */
export function newReference(): string {
  if (used === random.length) {
    crypto.getRandomValues(random);
    for (let i = 0; i < random.length; i++) random[i] = ALPHABET[random[i]! & 31]!;
    used = 0;
  }
  used += LENGTH;
  // In one piece: put together letter by letter, each piece would stay in memory with the session.
  return latin1Text(random, used - LENGTH, used);
}

/** Fields whose texts may come from the wire. */
export function visibleFields(fields: Fields): Fields {
  const pairs = Object.entries(fields).map((
    [name, value],
  ) => [name, typeof value === "string" ? visible(value) : value]);
  return Object.fromEntries(pairs);
}

/** Text from the wire as it may stand in a log: one byte per character in, printable out. */
export function visible(text: string): string {
  if (!/[^ -~]/.test(text)) return text;
  return text.replace(
    /[^ -~]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
