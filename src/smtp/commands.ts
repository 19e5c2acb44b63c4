/**
 * The commands of the client-facing side (RFC 5321 §4.1.1): when each is legal, and what its argument must be.
 * The table can be read; nothing else in the program decides what is legal when.
 */
import type { Extensions } from "./extensions.ts";
import type { Path } from "./path.ts";
import type { Parameter } from "./parameters.ts";
import { readForwardPath, readReversePath, utf8End } from "./path.ts";
import { checkMailParameters, checkRcptParameters, readParameters } from "./parameters.ts";
import type { ClientFacts } from "./client_facts.ts";
import { readXclient } from "./xclient.ts";

/** Between commands a session is in one of these. `bdat`: some chunks of a message are in. */
export type Phase = "start" | "ready" | "mail" | "rcpt" | "bdat";

/** A refusal in words: code, subject and detail of the enhanced code, text. */
export type Refusal = readonly [code: number, enhanced: string, text: string];

/** A command that someone else must judge and carry out. */
export type Command =
  | { readonly kind: "helo"; readonly verb: "HELO" | "EHLO"; readonly domain: string }
  /**
   * `written`: the parameters as they stood on the line, each behind its space. `line`: the whole line as the client
   * wrote it, without its end.
   */
  | {
    readonly kind: "mail";
    readonly path: Path;
    readonly parameters: readonly Parameter[];
    readonly written: string;
    readonly line: string;
  }
  | {
    readonly kind: "rcpt";
    readonly path: Path;
    readonly parameters: readonly Parameter[];
    readonly written: string;
    readonly line: string;
  }
  | { readonly kind: "data" }
  | { readonly kind: "chunk"; readonly size: number; readonly last: boolean }
  | { readonly kind: "rset" }
  | { readonly kind: "noop" }
  | { readonly kind: "quit" }
  | { readonly kind: "help" }
  | { readonly kind: "starttls" }
  | { readonly kind: "xclient"; readonly facts: ClientFacts }
  | { readonly kind: "ask"; readonly verb: "VRFY" | "EXPN" | "ETRN"; readonly line: string };

/** What a command's check may look at. */
export interface Standing {
  readonly offered: Extensions;
  /** The transaction's MAIL asked for SMTPUTF8. */
  readonly utf8: boolean;
  /** The transaction's MAIL said BODY=BINARYMIME. */
  readonly binary: boolean;
  /** Octets the proxy takes as one message. */
  readonly messageSize: number;
  /** The other end is believed when it says with XCLIENT whose session this is. */
  readonly xclient: boolean;
  /** TLS is required, and not there yet. */
  readonly tlsMissing: boolean;
}

interface Row {
  readonly legal: Readonly<Record<Phase, Refusal | undefined>>;
  /** Taken in the clear even where TLS is required (RFC 3207 §4; HELO, RSET and HELP do no harm). */
  readonly clear?: true;
  /** Reads the argument (what follows the verb, with its leading spaces). */
  check(argument: string, standing: Standing, line: string): Command | Refusal;
}

const yes = undefined;
const heloFirst: Refusal = [503, "5.1", "Send EHLO or HELO first"];
const mailFirst: Refusal = [503, "5.1", "Send MAIL first"];
const rcptFirst: Refusal = [554, "5.1", "No valid recipients"];
const nested: Refusal = [503, "5.1", "Sender already given"];
const inChunks: Refusal = [503, "5.1", "Not between BDAT chunks"];
const tlsFirst: Refusal = [530, "7.0", "Must issue a STARTTLS command first"];
const inMail: Refusal = [503, "5.1", "Not within a transaction"];

function legal(
  start: Refusal | undefined,
  ready: Refusal | undefined,
  mail: Refusal | undefined,
  rcpt: Refusal | undefined,
  bdat: Refusal | undefined,
): Row["legal"] {
  return { start, ready, mail, rcpt, bdat };
}

