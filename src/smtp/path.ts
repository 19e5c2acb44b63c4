/**
 * The paths of MAIL and RCPT, `<local-part@domain>`: RFC 5321 §4.1.2, address literals of §4.1.3, limits of
 * §4.5.3.1, UTF-8 of RFC 6531 §3.3. One scan from left to right that looks for nothing ahead of it, so a line
 * made to hurt costs no more than an honest one. Looser than the RFC in two places: a domain label may hold
 * "_" (RFC 5321 §4.1.2 forbids it, reverse-paths in the wild have it), and "::" may stand for one group only
 * (as RFC 4291 §2.2 has it).
 */

/**
 * The address of a MAIL or RCPT command. Its strings hold one character per byte of what the client sent. Frozen: others
 * are shown it, and what the backend is told is written from it.
 */
export interface Path {
  /** What the backend gets between "<" and ">": as written, without its source route; "" for `<>`. */
  readonly mailbox: string;
  /** As written, quotes kept. */
  readonly localPart: string;
  /** As written, an address literal in its brackets; "" for `<>` and `<Postmaster>`. */
  readonly domain: string;
  /** The mailbox holds bytes above 127, so it needs SMTPUTF8 (RFC 6531). */
  readonly utf8: boolean;
}

/** Why something cannot be read: what is wrong and what is allowed, in fixed ASCII words. */
export interface SyntaxFault {
  readonly fault: string;
}

/** A path, and the index after its ">". */
export interface PathRead {
  readonly path: Path;
  readonly end: number;
}

/**
 * Octets; a path counts its brackets and its source route. RFC 5321 §4.5.3.1 asks for at least 64 in a local part
 * and 256 in a path and would rather have no limit: senders that put the recipient into the sender (VERP, SRS) go
 * past 64, and it is the backend that may mind. A label: RFC 1035 §2.3.4.
 */
const LIMIT = { localPart: 255, domain: 255, path: 1024, label: 63 } as const;

const [QUOTE, COMMA, HYPHEN, DOT, COLON, LESS] = [0x22, 0x2c, 0x2d, 0x2e, 0x3a, 0x3c] as const;
const [GREATER, AT, OPEN, BACKSLASH, CLOSE] = [0x3e, 0x40, 0x5b, 0x5c, 0x5d] as const;

const [ATEXT, QTEXT, PRINTABLE, LABEL] = [1, 2, 4, 8] as const;
const [TAG, DCONTENT, DIGIT, HEX] = [16, 32, 64, 128] as const;

/** The character classes a byte is in, as bits. */
const CLASS = classes([
  ["az", ATEXT | LABEL | TAG],
  ["AZ", ATEXT | LABEL | TAG],
  ["09", ATEXT | LABEL | TAG | DIGIT | HEX],
  ["af", HEX],
  ["AF", HEX],
  ["--", LABEL | TAG],
  ["__", LABEL],
  [" ~", PRINTABLE],
  [" !", QTEXT],
  ["#[", QTEXT],
  ["]~", QTEXT],
  ["!Z", DCONTENT],
  ["^~", DCONTENT],
  ..."!#$%&'*+-/=?^_`{|}~".split("").map((sign) => [sign + sign, ATEXT] as const),
]);

/** A table of bits from ranges ("az" is a to z). */
function classes(ranges: readonly (readonly [string, number])[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const [range, bits] of ranges) {
    for (let code = range.charCodeAt(0); code <= range.charCodeAt(1); code++) table[code]! |= bits;
  }
  return table;
}

/** Not in any class: what is no byte, and NaN, which `charCodeAt` gives past the end. */
function isIn(set: number, code: number): boolean {
  return ((CLASS[code] ?? 0) & set) !== 0;
}

// Made once: a flood of bad commands makes no garbage.
const NOT_BRACKETED = fault("the address must stand in angle brackets, as in <local-part@domain>");
const NO_RECIPIENT = fault("a recipient cannot be empty; allowed are <local-part@domain> and <Postmaster>");
const NO_LOCAL_PART = fault('nothing before the "@"; a local part of 1 to 255 octets is needed');
const NO_DOMAIN = fault('no "@" and domain after the local part');
const NOT_CLOSED = fault('no ">" after the domain; a domain may hold letters, digits, hyphens and dots');
const BAD_DOT = fault("a dot begins or ends the local part or follows another; dots may only separate");
const BAD_LOCAL_PART = fault("the local part holds a character that is only allowed in quotes or not at all");
const BAD_QUOTED = fault("the quoted local part is not closed; printable characters are allowed until it is");
const BAD_UTF8 = fault("a byte above 127 that is no well-formed UTF-8");
const BAD_ROUTE = fault('a source route must be @domain, or several with commas, and a ":"');
const NO_LABEL = fault("an empty domain or domain label; letters, digits and hyphens are allowed");
const BAD_HYPHEN = fault("a hyphen begins or ends a domain label; hyphens may only stand within");
const BAD_LITERAL = fault("no address literal; as in [192.0.2.1], [IPv6:2001:db8::1] or [tag:content]");
const LONG_LOCAL_PART = fault(`the local part is too long; ${LIMIT.localPart} octets are allowed`);
const LONG_LABEL = fault(`a domain label is too long; ${LIMIT.label} octets are allowed`);
const LONG_DOMAIN = fault(`the domain is too long; ${LIMIT.domain} octets are allowed`);
const LONG_PATH = fault(`the path is too long; ${LIMIT.path} octets are allowed`);

