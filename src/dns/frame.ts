/**
 * The outside of a DNS message (RFC 1035 §4.1): whose answer it is, and where it ends if its lengths add up. All of it
 * is looked at before dns-packet reads an octet: that makes room for as many records as a header claims, and takes four
 * octets for an A record whatever its length says.
 */

const HEADER = 12;

/** Octets of type and class behind a question's name, and of type, class, TTL and length behind a record's. */
const QUESTION_TAIL = 4;
const RECORD_TAIL = 10;

const RESPONSE = 0x80;
const OPCODE = 0x78;

/** RFC 1035 §4.1.1: FORMERR, SERVFAIL, NOTIMP and REFUSED, which may come without the question. */
const BARE_RCODES: readonly number[] = [1, 2, 4, 5];

/**
 * True for an answer to this query: the same id and the same question (RFC 5452 §4.2 and §9.1).
 * @param exact the letters' case must be the same too
 */
export function isReplyTo(reply: Uint8Array, query: Uint8Array, exact: boolean): boolean {
  if (reply.length < HEADER || reply[0] !== query[0] || reply[1] !== query[1]) return false;
  if ((reply[2]! & RESPONSE) === 0 || (reply[2]! & OPCODE) !== 0) return false;
  const questions = reply[4]! << 8 | reply[5]!;
  if (questions === 0) return !exact && reply.length === HEADER && BARE_RCODES.includes(reply[3]! & 15);
  return questions === 1 && sameQuestion(reply, query, exact);
}

function sameQuestion(reply: Uint8Array, query: Uint8Array, exact: boolean): boolean {
  const end = skipName(query, HEADER) + QUESTION_TAIL;
  if (reply.length < end) return false;
  for (let i = HEADER; i < end; i++) {
    const given = reply[i]!;
    const asked = query[i]!;
    // A label's length is below any letter, and so is any type that is asked for: lower-casing cannot touch them.
    if (given !== asked && (exact || lower(given) !== lower(asked))) return false;
  }
  return true;
}

function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}

/** Where the sections end that the header announces; -1 where a length leads past the end of the message. */
export function endOfSections(message: Uint8Array): number {
  if (message.length < HEADER) return -1;
  let at = HEADER;
  for (let left = count(message, 4); left > 0 && at >= 0; left--) at = skipQuestion(message, at);
  let records = count(message, 6) + count(message, 8) + count(message, 10);
  for (; records > 0 && at >= 0; records--) at = skipRecord(message, at);
  return at;
}

function count(message: Uint8Array, at: number): number {
  return message[at]! << 8 | message[at + 1]!;
}

function skipQuestion(message: Uint8Array, at: number): number {
  const end = skipName(message, at);
  return end < 0 || end + QUESTION_TAIL > message.length ? -1 : end + QUESTION_TAIL;
}

function skipRecord(message: Uint8Array, at: number): number {
  const name = skipName(message, at);
  if (name < 0 || name + RECORD_TAIL > message.length) return -1;
  const end = name + RECORD_TAIL + count(message, name + RECORD_TAIL - 2);
  return end > message.length ? -1 : end;
}

/** Where a name ends that begins here; a pointer ends it, and is not followed. */
function skipName(message: Uint8Array, from: number): number {
  for (let at = from; at < message.length;) {
    const length = message[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += length + 1;
  }
  return -1;
}