// deno-fmt-ignore
const TABLE: ReadonlyMap<string, Row> = new Map<string, Row>([
  //                       start      ready      mail       rcpt      bdat
  ["HELO",     { legal: legal(yes,       yes,       yes,       yes,      yes),      check: helo("HELO"), clear: true }],
  ["EHLO",     { legal: legal(yes,       yes,       yes,       yes,      yes),      check: helo("EHLO"), clear: true }],
  ["MAIL",     { legal: legal(heloFirst, yes,       nested,    nested,   nested),   check: mail }],
  ["RCPT",     { legal: legal(heloFirst, mailFirst, yes,       yes,      inChunks), check: rcpt }],
  ["DATA",     { legal: legal(heloFirst, mailFirst, rcptFirst, yes,      inChunks), check: data }],
  ["BDAT",     { legal: legal(heloFirst, mailFirst, rcptFirst, yes,      yes),      check: bdat }],
  ["RSET",     { legal: legal(yes,       yes,       yes,       yes,      yes),      check: bare("rset"), clear: true }],
  ["QUIT",     { legal: legal(yes,       yes,       yes,       yes,      yes),      check: bare("quit"), clear: true }],
  ["NOOP",     { legal: legal(yes,       yes,       yes,       yes,      yes),      check: () => ({ kind: "noop" }), clear: true }],
  ["HELP",     { legal: legal(yes,       yes,       yes,       yes,      yes),      check: () => ({ kind: "help" }), clear: true }],
  ["VRFY",     { legal: legal(yes,       yes,       yes,       yes,      inChunks), check: ask("VRFY") }],
  ["EXPN",     { legal: legal(yes,       yes,       yes,       yes,      inChunks), check: ask("EXPN") }],
  ["ETRN",     { legal: legal(heloFirst, yes,       inMail,    inMail,   inMail),   check: ask("ETRN") }],
  ["STARTTLS", { legal: legal(heloFirst, yes,       inMail,    inMail,   inMail),   check: starttls, clear: true }],
  ["XCLIENT",  { legal: legal(yes,       yes,       inMail,    inMail,   inMail),   check: xclient, clear: true }],
]);

/** Commands the RFCs know and this server does not have (RFC 5321 Appendix F; ATRN: RFC 2645). */
const ABSENT = new Set(["SEND", "SOML", "SAML", "TURN", "ATRN", "AUTH", "XFORWARD", "LHLO"]);
/** Verbs of HTTP: a browser made to speak to a mail server (cross-protocol attack). */
const FOREIGN = new Set([
  "GET",
  "POST",
  "PUT",
  "HEAD",
  "DELETE",
  "OPTIONS",
  "CONNECT",
  "TRACE",
  "PATCH",
  "PRI",
]);

/** The answer to a PROXY header where a command should stand: who sends it speaks for somebody else, unheard. */
export const STRAY_HEADER: Refusal = [421, "7.1", "A PROXY header is not taken here"];

/** What a command line turned out to be. `fatal` refusals end the session. */
export type LineRead = { readonly command: Command } | {
  readonly refusal: Refusal;
  readonly fatal?: boolean;
  readonly swallow?: Command;
};

/** Reads a command line and says whether it is legal now. */
export function readCommand(line: string, phase: Phase, standing: Standing): LineRead {
  const space = line.indexOf(" ");
  const verb = (space === -1 ? line : line.slice(0, space)).toUpperCase();
  const row = TABLE.get(verb);
  if (row === undefined) return unknown(verb);
  const refusal = standing.tlsMissing && !row.clear ? tlsFirst : row.legal[phase];
  if (refusal !== undefined && verb !== "BDAT") return { refusal };
  const read = row.check(space === -1 ? "" : line.slice(space), standing, line);
  if ("kind" in read) {
    // A refused chunk's octets are on their way all the same, and must not be taken for commands.
    return refusal === undefined ? { command: read } : { refusal, swallow: read };
  }
  // Where a chunk's size cannot be read, nothing says where the next command starts.
  return { refusal: read, fatal: verb === "BDAT" };
}

function unknown(verb: string): LineRead {
  if (FOREIGN.has(verb)) {
    return { refusal: [421, "7.0", "This is a mail server, it does not speak HTTP"], fatal: true };
  }
  if (verb === "PROXY") return { refusal: STRAY_HEADER, fatal: true };
  if (ABSENT.has(verb)) return { refusal: [502, "5.1", `Command ${verb} not implemented`] };
  return { refusal: [500, "5.1", "Command not recognized"] };
}

function helo(verb: "HELO" | "EHLO"): Row["check"] {
  return (argument) => {
    const domain = trimmed(argument);
    if (domain === "") return [501, "5.4", `Syntax: ${verb} followed by your host name`];
    if (!/^[!-~\x80-\xff]{1,255}$/.test(domain)) {
      return [501, "5.4", `Syntax: ${verb} takes one host name or address literal of at most 255 characters`];
    }
    return { kind: "helo", verb, domain };
  };
}

/** `text[from, …)` without spaces and tabs at its end. Not trim(): to that, the octet A0 is a space too. */
function trimmedEnd(text: string, from: number): string {
  let end = text.length;
  while (end > from && (text.charCodeAt(end - 1) === 32 || text.charCodeAt(end - 1) === 9)) end--;
  return text.slice(from, end);
}

function trimmed(text: string): string {
  let at = 0;
  while (text.charCodeAt(at) === 32 || text.charCodeAt(at) === 9) at++;
  return trimmedEnd(text, at);
}

/** Index after `keyword` (letters in any case) and optional spaces, or -1. RFC 5321 has no space there, senders do. */
function afterKeyword(argument: string, keyword: string): number {
  let at = 0;
  while (argument.charCodeAt(at) === 32) at++;
  const end = at + keyword.length;
  if (at === 0 || argument.slice(at, end).toUpperCase() !== keyword) return -1;
  at = end;
  while (argument.charCodeAt(at) === 32) at++;
  return at;
}