function fault(text: string): SyntaxFault {
  return { fault: text };
}

/** The index after what was scanned, or why it could not be. */
type Scan = number | SyntaxFault;

const NULL_PATH: Path = Object.freeze({ mailbox: "", localPart: "", domain: "", utf8: false });

/** Reads the path of MAIL, whose "<" is at `at`. */
export function readReversePath(line: string, at: number): PathRead | SyntaxFault {
  if (isEmptyPath(line, at)) return { path: NULL_PATH, end: at + 2 };
  return readPath(line, at);
}

/** Reads the path of RCPT, whose "<" is at `at`; `<Postmaster>` needs no domain (RFC 5321 §4.1.1.3). */
export function readForwardPath(line: string, at: number): PathRead | SyntaxFault {
  if (isEmptyPath(line, at)) return NO_RECIPIENT;
  const end = at + "<Postmaster>".length;
  if (line.charCodeAt(end - 1) === GREATER && line.charCodeAt(at) === LESS) {
    const localPart = line.slice(at + 1, end - 1);
    if (localPart.toLowerCase() === "postmaster") {
      return { path: Object.freeze({ mailbox: localPart, localPart, domain: "", utf8: false }), end };
    }
  }
  return readPath(line, at);
}

function isEmptyPath(line: string, at: number): boolean {
  return line.charCodeAt(at + 1) === GREATER && line.charCodeAt(at) === LESS;
}

function readPath(line: string, at: number): PathRead | SyntaxFault {
  if (line.charCodeAt(at) !== LESS) return NOT_BRACKETED;
  const start = skipRoute(line, at + 1);
  if (typeof start !== "number") return start;
  const sign = scanLocalPart(line, start);
  if (typeof sign !== "number") return sign;
  if (line.charCodeAt(sign) !== AT) return line.charCodeAt(sign) === GREATER ? NO_DOMAIN : BAD_LOCAL_PART;
  const end = line.charCodeAt(sign + 1) === OPEN ? scanLiteral(line, sign + 1) : scanDomain(line, sign + 1);
  if (typeof end !== "number") return end;
  if (line.charCodeAt(end) !== GREATER) return NOT_CLOSED;
  if (end + 1 - at > LIMIT.path) return LONG_PATH;
  const path: Path = Object.freeze({
    mailbox: line.slice(start, end),
    localPart: line.slice(start, sign),
    domain: line.slice(sign + 1, end),
    utf8: holdsHighBytes(line, start, end),
  });
  return { path, end: end + 1 };
}

/** A source route is read and thrown away: "MUST BE accepted, SHOULD be ignored" (RFC 5321 §4.1.2). */
function skipRoute(line: string, at: number): Scan {
  if (line.charCodeAt(at) !== AT) return at;
  for (;;) {
    const end = scanDomain(line, at + 1);
    if (typeof end !== "number") return end;
    if (line.charCodeAt(end) === COLON) return end + 1;
    if (line.charCodeAt(end) !== COMMA || line.charCodeAt(end + 1) !== AT) return BAD_ROUTE;
    at = end + 1;
  }
}

function scanLocalPart(line: string, from: number): Scan {
  const end = line.charCodeAt(from) === QUOTE ? scanQuoted(line, from) : scanDotString(line, from);
  return typeof end === "number" && end - from > LIMIT.localPart ? LONG_LOCAL_PART : end;
}

function scanDotString(line: string, from: number): Scan {
  let at = from;
  let wantsAtom = true;
  while (at < line.length) {
    const code = line.charCodeAt(at);
    if (isIn(ATEXT, code)) at++;
    else if (code === DOT && !wantsAtom) at++;
    else if (code > 127) {
      at = utf8End(line, at);
      if (at < 0) return BAD_UTF8;
    } else break;
    wantsAtom = code === DOT;
  }
  if (!wantsAtom) return at;
  if (at > from || line.charCodeAt(at) === DOT) return BAD_DOT;
  return line.charCodeAt(at) === AT ? NO_LOCAL_PART : BAD_LOCAL_PART;
}

