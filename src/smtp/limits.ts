/**
 * Every bound of a session in one place, with its default and the reason for it
 * (RFC 5321 §4.5.3.1 sizes, §4.5.3.2 times).
 */

/** Bounds of the client-facing side. Octets, counts and milliseconds; `Infinity` lifts a bound. */
export interface Limits {
  /** Octets of a command line with its CRLF. The RFC asks for 512, extensions for more. */
  readonly commandLine: number;
  /** Octets of input kept while a command waits for its answer, before reading stops. */
  readonly inputBuffer: number;
  /** Octets of a message's header block. */
  readonly headerBlock: number;
  /** Octets of one line of a message. RFC 5322 says 998, real mail does not; nothing here needs a bound. */
  readonly messageLine: number;
  /** Octets of a message. */
  readonly messageSize: number;
  /** Recipients of one transaction; the RFC asks for at least 100. */
  readonly recipients: number;
  /** Transactions of one session. */
  readonly messages: number;
  /** Commands answered 4yz or 5yz that end a session with 421: a person at a keyboard needs a few, a program gone wrong has no end. */
  readonly errors: number;
  /** Recipients answered 4yz or 5yz that end a session with 421: that many unknown ones are guesses. */
  readonly refusedRecipients: number;
  /** Commands between two messages that move no mail (NOOP, RSET, VRFY, EHLO …). */
  readonly idleCommands: number;
  /** Time for the next whole command. */
  readonly commandTime: number;
  /** Time between two reads of a message (RFC 5321 §4.5.3.2.5). */
  readonly dataTime: number;
  /** Time for a TLS handshake. */
  readonly handshakeTime: number;
  /** Octets per second that a message must keep up on the average … */
  readonly dataRate: number;
  /** … once it has been on its way for this long. */
  readonly dataRateGrace: number;
}

export const DEFAULT_LIMITS: Limits = {
  commandLine: 4096,
  inputBuffer: 64 * 1024,
  headerBlock: 1024 * 1024,
  messageLine: Infinity,
  messageSize: 256 * 1024 * 1024,
  recipients: 1000,
  messages: 1000,
  errors: 20,
  refusedRecipients: 100,
  idleCommands: 200,
  commandTime: 300_000,
  dataTime: 180_000,
  handshakeTime: 30_000,
  dataRate: 100,
  dataRateGrace: 180_000,
};
