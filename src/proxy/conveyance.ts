/**
 * How one connection can convey an envelope and its message: whether the backend takes them at all, whether it is told
 * of the client first, whether commands go together (RFC 2920), and whether the message goes by BDAT (RFC 3030).
 *
 * The last two exclude each other: a message that travels by BDAT has no 354 to tell a reply too many to the envelope from
 * the one that is due.
 */
import type { Connection } from "../backend/connection.ts";
import { isForwarded } from "../backend/handshake.ts";
import { forwardLines, type Identity } from "../backend/identity.ts";
import { asksBinary } from "../smtp/parameters.ts";
import { fits, type MailCommand, type RcptCommand } from "./envelope.ts";

/** What the policy says of it. */
export interface ConveyanceOptions {
  /** False: messages sent with BDAT go on as DATA even where the backend has CHUNKING. */
  readonly chunking: boolean;
  /** False: each command waits for the reply to the one before, whatever the backend offers. */
  readonly pipelining: boolean;
}

/** Whom XFORWARD tells of. */
interface Forwarded {
  identity(): Identity;
  /** What the message is called in the log. */
  readonly ident: string;
}

const NO_LINES: readonly string[] = [];

/**
 * Whether the backend takes this envelope.
 * @param asked the recipient that was asked for last
 * @param recipients how many it would have
 */
export function suits(
  { backend, extensions, secured }: Connection,
  mail: MailCommand,
  accepted: readonly RcptCommand[],
  asked: RcptCommand | undefined,
  recipients: number,
): boolean {
  // One that failed may have spoken SMTP, and have taken more recipients than one.
  if (backend.address.lmtp && recipients > 1) return false;
  return fits(mail, accepted, asked, extensions, secured);
}

/** The backend's log may know of the client, transaction by transaction: the lines that tell it. */
export function forwardedLines(connection: Connection, client: Forwarded): readonly string[] {
  const { backend, speaks, extensions } = connection;
  if (!isForwarded(backend.address) || speaks || !extensions.has("XFORWARD")) return NO_LINES;
  return forwardLines(client.identity(), client.ident, extensions);
}

/** Commands may go in one write. Not of a message that is binary: it can only go by BDAT. */
export function goesTogether(
  { extensions, backend }: Connection,
  mail: MailCommand,
  { pipelining }: ConveyanceOptions,
): boolean {
  return pipelining && extensions.has("PIPELINING") && !backend.outOfTurn && !asksBinary(mail.parameters);
}

/**
 * Who has once replied too often gets DATA, whose 354 would tell the next time; what is binary can only go by BDAT.
 * @param together commands of the envelope went in one write
 */
export function goesByChunks(
  { extensions, backend }: Connection,
  mail: MailCommand,
  together: boolean,
  { chunking }: ConveyanceOptions,
): boolean {
  return extensions.has("CHUNKING") && !together &&
    ((chunking && !backend.outOfTurn) || asksBinary(mail.parameters));
}

/**
 * The envelope went out in one write, and the message could go by BDAT: it is better said again on another connection, one
 * command at a time.
 */
export function isDoubtful(
  { extensions }: Connection,
  together: boolean,
  { chunking }: ConveyanceOptions,
): boolean {
  return together && chunking && extensions.has("CHUNKING");
}
