/**
 * The parameters after the path of MAIL and RCPT: their form (RFC 5321 §4.1.2), and what the value of each one
 * may be. Values are checked, never changed: what passes goes to the backend as written. A parameter is legal
 * only where its extension was offered (RFC 5321 §4.1.1.11). RFC 1870 SIZE; 6152, 3030 BODY; 6531 SMTPUTF8;
 * 3461 RET, ENVID, NOTIFY, ORCPT; 6533 ORCPT in UTF-8; 4954 AUTH; 8689 REQUIRETLS; 2852 BY; 4865 HOLDFOR,
 * HOLDUNTIL; 6710 MT-PRIORITY; 7293 RRVS.
 */
import type { Extensions } from "./extensions.ts";
import type { SyntaxFault } from "./path.ts";
import { utf8End } from "./path.ts";
import { decodeXtext } from "./xtext.ts";

/** One parameter of MAIL or RCPT, one character per byte of what the client sent. */
export interface Parameter {
  /** In upper case. */
  readonly keyword: string;
  /** As written, never empty; undefined without a "=". */
  readonly value: string | undefined;
}

/** The parameters of one command, in their order; frozen, as paths are. */
export interface ParametersRead {
  readonly list: readonly Parameter[];
}

/** Why a parameter is refused. */
export interface ParameterFault {
  readonly code: 501 | 555;
  /** With its class: "5.5.4". */
  readonly enhanced: string;
  readonly text: string;
}

const [SPACE, PLUS, HYPHEN, EQUALS, BACKSLASH, DELETE] = [0x20, 0x2b, 0x2d, 0x3d, 0x5c, 0x7f] as const;

const NONE: ParametersRead = { list: Object.freeze([]) };
const NO_SPACE: SyntaxFault = { fault: 'text follows the ">"; a space must stand before a parameter' };
const BAD_KEYWORD: SyntaxFault = {
  fault: "a parameter has no name; letters, digits and hyphens are allowed",
};
const BAD_END: SyntaxFault = {
  fault: "a parameter holds a character that is not allowed; its form is NAME or NAME=value",
};
const NO_VALUE: SyntaxFault = {
  fault: 'a parameter has no value after its "="; printable characters are allowed',
};

/** Whether MAIL announced a message that is octets, not lines (RFC 3030 §3). */
export function asksBinary(parameters: readonly Parameter[]): boolean {
  return parameters.some(({ keyword, value }) => keyword === "BODY" && value?.toUpperCase() === "BINARYMIME");
}

/** Whether MAIL asked that the message travel under verified TLS only (RFC 8689 §3). */
export function asksTls(parameters: readonly Parameter[]): boolean {
  return parameters.some(({ keyword }) => keyword === "REQUIRETLS");
}

/** Whether MAIL announced addresses or header fields in UTF-8 (RFC 6531 §3.4). */
export function asksUtf8(parameters: readonly Parameter[]): boolean {
  return parameters.some(({ keyword }) => keyword === "SMTPUTF8");
}

/**
 * Reads what follows a path: nothing, or parameters each after a space. Several spaces, and spaces at the
 * end, are taken as well: nothing else can be meant by them.
 */
export function readParameters(line: string, at: number): ParametersRead | SyntaxFault {
  if (at >= line.length) return NONE;
  if (line.charCodeAt(at) !== SPACE) return NO_SPACE;
  const list: Parameter[] = [];
  for (;;) {
    while (line.charCodeAt(at) === SPACE) at++;
    if (at >= line.length) return { list: Object.freeze(list) };
    const keywordEnd = scanKeyword(line, at);
    if (keywordEnd === at) return BAD_KEYWORD;
    const keyword = line.slice(at, keywordEnd).toUpperCase();
    at = keywordEnd;
    let value: string | undefined;
    if (line.charCodeAt(at) === EQUALS) {
      const end = scanValue(line, ++at);
      if (end === at) return NO_VALUE;
      value = line.slice(at, end);
      at = end;
    }
    if (at < line.length && line.charCodeAt(at) !== SPACE) return BAD_END;
    list.push(Object.freeze({ keyword, value }));
  }
}

function scanKeyword(line: string, at: number): number {
  if (line.charCodeAt(at) === HYPHEN) return at;
  for (;; at++) {
    const code = line.charCodeAt(at);
    const letter = code | 0x20;
    if (!(letter >= 0x61 && letter <= 0x7a) && !(code >= 0x30 && code <= 0x39) && code !== HYPHEN) return at;
  }
}

/** Bytes above 127 are part of a value (RFC 6531 §3.3); which parameters may hold them is judged later. */
function scanValue(line: string, at: number): number {
  for (;; at++) {
    const code = line.charCodeAt(at);
    if (!(code > SPACE) || code === EQUALS || code === DELETE) return at;
  }
}

/** What one parameter needs. A value is "" where none was given. */
interface Rule {
  readonly isOffered: (offered: Extensions, value: string) => boolean;
  /** In words, for the client. */
  readonly allowed: string;
  readonly isValid: (value: string, offered: Extensions) => boolean;
}

