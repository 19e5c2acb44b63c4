/**
 * How long a client may take (RFC 5321 §4.5.3.2.7): for its next command, between two reads of a message, and for a
 * message as a whole by the rate it must keep up. Time in which the client is not asked for anything does not count.
 */
import type { Limits } from "./limits.ts";

export class Pace {
  readonly #limits: Limits;
  /** When the wait for the client began. */
  #since = 0;
  /** Milliseconds the client has taken for the message so far. */
  #spent = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** From now on the client is waited for. */
  restart(now: number): void {
    this.#since = now;
  }

  /** Octets of a message begin. */
  beginOctets(): void {
    this.#spent = 0;
  }

  /** Some octets of a message have come. */
  octets(now: number): void {
    this.#spent += now - this.#since;
    this.#since = now;
  }

  /** When the next command is overdue. */
  get command(): number {
    return this.#since + this.#limits.commandTime;
  }

  get handshake(): number {
    return this.#since + this.#limits.handshakeTime;
  }

  /** When the rest of a message, of which `octets` are there, is overdue. */
  message(octets: number): number {
    const { dataTime, dataRate, dataRateGrace } = this.#limits;
    const allowed = Math.max(dataRateGrace, (octets / dataRate) * 1000);
    return this.#since + Math.min(dataTime, allowed - this.#spent);
  }
}
