/**
 * What the demo backend offers, allows and says.
 */
import type { MessageFault } from "../smtp/data.ts";
import type { Extensions } from "../smtp/extensions.ts";
import { DEFAULT_LIMITS, type Limits } from "../smtp/limits.ts";
import { type Reply, reply } from "../smtp/reply.ts";

export const NAME = "demo.localhost";
const PATIENCE = 600_000;

export const LIMITS: Limits = {
  ...DEFAULT_LIMITS,
  headerBlock: Infinity,
  messageSize: Infinity,
  messages: Infinity,
  errors: Infinity,
  idleCommands: Infinity,
  commandTime: PATIENCE,
  dataTime: PATIENCE,
  dataRateGrace: Infinity,
};

/** SIZE 0: no fixed maximum (RFC 1870 §4). */
export const EXTENSIONS: Extensions = new Map([
  ["PIPELINING", ""],
  ["SIZE", "0"],
  ["8BITMIME", ""],
  ["SMTPUTF8", ""],
  ["ENHANCEDSTATUSCODES", ""],
  ["DSN", ""],
  ["CHUNKING", ""],
  ["BINARYMIME", ""],
]);

export const greeting = reply(220, "", `${NAME} ESMTP Sallyport demo`);
export const helo = reply(250, "", NAME);
export const ehlo = reply(250, "", [NAME, ...[...EXTENSIONS].map((words) => words.join(" ").trimEnd())]);
export const senderOk = reply(250, "1.0", "Sender ok");
export const recipientOk = reply(250, "1.5", "Recipient ok");
export const goOn = reply(354, "", "End data with <CR><LF>.<CR><LF>");
export const chunkOk = reply(250, "0.0", "Chunk ok");
export const delivered = reply(250, "0.0", "Delivered");
export const tooSlow = reply(421, "4.2", "That took too long");

/** The message itself is at fault. */
export function notTaken(fault: MessageFault): Reply {
  return reply(550, "6.0", `Cannot take the message: ${fault}`);
}

/** The client may try again: somebody can make room, or put the directory back. */
export function notDelivered(fault: Error): Reply {
  const { code = "unknown error" } = fault as { code?: string };
  return reply(452, "3.1", `Cannot write the message: ${code}`);
}