function rule(
  extension: string | Rule["isOffered"],
  allowed: string,
  isValid: RegExp | Rule["isValid"],
): Rule {
  return {
    isOffered: typeof extension === "string" ? (offered) => offered.has(extension) : extension,
    allowed,
    isValid: typeof isValid === "function" ? isValid : (value) => isValid.test(value),
  };
}

// Patterns are anchored, and none of their parts can match what the next one does: no backtracking.
const BY = /^([-+]?)(\d{1,9});([NR])T?$/i;
const DATE_TIME = /^\d{4}-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|[-+](\d\d):(\d\d))$/i;
const A_DATE = "a date and time as in 2030-01-31T12:00:00Z";

const MAIL_RULES: ReadonlyMap<string, Rule> = new Map([
  ["SIZE", rule("SIZE", "1 to 20 digits", /^\d{1,20}$/)],
  ["BODY", rule(isBodyOffered, "7BIT, 8BITMIME or BINARYMIME", /^(?:7BIT|8BITMIME|BINARYMIME)$/i)],
  ["SMTPUTF8", rule("SMTPUTF8", "none", /^$/)],
  ["RET", rule("DSN", "FULL or HDRS", /^(?:FULL|HDRS)$/i)],
  ["ENVID", rule("DSN", "xtext of 1 to 100 printable ASCII characters", isEnvelopeId)],
  ["AUTH", rule("AUTH", "a mailbox in xtext, or <>", isAuth)],
  ["REQUIRETLS", rule("REQUIRETLS", "none", /^$/)],
  ["BY", rule("DELIVERBY", "1 to 9 digits of seconds, ;N or (above 0) ;R, then T or nothing", isDeliverBy)],
  ["HOLDFOR", rule("FUTURERELEASE", "seconds from 1 to 999999999", /^[1-9]\d{0,8}$/)],
  ["HOLDUNTIL", rule("FUTURERELEASE", A_DATE, (value) => /Z$/i.test(value) && isDateTime(value))],
  ["MT-PRIORITY", rule("MT-PRIORITY", "a whole number from -9 to 9", /^(?:0|-?[1-9])$/)],
]);

const RCPT_RULES: ReadonlyMap<string, Rule> = new Map([
  ["NOTIFY", rule("DSN", "NEVER, or SUCCESS, FAILURE and DELAY once each, with commas", isNotify)],
  [
    "ORCPT",
    rule("DSN", "a type, a semicolon and the address in xtext, 500 characters in all", isOriginalRecipient),
  ],
  [
    "RRVS",
    rule("RRVS", `${A_DATE}, then ;C or ;R or nothing`, (value) => isDateTime(value.replace(/;[CR]$/i, ""))),
  ],
]);

/** Judges the parameters of MAIL by what was offered to this client; undefined where all may stand. */
export function checkMailParameters(
  list: readonly Parameter[],
  offered: Extensions,
): ParameterFault | undefined {
  if (list.length === 0) return undefined;
  return check(list, MAIL_RULES, offered) ?? checkHold(list);
}

/** Judges the parameters of RCPT by what was offered to this client; undefined where all may stand. */
export function checkRcptParameters(
  list: readonly Parameter[],
  offered: Extensions,
): ParameterFault | undefined {
  return list.length === 0 ? undefined : check(list, RCPT_RULES, offered);
}

function check(
  list: readonly Parameter[],
  rules: ReadonlyMap<string, Rule>,
  offered: Extensions,
): ParameterFault | undefined {
  for (let i = 0; i < list.length; i++) {
    const { keyword, value = "" } = list[i]!;
    const known = rules.get(keyword);
    if (!known?.isOffered(offered, value)) {
      return refusal(555, keyword, "it belongs to no extension that was offered");
    }
    // Linear although it looks back: a repeat ends it, so the list so far is no longer than the rules.
    if (isGiven(list, i, keyword)) return refusal(501, keyword, "it was given before, and is allowed once");
    if (!known.isValid(value, offered)) {
      return refusal(501, keyword, `its value is wrong; allowed: ${known.allowed}`);
    }
  }
  return undefined;
}

function isGiven(list: readonly Parameter[], before: number, keyword: string): boolean {
  for (let i = 0; i < before; i++) if (list[i]!.keyword === keyword) return true;
  return false;
}

/** Names the keyword, cut so that the reply stays one line of 512 octets (RFC 5321 §4.5.3.1.5). */
function refusal(code: ParameterFault["code"], keyword: string, why: string): ParameterFault {
  const name = keyword.length <= 64 ? keyword : `${keyword.slice(0, 64)}...`;
  return { code, enhanced: "5.5.4", text: `Cannot take the parameter ${name}: ${why}` };
}

/** RFC 4865 §4.2: two ways to say one thing, and a MAIL with both must be refused. */
function checkHold(list: readonly Parameter[]): ParameterFault | undefined {
  if (!isGiven(list, list.length, "HOLDFOR") || !isGiven(list, list.length, "HOLDUNTIL")) return undefined;
  return refusal(501, "HOLDUNTIL", "HOLDFOR was given too, and only one of the two is allowed");
}