function scanQuoted(line: string, from: number): Scan {
  let at = from + 1;
  while (at < line.length) {
    const code = line.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (isIn(QTEXT, code)) at++;
    else if (code === BACKSLASH && isIn(PRINTABLE, line.charCodeAt(at + 1))) at += 2;
    else if (code > 127) {
      at = utf8End(line, at);
      if (at < 0) return BAD_UTF8;
    } else break;
  }
  return BAD_QUOTED;
}

function scanDomain(line: string, from: number): Scan {
  for (let at = from;;) {
    const end = scanLabel(line, at);
    if (typeof end !== "number") return end;
    if (line.charCodeAt(end) !== DOT) return end - from > LIMIT.domain ? LONG_DOMAIN : end;
    at = end + 1;
  }
}

function scanLabel(line: string, from: number): Scan {
  let at = from;
  let isAscii = true;
  while (at < line.length) {
    const code = line.charCodeAt(at);
    if (isIn(LABEL, code)) at++;
    else if (code > 127) {
      at = utf8End(line, at);
      if (at < 0) return BAD_UTF8;
      isAscii = false;
    } else break;
  }
  if (at === from) return NO_LABEL;
  if (line.charCodeAt(from) === HYPHEN || line.charCodeAt(at - 1) === HYPHEN) return BAD_HYPHEN;
  // The limit of a U-label is that of its A-label (RFC 5890 §4.2), which is not known here.
  return isAscii && at - from > LIMIT.label ? LONG_LABEL : at;
}

function scanLiteral(line: string, from: number): Scan {
  let at = from + 1;
  while (at < line.length && isIn(DCONTENT, line.charCodeAt(at))) at++;
  if (line.charCodeAt(at) !== CLOSE || !isAddressLiteral(line, from + 1, at)) return BAD_LITERAL;
  return at + 1 - from > LIMIT.domain ? LONG_DOMAIN : at + 1;
}

function isAddressLiteral(line: string, from: number, end: number): boolean {
  let at = from;
  while (isIn(TAG, line.charCodeAt(at))) at++;
  if (line.charCodeAt(at) !== COLON) return isIpv4(line, from, end);
  // RFC 5321 §4.1.3 would let "IPv6:junk" through as a general literal; the tag is spoken for.
  if (at - from === 4 && line.slice(from, at).toLowerCase() === "ipv6") return isIpv6(line, at + 1, end);
  return at > from && line.charCodeAt(at - 1) !== HYPHEN && at + 1 < end;
}

function isIpv4(line: string, from: number, end: number): boolean {
  let parts = 1;
  let digits = 0;
  let value = 0;
  for (let at = from; at < end; at++) {
    const code = line.charCodeAt(at);
    if (isIn(DIGIT, code)) {
      value = value * 10 + code - 0x30;
      if (++digits > 3 || value > 255) return false;
    } else {
      if (code !== DOT || digits === 0) return false;
      parts++;
      digits = value = 0;
    }
  }
  return parts === 4 && digits > 0;
}

/** Groups of 1 to 4 hex digits; "::" once, for one or more; IPv4 may take the place of the last two. */
function isIpv6(line: string, from: number, end: number): boolean {
  let gap = line.startsWith("::", from);
  let at = gap ? from + 2 : from;
  let groups = 0;
  while (at < end) {
    const start = at;
    while (isIn(HEX, line.charCodeAt(at))) at++;
    if (line.charCodeAt(at) === DOT) return isIpv4(line, start, end) && isWhole(groups + 2, gap);
    if (at === start || at - start > 4) return false;
    groups++;
    if (at === end) return isWhole(groups, gap);
    if (line.charCodeAt(at++) !== COLON) return false;
    if (line.charCodeAt(at) === COLON) {
      if (gap) return false;
      gap = true;
      at++;
    } else if (at === end) return false;
  }
  return gap && isWhole(groups, gap);
}

function isWhole(groups: number, gap: boolean): boolean {
  return gap ? groups <= 7 : groups === 8;
}

function holdsHighBytes(line: string, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (line.charCodeAt(at) > 127) return true;
  return false;
}

/**
 * The index after the UTF-8 sequence of two to four bytes at `at` (RFC 3629 §4), or -1 for anything else:
 * overlong forms, surrogates and what lies past U+10FFFF are other spellings of a name, and no spelling.
 */
export function utf8End(line: string, at: number): number {
  const lead = line.charCodeAt(at);
  const size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (size === 0) return -1;
  const second = line.charCodeAt(at + 1);
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (!(second >= low && second <= high)) return -1;
  for (let i = 2; i < size; i++) if ((line.charCodeAt(at + i) & 0xffc0) !== 0x80) return -1;
  return at + size;
}
