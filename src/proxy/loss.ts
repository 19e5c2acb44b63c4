/**
 * A backend that is lost with a transaction on it: what there is to do and to say whether it happens in the envelope
 * (`transaction`, which may ask another backend) or in the message (`message_relay`, which may not).
 */
import type { Connection } from "../backend/connection.ts";
import { isOutOfTurn, type Loss } from "../backend/loss.ts";
import type { Pool } from "../backend/pool.ts";
import type { Refusal } from "../smtp/commands.ts";
import type { Step } from "../smtp/client.ts";

/** What a client hears of it where nobody else can be asked. */
export const BACKEND_FAILED: Refusal = [
  451,
  "3.0",
  "The mail server behind this one failed, try again later",
];

/** The connection is gone; of its backend it is remembered if it said what nobody had asked for. */
export function forgetLost(connection: Connection, pool: Pool, loss: Loss): void {
  pool.forget(connection);
  if (isOutOfTurn(loss)) connection.backend.outOfTurn = true;
}

/** For the log. */
export function lossDetail({ why, step, detail }: Loss): string {
  return `${why} at ${step ?? "rest"}: ${detail}`;
}

/** More was said than was asked: whose answer is whose is not known any more. */
export function discardUnasked(connection: Connection, pool: Pool, step: Step, what: string): Loss {
  pool.discard(connection);
  return { why: "unasked", step, detail: `${connection.backend.name}: ${what}` };
}