/** Any case; the length is compared first because "\xdf" in upper case is "SS". */
function isWord(value: string, word: string): boolean {
  return value === word || (value.length === word.length && value.toUpperCase() === word);
}

/** Decoded it may hold printable ASCII and white space, so no line break for a DSN (RFC 3461 §4.2, §4.4). */
function isPrintableXtext(xtext: string, most: number): boolean {
  const text = decodeXtext(xtext);
  return text !== undefined && text.length <= most && isText(text, 126);
}

function isBodyOffered(offered: Extensions, value: string): boolean {
  if (!isWord(value, "BINARYMIME")) return offered.has("8BITMIME");
  return offered.has("BINARYMIME") && offered.has("CHUNKING");
}

function isEnvelopeId(value: string): boolean {
  return value !== "" && isPrintableXtext(value, 100);
}

/** `<>` is xtext as it is. */
function isAuth(value: string): boolean {
  return value !== "" && isTextXtext(value);
}

/** A mailbox in UTF-8 may stand in the hex of xtext (Postfix sends such an ORCPT), so high octets are taken. */
function isTextXtext(xtext: string): boolean {
  const text = decodeXtext(xtext);
  return text !== undefined && isText(text, 255);
}

function isText(text: string, last: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === DELETE || code > last) return false;
  }
  return true;
}

/** RFC 2852 §4: a message to be returned after no time at all is a syntax error. */
function isDeliverBy(value: string): boolean {
  const match = BY.exec(value);
  if (!match) return false;
  return !isWord(match[3]!, "R") || (match[1] !== "-" && Number(match[2]) > 0);
}

function isNotify(value: string): boolean {
  if (isWord(value, "NEVER")) return true;
  const wanted = value.split(",", 4);
  const isEvent = (word: string) =>
    isWord(word, "SUCCESS") || isWord(word, "FAILURE") || isWord(word, "DELAY");
  return wanted.every(isEvent) && new Set(wanted.map((word) => word.toUpperCase())).size === wanted.length;
}

/** RFC 3461 §4.2, and for the type "utf-8" RFC 6533 §3. */
function isOriginalRecipient(value: string, offered: Extensions): boolean {
  const type = value.indexOf(";");
  if (value.length > 500 || !isAtom(value, type)) return false;
  const address = value.slice(type + 1);
  return type === 5 && value.slice(0, type).toLowerCase() === "utf-8"
    ? isUtf8Address(address, offered.has("SMTPUTF8"))
    : isTextXtext(address);
}

/** The atom of RFC 822 §3.3, which RFC 3461 means: no specials and nothing above 127. */
function isAtom(value: string, end: number): boolean {
  for (let i = 0; i < end; i++) {
    if (value.charCodeAt(i) >= DELETE || '()<>@,;:\\".[]'.includes(value[i]!)) return false;
  }
  return end > 0;
}

/**
 * The address of an ORCPT of type "utf-8" (RFC 6533 §3). With SMTPUTF8 it may be a mailbox as it is; without,
 * all but plain ASCII is written `\x{…}`.
 */
function isUtf8Address(address: string, smtputf8: boolean): boolean {
  let at = 0;
  while (at < address.length) {
    const code = address.charCodeAt(at);
    if (code > 127) at = smtputf8 ? utf8End(address, at) : -1;
    else if (code === BACKSLASH && address.startsWith("x{", at + 1)) at = embeddedEnd(address, at + 3);
    else if (code === BACKSLASH || code === PLUS) at = smtputf8 ? at + 1 : -1;
    else at++;
    if (at < 0) return false;
  }
  return address !== "";
}

/** The index after the "}" of a `\x{…}` whose digits, six at the most, start at `from`; or -1. */
function embeddedEnd(address: string, from: number): number {
  const size = address.slice(from, from + 7).indexOf("}");
  const digits = address.slice(from, from + size);
  if (size < 2 || !/^(?:[0-9A-F]{2}|[1-9A-F][0-9A-F]{2,5})$/i.test(digits)) return -1;
  return isEmbeddable(parseInt(digits, 16)) ? from + size + 1 : -1;
}

/** HEXPOINT of RFC 6533 §3: some of what xtext would encode (neither CR nor LF), and all beyond ASCII. */
function isEmbeddable(point: number): boolean {
  if (point >= 0x80) return point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
  if (point < 0x20) return point > 0 && (point & 0x0f) < 10;
  return [0x20, 0x2b, 0x3d, 0x5c, 0x7f].includes(point);
}

/** A date-time of RFC 3339 §5.6 whose numbers a calendar and a clock can show. */
function isDateTime(value: string): boolean {
  const match = DATE_TIME.exec(value);
  if (!match) return false;
  const [month, day, hour, minute, second, offsetHour, offsetMinute] = match.slice(1).map((part) =>
    Number(part ?? 0)
  );
  return month! >= 1 && month! <= 12 && day! >= 1 && day! <= daysIn(month!, Number(value.slice(0, 4))) &&
    hour! <= 23 && minute! <= 59 && second! <= 60 && offsetHour! <= 23 && offsetMinute! <= 59;
}

function daysIn(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
