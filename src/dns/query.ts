/** A question on its way to one server, over UDP or TCP. */

import type { DnsErrorCode } from "../policy/effects.ts";

export interface Query<T> {
  /** The message; its id is set where it is sent. */
  readonly bytes: Uint8Array;
  /** The answer must repeat the letters' case too. */
  readonly exact: boolean;
  /** Milliseconds to wait for the answer. */
  readonly timeout: number;
  /** Reads an answer; undefined where it cannot be read. */
  readonly read: (reply: Uint8Array) => T | undefined;
}

/** The DNS could not be asked, or not by this server. */
export interface Failure {
  readonly says: "failure";
  readonly code: DnsErrorCode;
  readonly detail: string;
}

/** A failure that keeps its reason. */
export function failure(code: DnsErrorCode, detail: string): Failure {
  return { says: "failure", code, detail };
}

export function setId(message: Uint8Array, id: number): void {
  message[0] = id >> 8;
  message[1] = id & 255;
}
