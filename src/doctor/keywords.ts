/**
 * EHLO keywords in words.
 */

const WORDS: ReadonlyMap<string, string> = new Map([
  ["8BITMIME", "messages with octets above 127 (RFC 6152)"],
  ["AUTH", "authentication (RFC 4954)"],
  ["BINARYMIME", "messages of any octets, by count (RFC 3030)"],
  ["BURL", "messages fetched from IMAP (RFC 4468)"],
  ["CHUNKING", "messages by count instead of by dot (RFC 3030)"],
  ["DELIVERBY", "a time by which to deliver (RFC 2852)"],
  ["DSN", "reports on demand (RFC 3461)"],
  ["ENHANCEDSTATUSCODES", "replies with codes like 5.7.1 (RFC 2034)"],
  ["ETRN", "starting a queue from afar (RFC 1985)"],
  ["EXPN", "expanding lists"],
  ["FUTURERELEASE", "messages held until a time (RFC 4865)"],
  ["HELP", "help"],
  ["LIMITS", "its limits told beforehand (RFC 9422)"],
  ["MT-PRIORITY", "priorities (RFC 6710)"],
  ["MTRK", "tracking (RFC 3885)"],
  ["PIPECONNECT", "commands ahead of the greeting (Exim)"],
  ["PIPELINING", "commands ahead of replies (RFC 2920)"],
  ["PRDR", "a reply per recipient after the message"],
  ["REQUIRETLS", "TLS required all the way (RFC 8689)"],
  ["RRVS", "mailboxes that did not change hands (RFC 7293)"],
  ["SIZE", "the size told beforehand (RFC 1870)"],
  ["SMTPUTF8", "addresses in any script (RFC 6531)"],
  ["STARTTLS", "TLS (RFC 3207)"],
  ["VRFY", "asking whether a mailbox is there"],
  ["XCLIENT", "being told who the client is, with its rights"],
  ["XFORWARD", "being told who the client is, for the log"],
]);

/** `SIZE 10240000: the size told beforehand (RFC 1870)`. */
export function inWords(keyword: string, parameters: string): string {
  const word = WORDS.get(keyword) ?? "not an extension known here";
  return `${keyword}${parameters === "" ? "" : ` ${parameters}`}: ${word}`;
}