function mail(argument: string, standing: Standing, line: string): Command | Refusal {
  const at = afterKeyword(argument, "FROM:");
  if (at === -1) return [501, "5.4", "Syntax: MAIL FROM:<address> and parameters"];
  const read = readReversePath(argument, at);
  if ("fault" in read) return [501, "1.7", `Bad sender address: ${read.fault}`];
  const parameters = readParameters(argument, read.end);
  if ("fault" in parameters) return [501, "5.4", `Bad parameter: ${parameters.fault}`];
  const fault = checkMailParameters(parameters.list, standing.offered);
  if (fault !== undefined) return [fault.code, fault.enhanced.replace(/^\d\./, ""), fault.text];
  if (read.path.utf8 && !parameters.list.some((parameter) => parameter.keyword === "SMTPUTF8")) {
    return [550, "6.7", "This address needs SMTPUTF8"];
  }
  const size = parameters.list.find((parameter) => parameter.keyword === "SIZE")?.value;
  if (size !== undefined && Number(size) > standing.messageSize) {
    return [552, "3.4", `Message too large: at most ${standing.messageSize} octets`];
  }
  return {
    kind: "mail",
    path: read.path,
    parameters: parameters.list,
    written: trimmedEnd(argument, read.end),
    line,
  };
}

function rcpt(argument: string, standing: Standing, line: string): Command | Refusal {
  const at = afterKeyword(argument, "TO:");
  if (at === -1) return [501, "5.4", "Syntax: RCPT TO:<address> and parameters"];
  const read = readForwardPath(argument, at);
  if ("fault" in read) return [501, "1.3", `Bad recipient address: ${read.fault}`];
  const parameters = readParameters(argument, read.end);
  if ("fault" in parameters) return [501, "5.4", `Bad parameter: ${parameters.fault}`];
  const fault = checkRcptParameters(parameters.list, standing.offered);
  if (fault !== undefined) return [fault.code, fault.enhanced.replace(/^\d\./, ""), fault.text];
  if (read.path.utf8 && !standing.utf8) return [553, "6.7", "This address needs SMTPUTF8"];
  return {
    kind: "rcpt",
    path: read.path,
    parameters: parameters.list,
    written: trimmedEnd(argument, read.end),
    line,
  };
}

function data(argument: string, standing: Standing): Command | Refusal {
  if (trimmed(argument) !== "") return [501, "5.4", "DATA takes no argument"];
  if (standing.binary) return [503, "5.1", "A BINARYMIME message must be sent with BDAT"];
  return { kind: "data" };
}

/** RFC 3030 §2: `BDAT size [LAST]`. */
function bdat(argument: string): Command | Refusal {
  const words = trimmed(argument).split(/ +/);
  const size = words[0]!;
  const last = words[1]?.toUpperCase() === "LAST";
  // 15 digits stay exact in a number.
  if (!/^\d{1,15}$/.test(size) || words.length > 2 || (words.length === 2 && !last)) {
    return [501, "5.4", "Syntax: BDAT and a size of at most 15 digits, then LAST or nothing"];
  }
  return { kind: "chunk", size: Number(size), last };
}

function bare(kind: "rset" | "quit"): Row["check"] {
  return (
    argument,
  ) => (trimmed(argument) === "" ? { kind } : [501, "5.4", `${kind.toUpperCase()} takes no argument`]);
}

function ask(verb: "VRFY" | "EXPN" | "ETRN"): Row["check"] {
  return (argument, { offered }, line) => {
    if (trimmed(argument) === "") return [501, "5.4", `${verb} needs an argument`];
    if (/^[ -~]*$/.test(argument)) return { kind: "ask", verb, line };
    if (!isPrintable(argument)) return [501, "5.4", `${verb} takes printable characters only`];
    // RFC 6531 §3.7.4.2.
    const utf8 = verb !== "ETRN" && offered.has("SMTPUTF8") && / SMTPUTF8 *$/i.test(argument);
    return utf8 ? { kind: "ask", verb, line } : [553, "6.7", "This argument needs SMTPUTF8"];
  };
}

/** No controls, and what is not ASCII is well-formed UTF-8: the backend is to read the line as one, and as this one. */
function isPrintable(text: string): boolean {
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code < 32 || code === 127) return false;
    at = code < 127 ? at + 1 : utf8End(text, at);
    if (at < 0) return false;
  }
  return true;
}

function starttls(argument: string, standing: Standing): Command | Refusal {
  if (!standing.offered.has("STARTTLS")) return [502, "5.1", "STARTTLS is not offered here"];
  if (trimmed(argument) !== "") return [501, "5.4", "STARTTLS takes no argument"];
  return { kind: "starttls" };
}

function xclient(argument: string, standing: Standing): Command | Refusal {
  if (!standing.xclient) return [550, "7.1", "XCLIENT is taken from trusted hosts only"];
  const read = readXclient(argument);
  return "refusal" in read ? read.refusal : { kind: "xclient", facts: read.facts };
}
