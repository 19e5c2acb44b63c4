/** The mail servers that these tests put behind the proxy. */
import type { Peer } from "./peer.ts";
import { aiosmtpd } from "./peers/aiosmtpd.ts";
import { courier } from "./peers/courier.ts";
import { dovecotLmtp, dovecotSubmission } from "./peers/dovecot.ts";
import { exim } from "./peers/exim.ts";
import { haraka } from "./peers/haraka.ts";
import { opensmtpd } from "./peers/opensmtpd.ts";
import { postfix } from "./peers/postfix.ts";
import { sendmail } from "./peers/sendmail.ts";
import { smtpSink } from "./peers/smtp_sink.ts";

export const PEERS: readonly Peer[] = [
  postfix,
  exim,
  sendmail,
  opensmtpd,
  courier,
  dovecotSubmission,
  dovecotLmtp,
  smtpSink,
  aiosmtpd,
  haraka,
];
