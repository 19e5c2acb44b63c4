/**
 * Which mail server this is, as far as its words tell.
 */

/** Servers whose configuration the doctor knows. */
export const SERVERS = ["postfix", "exim", "sendmail", "opensmtpd", "stalwart", "exchange"] as const;
export type Server = (typeof SERVERS)[number];

export const SERVER_NAMES: Readonly<Record<Server, string>> = {
  postfix: "Postfix",
  exim: "Exim",
  sendmail: "Sendmail",
  opensmtpd: "OpenSMTPD",
  stalwart: "Stalwart",
  exchange: "Exchange",
};

/** What gives each away: names in the greeting first, then turns of phrase that remain where the name was removed. */
const SIGNS: readonly (readonly [server: Server, sign: RegExp])[] = [
  ["opensmtpd", /\bOpenSMTPD\b/],
  ["postfix", /\bPostfix\b/],
  ["exim", /\bExim\b/],
  ["sendmail", /\bSendmail\b/],
  ["stalwart", /\bStalwart\b/i],
  ["exchange", /\bMicrosoft ESMTP MAIL Service\b/i],
  ["exchange", /\b(X-EXPS|X-ANONYMOUSTLS|XEXCH50|X-EXCHANGE)/],
  ["stalwart", /you had me at EHLO/i],
  ["postfix", /Error: command not recognized|5\.5\.1 Error: nested MAIL command/],
  ["exim", /unrecognized command|synchronization error/],
  ["sendmail", /, pleased to meet you[\s\S]*5\.5\.1 Command unrecognized/],
  ["opensmtpd", /, pleased to meet you[\s\S]*Invalid command/],
];

/** @param said all that it said so far */
export function serverOf(said: string): Server | undefined {
  return SIGNS.find(([, sign]) => sign.test(said))?.[0];
}
